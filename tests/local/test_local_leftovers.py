"""Nothing is left: not by many sessions, and not by a server that was killed, once the next one has started."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from anchor_uploads import UploadClient
from anchor_uploads.local import LocalServer
from anchor_uploads.local.disk.ownership import owned
from anchor_uploads.local.leftovers import ROOT_PREFIX, sweep

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]
ProcessesWith = Callable[[str], list[psutil.Process]]
SERVE = "import sys; from anchor_uploads.local.foreground import LocalServer, serve; sys.exit(serve(LocalServer({})))"


@pytest.fixture
def temporary(short_tmp: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The system's temporary directory, for this process and those that it starts."""
    # pytest makes its own in there when it is first asked for one, and keeps it for all tests.
    tmp_path_factory.getbasetemp()
    for name in ("TMPDIR", "TEMP", "TMP"):
        monkeypatch.setenv(name, str(short_tmp))
    monkeypatch.setattr("tempfile.tempdir", str(short_tmp))
    return short_tmp


@contextmanager
def killed_server(arguments: str) -> Iterator[tuple[str, str]]:
    """The id of a session, with an upload, of a server that was killed; and what it said."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE.format(arguments)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            key = process.stdout.readline().strip().removeprefix("API key: ")
            with UploadClient(api_key=key, base_url=url) as client:
                session = client.create_session()
                client.upload_file(session.id, b"content", filename="a.txt")
        finally:
            process.kill()
    yield session.id, url


@pytest.mark.parametrize("place", ["temporary", "own"])
def test_the_next_server_sweeps_up_after_a_killed_one(
    temporary: Path, browser: Path, processes_with: ProcessesWith, place: str
) -> None:
    own = temporary / "own"
    arguments = f"directory={str(own)!r}" if place == "own" else ""
    with killed_server(arguments) as (session_id, _):
        assert processes_with(session_id), "the browser lives on"
        assert list(temporary.rglob("a.txt"))

    with LocalServer(browser=False, directory=own if place == "own" else None):
        assert processes_with(session_id) == []
        assert list(temporary.rglob("a.txt")) == []
        assert not list(temporary.rglob(f"*{session_id}*"))

    assert [path for path in temporary.iterdir() if path != own] == []


@pytest.mark.parametrize("place", ["temporary", "own"])
def test_a_living_server_keeps_what_it_has(temporary: Path, place: str) -> None:
    own = temporary / "own" if place == "own" else None
    with (
        LocalServer(browser=False, directory=own) as first,
        UploadClient(api_key=first.api_key, base_url=first.base_url) as client,
        client.session() as session,
    ):
        uploaded = client.upload_file(session.id, b"content", filename="a.txt")
        program = "from anchor_uploads.local import LocalServer\nwith LocalServer(browser=False, directory={}): pass"
        directory = repr(str(own)) if own else "None"
        subprocess.run([sys.executable, "-c", program.format(directory)], check=True, timeout=30)
        with LocalServer(browser=False, directory=own):
            assert uploaded.path is not None
            assert Path(uploaded.path).read_bytes() == b"content"
        client.upload_file(session.id, b"more", filename="b.txt")


def test_what_is_not_a_server_s_stays(temporary: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (target / ".anchor-uploads-owner").write_bytes(b"process 1\n")
    stays = [
        temporary / f"{ROOT_PREFIX}no-marker",
        temporary / f"{ROOT_PREFIX}empty-marker",
        temporary / "other-name",
        temporary / f"{ROOT_PREFIX}marker-is-a-directory",
    ]
    for directory in stays:
        directory.mkdir()
        (directory / "file").write_text("mine")
    (stays[1] / ".anchor-uploads-owner").touch()
    (stays[2] / ".anchor-uploads-owner").write_bytes(b"process 1\n")
    (stays[3] / ".anchor-uploads-owner").mkdir()
    goes = temporary / f"{ROOT_PREFIX}goes"
    goes.mkdir()
    (goes / ".anchor-uploads-owner").write_bytes(b"process 1\n")
    if os.name == "posix":
        (temporary / f"{ROOT_PREFIX}link").symlink_to(target)
        (goes / "link").symlink_to(target)
    file = temporary / f"{ROOT_PREFIX}file"
    file.touch()

    sweep(None)

    assert not goes.exists()
    assert all((directory / "file").read_text() == "mine" for directory in stays)
    assert (target / ".anchor-uploads-owner").exists()
    assert file.exists()
    assert caplog.records == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_what_another_user_made_stays(temporary: Path) -> None:
    theirs = temporary / f"{ROOT_PREFIX}theirs"
    theirs.mkdir()
    (theirs / ".anchor-uploads-owner").write_bytes(b"process 1\n")
    os.chown(theirs, 12345, 12345)
    sweep(None)
    assert theirs.exists()


def test_a_mark_lasts_as_long_as_its_block(temporary: Path) -> None:
    root = temporary / f"{ROOT_PREFIX}x"
    root.mkdir()
    with owned(root):
        sweep(None)
        assert root.exists()
    sweep(None)
    assert not root.exists()


def descriptors() -> int:
    process = psutil.Process()
    return process.num_handles() if os.name == "nt" else process.num_fds()


def test_fifty_sessions_leave_nothing(anchor: Anchor, wait_until: WaitUntil) -> None:
    def one() -> None:
        session_id = anchor.new_session()
        reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a", b"x" * 1000)})
        assert reply.status_code == 200
        assert anchor.client.delete(f"/v1/sessions/{session_id}").status_code == 200

    one()
    before = descriptors(), len(psutil.Process().children()), threading.active_count()

    for _ in range(50):
        one()

    assert anchor.session_directories() == []
    assert len(psutil.Process().children()) == before[1]
    # What each left would be fifty. How many threads of the pool were needed at once is chance, and on Windows each has
    # handles.
    wait_until(lambda: descriptors() < before[0] + 25, "no descriptor is left")
    assert threading.active_count() < before[2] + 25
    assert httpx.get(f"{anchor.server.base_url}/healthz", trust_env=False).json()["sessions"] == 0


def test_eight_sessions_with_browsers_at_once_leave_nothing(
    temporary: Path, browser: Path, processes_with: ProcessesWith, wait_until: WaitUntil
) -> None:
    directory = temporary / "sessions"
    with (
        LocalServer(directory=directory) as server,
        UploadClient(api_key=server.api_key, base_url=server.base_url) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        with client.session():
            pass
        before = descriptors(), set(psutil.Process().children(recursive=True))

        made = list(pool.map(lambda _: client.create_session(), range(8)))
        assert len({session.id for session in made}) == 8
        for session in made:
            assert processes_with(session.id)
        list(pool.map(lambda session: client.upload_file(session.id, b"x" * 100_000, filename="a"), made))
        list(pool.map(lambda session: client.end_session(session.id), made))

        assert [path for root in directory.iterdir() for path in root.iterdir() if path.is_dir()] == []
        assert processes_with(str(directory)) == []
        wait_until(lambda: set(psutil.Process().children(recursive=True)) <= before[1], "no process is left")
        # The pool's threads keep a connection each, which has two ends here.
        wait_until(lambda: descriptors() <= before[0] + 16, "no descriptor is left")
        assert [path for path in temporary.iterdir() if path != directory] == []


def test_a_session_whose_making_is_cancelled_leaves_nothing(tmp_path: Path, browser: Path) -> None:
    from anchor_uploads.local.records import Records
    from anchor_uploads.local.sessions import Sessions

    async def run() -> int:
        sessions = Sessions(tmp_path, browser=browser, at_most=9, records=Records())
        creating = asyncio.ensure_future(sessions.create())
        await asyncio.sleep(0.1)
        creating.cancel()
        await asyncio.wait({creating})
        return len(sessions)

    assert asyncio.run(run()) == 0
    assert list(tmp_path.iterdir()) == []
