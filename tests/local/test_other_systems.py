"""What file systems and event loops of other systems do, as near as this one comes to it."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from asyncio import proactor_events
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from anchor_uploads.local import LocalServer
from anchor_uploads.local.disk import uploads
from anchor_uploads.local.disk.upload_form import impossible_on_windows
from anchor_uploads.local.proactor import close_what_was_reset

if TYPE_CHECKING:
    from conftest import Anchor


def upload(anchor: Anchor, session_id: str, name: str, content: bytes = b"x") -> httpx.Response:
    return anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": (name, content)})


def message(reply: httpx.Response) -> str:
    error = reply.json()["error"]
    return str(error["message"] if "message" in error else error["error"]["message"])


@pytest.mark.parametrize(
    ("name", "means_a_device"),
    [
        ("CON", True),
        ("con .txt", True),
        ("nul.txt", True),
        ("aux.tar.gz", True),
        ("COM0", True),
        ("com9.log", True),
        ("COM\u00b9", True),
        ("LPT\u00b2.txt", True),
        ("lpt\u00b3  .txt", True),
        ("CONIN$", True),
        ("conout$.txt", True),
        ("a:b", True),
        ("what?", True),
        ("a|b", True),
        ("dot.", True),
        ("space ", True),
        ("console.txt", False),
        ("COM", False),
        ("COM10", False),
        ("com\u2074", False),
        ("a con.txt", False),
        ("conin", False),
        (".nul", False),
    ],
)
def test_names_that_windows_does_not_have_are_known(name: str, means_a_device: bool) -> None:
    assert impossible_on_windows(name) is means_a_device


@pytest.fixture
def one_for_all_cases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that finds what it has under names of any case, and keeps the first."""
    stat, replace = Path.stat, os.replace

    def there(path: str | os.PathLike[str]) -> Path:
        wanted = Path(path)
        same = (other for other in wanted.parent.iterdir() if other.name.casefold() == wanted.name.casefold())
        return next(same, wanted)

    monkeypatch.setattr(Path, "stat", lambda path, **options: stat(there(path), **options))
    monkeypatch.setattr(os, "replace", lambda path, target: replace(path, there(target)))
    monkeypatch.setattr(Path, "samefile", lambda path, other: os.path.samefile(there(path), there(other)))


@pytest.mark.usefixtures("one_for_all_cases")
def test_a_file_takes_no_place_of_another_whose_name_is_the_same_to_the_file_system(
    anchor: Anchor, session_id: str
) -> None:
    assert upload(anchor, session_id, "a.txt", b"first").status_code == 200

    refused = upload(anchor, session_id, "A.TXT", b"second")
    assert refused.status_code == 400
    assert "'A.TXT' is 'a.txt'" in message(refused)
    assert anchor.stored(session_id) == {"a.txt": b"first"}

    assert upload(anchor, session_id, "a.txt", b"third").status_code == 200
    assert anchor.stored(session_id) == {"a.txt": b"third"}
    # A name is free again once its file is gone.
    (anchor.uploads(session_id) / "a.txt").unlink()
    assert upload(anchor, session_id, "A.TXT", b"fourth").status_code == 200
    assert anchor.stored(session_id) == {"A.TXT": b"fourth"}


def test_names_that_differ_only_for_other_file_systems_are_kept_beside_each_other(
    anchor: Anchor, session_id: str
) -> None:
    names = ["a.txt", "A.txt", "\u00e9.txt", "e\u0301.txt"]
    try:
        for name in names:
            (anchor.directory / name).touch()
        if len({(anchor.directory / name).stat().st_ino for name in names}) < len(names):
            pytest.skip("this file system takes them for one")
    finally:
        for name in names:
            (anchor.directory / name).unlink(missing_ok=True)
    for name in names:
        assert upload(anchor, session_id, name, name.encode()).status_code == 200
    assert anchor.stored(session_id) == {name: name.encode() for name in names}


def in_use(times: float, step: Callable[..., None]) -> Callable[..., None]:
    """Fail as Windows does while somebody has the file open, so many times."""
    left = iter(range(int(times))) if times < float("inf") else iter(int, 1)

    def fail_or_do(*arguments: Any, **options: Any) -> None:
        if next(left, None) is not None:
            error = PermissionError(errno.EACCES, "The process cannot access the file")
            error.winerror = 32  # type: ignore[attr-defined,unused-ignore]
            raise error
        step(*arguments, **options)

    return fail_or_do


def test_a_file_that_is_open_elsewhere_for_a_moment_is_replaced_after_it(
    anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", in_use(3, os.replace))
    assert upload(anchor, session_id, "a.txt", b"new").status_code == 200
    assert anchor.stored(session_id) == {"a.txt": b"new"}


def test_a_file_that_stays_open_elsewhere_is_a_500_that_says_so_and_nothing_is_left(
    anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "replace", in_use(float("inf"), os.replace))
    monkeypatch.setattr("anchor_uploads.local.disk.removal._MOMENT", 0.2)
    reply = upload(anchor, session_id, "a.txt")
    assert reply.status_code == 500
    assert "could not save a.txt" in message(reply)
    assert "cannot access the file" in message(reply)
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize("times", [3, float("inf")])
def test_discarding_what_is_open_elsewhere_hides_no_reason(
    anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch, times: float
) -> None:
    monkeypatch.setattr(Path, "unlink", in_use(times, Path.unlink))
    monkeypatch.setattr("anchor_uploads.local.disk.removal._MOMENT", 0.5)
    body = b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 3_000_000
    # So long that the first block of it is on the disk when the end is found missing.
    reply = anchor.upload(session_id, body)
    assert reply.status_code == 400
    assert "broke off" in message(reply)
    assert len(anchor.stored(session_id)) == (0 if times == 3 else 1)


@pytest.mark.parametrize("how", ["on Windows", "elsewhere"])
def test_a_path_that_is_too_long_for_the_system_is_a_400_that_says_so(
    anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    # Windows says of such a path that it is not there.
    number = errno.ENOENT if how == "on Windows" else errno.ENAMETOOLONG

    def fail(_path: object, _target: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr(uploads, "_LONGEST", 40 if how == "on Windows" else None)
    reply = upload(anchor, session_id, "a" * 100 + ".txt")
    assert reply.status_code == 400
    assert "characters, more than this server's system allows" in message(reply)
    assert anchor.stored(session_id) == {}


class Reset(socket.socket):
    """A connection that the other end has reset, as Windows lets the loop know."""

    def shutdown(self, _how: int) -> None:
        raise ConnectionResetError(10054, "An existing connection was forcibly closed by the remote host")


@pytest.fixture
def transports() -> Any:
    class Transports(proactor_events._ProactorBaseWritePipeTransport):  # type: ignore[name-defined,misc]
        pass

    close_what_was_reset(Transports)
    return Transports


@pytest.mark.parametrize("kind", [Reset, socket.socket])
def test_a_connection_that_was_reset_is_closed_and_forgotten_by_the_loop_of_windows(
    transports: Any, kind: type[socket.socket]
) -> None:
    ours, theirs = socket.socketpair()
    connection = kind(ours.family, ours.type, ours.proto, fileno=ours.detach())
    told: list[object] = []

    class Server:
        detached = 0

        def _attach(self, *_transport: object) -> None:
            pass

        def _detach(self, *_transport: object) -> None:
            self.detached += 1

    class Told(asyncio.Protocol):
        def connection_lost(self, error: Exception | None) -> None:
            told.append(error)

    async def run() -> Server:
        server, error = Server(), ConnectionResetError()
        transport = transports(asyncio.get_running_loop(), connection, Told(), server=server)
        transport._force_close(error)
        await asyncio.sleep(0.05)
        assert told == [error]
        return server

    assert asyncio.run(run()).detached == 1
    assert connection.fileno() == -1
    assert theirs.recv(1) == b""
    theirs.close()


def test_the_loop_of_windows_is_mended_once(transports: Any) -> None:
    mended = transports._call_connection_lost
    close_what_was_reset(transports)
    assert transports._call_connection_lost is mended


def test_nobody_takes_the_port_over_where_an_option_is_needed_against_it(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another option of this system stands in for it, whose value can be read.
    monkeypatch.setattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_KEEPALIVE, raising=False)
    listeners: list[socket.socket] = []
    listen = socket.socket.listen
    monkeypatch.setattr(socket.socket, "listen", lambda it, backlog: (listeners.append(it), listen(it, backlog)))
    with LocalServer(browser=False):
        (listener,) = set(listeners)
        assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert not listener.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)
