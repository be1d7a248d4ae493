"""The life of the local Anchor: how it starts, and that every way to end it leaves nothing."""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import httpx
import psutil
import pytest

from anchor_uploads.local import LocalServer

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]
ProcessesWith = Callable[[str], list[psutil.Process]]

posix_signals = pytest.mark.skipif(os.name == "nt", reason="Windows cannot send these signals")
SERVE = "import sys; from anchor_uploads.local.foreground import LocalServer, serve; sys.exit(serve(LocalServer({})))"


@pytest.fixture
def new_threads() -> Callable[[], list[str]]:
    """Names the threads that were not there before; some of those may be of servers that other tests share."""
    before = threading.enumerate()
    return lambda: [thread.name for thread in threading.enumerate() if thread not in before]


@contextmanager
def serving(tmp: Path, arguments: str = "") -> Iterator[tuple[subprocess.Popen[str], httpx.Client]]:
    """`serve()` in a process whose temporary directory is `tmp`, and a client of it."""
    # Also the home: a browser must not leave traces there either.
    changed = dict.fromkeys(("TMPDIR", "TEMP", "TMP", "HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(tmp))
    environment = {**os.environ, **changed}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", SERVE.format(arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().rstrip("\n")
            assert url.startswith("http://127.0.0.1:")
            key = process.stdout.readline().rstrip("\n").removeprefix("API key: ")
            with httpx.Client(base_url=url, headers={"anchor-api-key": key}, timeout=30, trust_env=False) as client:
                yield process, client
        finally:
            if process.poll() is None:
                process.terminate()


@posix_signals
@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ([signal.SIGTERM], 0),
        ([signal.SIGINT], 130),
        ([signal.SIGINT, signal.SIGINT, signal.SIGINT], 130),
        ([signal.SIGTERM, signal.SIGTERM], 0),
    ],
)
def test_a_signal_ends_serve_and_leaves_nothing(
    short_tmp: Path,
    browser: Path,
    processes_with: ProcessesWith,
    signals: list[signal.Signals],
    code: int,
) -> None:
    with serving(short_tmp) as (process, client):
        created = client.post("/v1/sessions")
        assert created.status_code == 200, created.text
        session_id = created.json()["data"]["id"]
        upload = {"file": ("a.txt", b"content")}
        assert client.post(f"/v1/sessions/{session_id}/uploads", files=upload).status_code == 200
        assert processes_with(session_id)
        assert list(short_tmp.rglob("a.txt"))

        for number in signals:
            process.send_signal(number)

        assert process.wait(timeout=15) == code
        assert processes_with(session_id) == []
        assert list(short_tmp.iterdir()) == []
        assert process.stderr is not None
        assert process.stderr.read() == ""


@posix_signals
def test_ctrl_c_ends_serve_in_the_background_of_a_script(short_tmp: Path) -> None:
    # Shells without job control start such commands with SIGINT ignored.
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with serving(short_tmp, "browser=False") as (process, _):
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=10) == 130
    finally:
        signal.signal(signal.SIGINT, previous)


@posix_signals
def test_nohup_is_respected(short_tmp: Path) -> None:
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with serving(short_tmp, "browser=False") as (process, client):
            process.send_signal(signal.SIGHUP)
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(timeout=0.5)
            assert client.post("/v1/sessions").status_code == 200
    finally:
        signal.signal(signal.SIGHUP, previous)


@posix_signals
def test_a_signal_ends_serve_during_an_upload(short_tmp: Path, wait_until: WaitUntil) -> None:
    with serving(short_tmp, "browser=False") as (process, client):
        session_id = client.post("/v1/sessions").json()["data"]["id"]
        url = client.base_url
        head = (
            f"POST /v1/sessions/{session_id}/uploads HTTP/1.1\r\nhost: localhost\r\n"
            f"anchor-api-key: {client.headers['anchor-api-key']}\r\n"
            "content-type: multipart/form-data; boundary=b\r\ncontent-length: 90000000\r\n\r\n"
            '--b\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        )
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            connection.sendall(head.encode() + bytes(3_000_000))
            wait_until(lambda: bool(list(short_tmp.rglob("*.part"))), "the upload began")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0
        assert list(short_tmp.iterdir()) == []
        assert process.stderr is not None
        assert process.stderr.read() == ""


def test_leaving_during_an_upload_leaves_nothing_and_logs_nothing(
    start: Callable[..., Anchor],
    tmp_path: Path,
    wait_until: WaitUntil,
    caplog: pytest.LogCaptureFixture,
) -> None:
    anchor = start()
    session_id = anchor.new_session()
    with (
        caplog.at_level(logging.WARNING),
        anchor.raw_upload(session_id, b"content-length: 90000000") as connection,
    ):
        begin = b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        connection.sendall(begin + bytes(3_000_000))
        wait_until(lambda: bool(anchor.stored(session_id)), "the upload began")
        anchor.server.__exit__(None, None, None)

    assert list(tmp_path.iterdir()) == []
    assert caplog.records == []


def test_leaving_with_browsers_running_leaves_nothing(
    short_tmp: Path,
    browser: Path,
    processes_with: ProcessesWith,
    wait_until: WaitUntil,
    new_threads: Callable[[], list[str]],
) -> None:
    with LocalServer(directory=short_tmp) as server:
        for _ in range(2):
            headers = {"anchor-api-key": server.api_key}
            url = f"{server.base_url}/v1/sessions"
            reply = httpx.post(url, headers=headers, timeout=30, trust_env=False)
            assert reply.status_code == 200
        assert processes_with(str(short_tmp))
        assert new_threads()

    assert processes_with(str(short_tmp)) == []
    assert list(short_tmp.iterdir()) == []
    wait_until(lambda: not new_threads(), "the threads are gone")


@posix_signals
def test_ctrl_c_while_leaving_is_raised_when_nothing_is_left(
    short_tmp: Path, browser: Path, processes_with: ProcessesWith, new_threads: Callable[[], list[str]]
) -> None:
    server = LocalServer(directory=short_tmp).__enter__()
    headers = {"anchor-api-key": server.api_key}
    url = f"{server.base_url}/v1/sessions"
    assert httpx.post(url, headers=headers, timeout=30, trust_env=False).status_code == 200
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        # What comes before it leaves is the caller's.
        while not any(frame.f_code.co_name == "stop" for frame, _ in traceback.walk_stack(sys._current_frames()[main])):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    pressing = threading.Thread(target=press, daemon=True)
    # Where tests run in the background, SIGINT may be ignored.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    pressing.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            server.__exit__(None, None, None)
    finally:
        pressing.join(30)
        signal.signal(signal.SIGINT, previous)

    assert "anchor-uploads-local" not in new_threads()
    assert processes_with(str(short_tmp)) == []
    assert list(short_tmp.iterdir()) == []


def test_without_a_directory_a_temporary_one_comes_and_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with LocalServer(browser=False):
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_ones_own_is_made_and_stays(tmp_path: Path) -> None:
    directory = tmp_path / "new" / "one"
    with LocalServer(browser=False, directory=directory):
        pass
    assert directory.is_dir()


def test_a_taken_port_is_said_at_once(new_threads: Callable[[], list[str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.raises(OSError, match=f"port {port} of 127.0.0.1 is taken") as raised,
            LocalServer(port=port, browser=False),
        ):
            pass
    assert raised.value.errno == errno.EADDRINUSE
    assert new_threads() == []


def test_an_unusable_address_or_directory_is_said_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match=r"cannot listen on port 0 of 203\.0\.113\.1"),
        LocalServer("203.0.113.1", browser=False, allow_remote=True),
    ):
        pass
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(FileExistsError), LocalServer(browser=False, directory=file):
        pass


def test_it_accepts_connections_once_entered_and_none_once_left() -> None:
    with LocalServer(browser=False) as server:
        url = httpx.URL(server.base_url)
        assert url.host == "127.0.0.1"
        address = (url.host, url.port or 80)
        socket.create_connection(address, timeout=5).close()
        assert server.alive
    with pytest.raises(OSError):  # noqa: PT011  its words differ between systems
        socket.create_connection(address, timeout=5)
    assert not server.alive


def test_it_can_be_entered_again_but_not_twice_at_once() -> None:
    server = LocalServer(browser=False, api_key="k")
    for _ in range(2):
        with server:
            reply = httpx.post(f"{server.base_url}/v1/sessions", headers={"anchor-api-key": "k"}, trust_env=False)
            assert reply.status_code == 200
            with pytest.raises(RuntimeError, match="runs already"):
                server.__enter__()
    with pytest.raises(RuntimeError, match="does not run"):
        _ = server.base_url


def test_ipv6() -> None:
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("no IPv6 loopback here")
    with LocalServer("::1", browser=False) as server:
        assert server.base_url.startswith("http://[::1]:")
        assert httpx.get(f"{server.base_url}/healthz", trust_env=False).status_code == 200


def test_a_wildcard_address_has_a_url_that_works() -> None:
    with LocalServer("0.0.0.0", browser=False, allow_remote=True) as server:
        assert httpx.get(f"{server.base_url}/healthz", trust_env=False).status_code == 200


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": ""},
        {"api_key": "a\nb"},
        {"api_key": "ключ"},
        {"api_key": " k"},
        {"api_key": "k "},
        {"api_key": 5},
        {"public_url": "https://a.example?"},
        {"public_url": "https://a.example#"},
        {"public_url": "https://@a.example"},
        {"public_url": " https://a.example"},
        {"public_url": "https://a.example/a b"},
        {"max_sessions": -1},
        {"max_sessions": 0},
        {"max_sessions": 2.5},
        {"max_upload_bytes": -1},
        {"max_upload_bytes": "1"},
        {"port": -1},
        {"port": 65536},
        {"port": "80"},
        {"port": True},
        {"port": None},
        {"host": "\u00e4..b", "allow_remote": True},
        {"host": "\u00e4" * 70, "allow_remote": True},
        {"host": "\udce4", "allow_remote": True},
        {"host": "a\0b", "allow_remote": True},
        {"host": None, "allow_remote": True},
    ],
    ids=str,
)
def test_settings_that_cannot_be_right(settings: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        LocalServer(**settings)  # type: ignore[arg-type]


def test_the_key_is_random_and_not_in_the_repr() -> None:
    first, second = LocalServer(browser=False), LocalServer(browser=False)
    assert first.api_key != second.api_key
    assert len(first.api_key) >= 32
    with first:
        assert first.api_key not in repr(first)
        assert first.base_url in repr(first)


@pytest.mark.anyio
async def test_async_with(wait_until: WaitUntil) -> None:
    async with (
        LocalServer(browser=False) as server,
        httpx.AsyncClient(headers={"anchor-api-key": server.api_key}, trust_env=False) as client,
    ):
        reply = await client.post(f"{server.base_url}/v1/sessions")
        assert reply.status_code == 200
    assert not server.alive


@pytest.mark.anyio
async def test_the_callers_event_loop_runs_on_while_browsers_stop(browser: Path) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.005)
            turns += 1

    async with LocalServer() as server, anyio.create_task_group() as tasks:
        async with httpx.AsyncClient(headers={"anchor-api-key": server.api_key}, timeout=30, trust_env=False) as client:
            assert (await client.post(f"{server.base_url}/v1/sessions")).status_code == 200
        tasks.start_soon(watch)
        await anyio.sleep(0.05)
        turns = 0
        await server.__aexit__(None, None, None)
        tasks.cancel_scope.cancel()

    # An event loop that waits for the browsers gets one turn at the most.
    assert turns > 5


def test_the_access_log_is_silent(anchor: Anchor, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        session_id = anchor.new_session()
        anchor.client.delete(f"/v1/sessions/{session_id}")
    lines = [record.getMessage() for record in caplog.records if record.name.startswith(("uvicorn", "anchor"))]
    assert not any(session_id in line or anchor.server.api_key in line for line in lines)
