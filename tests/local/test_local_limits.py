"""What the local Anchor does not do for ever, not for all, and not without end."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from anchor_browser_api_models import ErrorResponse, UploadFailed, UploadSessionNotFound
from anchor_uploads import RateLimited, SessionNotFound, UploadClient
from anchor_uploads.local import LocalServer, sessions
from anchor_uploads.local.disk import uploads
from anchor_uploads.local.http.hosts import Hosts
from anchor_uploads.local.options import is_loopback
from anchor_uploads.local.records import Records
from support.plain_cdp import cdp

if TYPE_CHECKING:
    from conftest import Anchor

WaitUntil = Callable[[Callable[[], bool], str], None]
ProcessesWith = Callable[[str], list[psutil.Process]]


@pytest.fixture
def short_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "_MINUTE", 0.3)


class Clock:
    """The clock of the sessions: it stands until a test moves it, so that nothing depends on the speed of a machine."""

    now = 0.0
    looks = 0

    def __call__(self) -> float:
        self.looks += 1
        return self.now

    def seen_again(self) -> Callable[[], bool]:
        """Tells later whether who waits for the end of a session has looked since, and waits on."""
        before = self.looks
        return lambda: self.looks >= before + 2


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sessions, "monotonic", clock)
    return clock


def with_timeout(**timeout: int) -> dict[str, Any]:
    return {"session": {"timeout": timeout}}


def status(anchor: Anchor, session_id: str) -> int:
    return anchor.client.get(f"/v1/sessions/{session_id}").status_code


def gone(anchor: Anchor, session_id: str) -> str:
    reply = anchor.client.get(f"/v1/sessions/{session_id}")
    assert reply.status_code == 404
    ErrorResponse.model_validate(reply.json(), strict=True)
    upload = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a", b"x" * 300_000)})
    assert upload.status_code == 404
    UploadSessionNotFound.model_validate(upload.json(), strict=True)
    message = reply.json()["error"]["message"]
    assert upload.json()["error"]["error"]["message"] == message
    assert isinstance(message, str)
    return message


@pytest.mark.usefixtures("short_minutes")
def test_a_session_ends_at_its_max_duration_however_busy(anchor: Anchor) -> None:
    body = with_timeout(max_duration=3, idle_timeout=2)
    session_id = anchor.client.post("/v1/sessions", json=body).json()["data"]["id"]
    began = time.monotonic()

    while status(anchor, session_id) == 200:
        assert time.monotonic() - began < 5
        time.sleep(0.02)

    assert time.monotonic() - began > 0.8
    assert "after 3 minutes, its max_duration" in gone(anchor, session_id)
    assert not (anchor.directory / session_id).exists()


@pytest.mark.usefixtures("short_minutes")
def test_a_session_ends_when_nobody_uses_it(anchor: Anchor, clock: Clock, wait_until: WaitUntil) -> None:
    session_id = anchor.client.post("/v1/sessions", json=with_timeout(idle_timeout=1)).json()["data"]["id"]

    for _ in range(3):
        clock.now += 0.2
        assert status(anchor, session_id) == 200
        wait_until(clock.seen_again(), "the session was looked at, and goes on")
    clock.now += 1
    # Not by asking, which would be a use.
    wait_until(lambda: not (anchor.directory / session_id).exists(), "the idle session ended")

    assert "1 minutes without activity" in gone(anchor, session_id)


@pytest.mark.usefixtures("short_minutes")
def test_an_upload_is_a_use_from_its_first_byte_to_its_last(anchor: Anchor) -> None:
    session_id = anchor.client.post("/v1/sessions", json=with_timeout(idle_timeout=2)).json()["data"]["id"]
    anchor.server.faults.add("upload_file", bytes_per_second=1_000_000)

    reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a", b"x" * 1_500_000)})

    assert reply.status_code == 200


@pytest.mark.usefixtures("short_minutes")
def test_cdp_traffic_is_a_use(with_browser: Anchor, clock: Clock, wait_until: WaitUntil) -> None:
    session = with_browser.client.post("/v1/sessions", json=with_timeout(idle_timeout=1)).json()["data"]
    with cdp(session["cdp_url"]) as browser:
        for _ in range(3):
            clock.now += 0.2
            browser.send("Browser.getVersion")
            wait_until(clock.seen_again(), "the session was looked at, and goes on")
        clock.now += 1
        wait_until(lambda: not (with_browser.directory / session["id"]).exists(), "the idle session ended")


@pytest.mark.parametrize("minutes", [0, -1, -1.0, 1e300, 10**400, -(10**400)])
def test_times_without_meaning_are_no_limit(anchor: Anchor, minutes: float) -> None:
    body = with_timeout(max_duration=minutes, idle_timeout=minutes)
    session_id = anchor.client.post("/v1/sessions", json=body).json()["data"]["id"]
    time.sleep(0.05)
    assert status(anchor, session_id) == 200
    anchor.client.delete(f"/v1/sessions/{session_id}")


def test_only_so_many_sessions_run_at_once(start: Callable[..., Anchor]) -> None:
    anchor = start(max_sessions=2)
    first, _second = anchor.new_session(), anchor.new_session()

    reply = anchor.client.post("/v1/sessions")

    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) >= 1
    ErrorResponse.model_validate(reply.json(), strict=True)
    assert "2 sessions run" in reply.json()["error"]["message"]
    with (
        UploadClient(api_key=anchor.server.api_key, base_url=anchor.server.base_url, max_retries=0) as client,
        pytest.raises(RateLimited),
    ):
        client.create_session()
    anchor.client.delete(f"/v1/sessions/{first}")
    assert anchor.new_session()


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:3])))
from anchor_uploads import UploadClient
from anchor_uploads.local import LocalServer
with LocalServer(browser=False) as server:
    print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    with UploadClient(api_key=server.api_key, base_url=server.base_url, max_retries=0) as client:
        for _ in range(int(sys.argv[3])):
            client.upload_file(client.create_session().id, b"x", filename="a")
        print(len(client.list_sessions()))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
@pytest.mark.parametrize(
    ("soft", "hard", "sessions", "raised"),
    [
        pytest.param(64, 64, 200, 64, id="sessions hold nothing open"),
        pytest.param(64, 256, 1, 256, id="as far as it may be"),
        pytest.param(64, 20_000, 1, 10_240, id="to enough"),
        pytest.param(15_000, 20_000, 1, 15_000, id="never lowered"),
    ],
)
def test_the_limit_of_open_files_is_raised_and_bounds_no_sessions_without_browsers(
    soft: int, hard: int, sessions: int, raised: int
) -> None:
    import resource

    if 0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("this system allows fewer")
    line = [sys.executable, "-W", "error", "-c", LIMITED, *map(str, (soft, hard, sessions))]
    done = subprocess.run(line, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stdout.split()) == (0, [str(raised), str(sessions)]), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such limit on Windows")
def test_browsers_for_which_the_limit_of_open_files_has_no_room_are_refused(tmp_path: Path, browser: Path) -> None:
    limit = psutil.Process().num_fds() + 70

    async def run() -> str:
        some = sessions.Sessions(tmp_path, browser=browser, at_most=16, records=Records(), open_files=limit)
        try:
            with pytest.raises(sessions.TooManySessions) as refused:
                for _ in range(16):
                    await some.create()
            assert len(some) == 3
            return str(refused.value)
        finally:
            await some.close_all()

    assert asyncio.run(run()) == (
        f"3 sessions run, and no more have room beneath this process's limit of {limit} open files (`ulimit -n`); "
        "raise it"
    )


def test_a_browser_that_dies_takes_its_session_with_it(
    with_browser: Anchor, wait_until: WaitUntil, processes_with: ProcessesWith
) -> None:
    session = with_browser.client.post("/v1/sessions").json()["data"]
    session_id = session["id"]
    main = min(
        processes_with(f"--user-data-dir={with_browser.directory / session_id}"), key=lambda it: it.create_time()
    )

    with (
        connect(session["cdp_url"], proxy=None) as connection,
        with_browser.raw_upload(session_id, b"content-length: 50000000") as uploading,
    ):
        uploading.sendall(b'--xBOUNDARYx\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n')
        main.kill()
        with pytest.raises(ConnectionClosed):
            connection.recv(timeout=10)
        assert uploading.recv(65536).startswith(b"HTTP/1.1 404 ")

    wait_until(lambda: not (with_browser.directory / session_id).exists(), "all is cleaned up")
    assert processes_with(session_id) == []
    message = gone(with_browser, session_id)
    assert re.search(r"browser (was killed by signal 9|ended with exit code)", message)
    assert "POST /v1/sessions" in message
    with pytest.raises(InvalidStatus, match="404"), connect(session["cdp_url"], proxy=None):
        pass
    # Whoever ends a session at last gets what they want, once.
    url = f"/v1/sessions/{session_id}"
    assert [with_browser.client.delete(url).status_code for _ in range(2)] == [200, 404]


def test_what_ended_is_told_apart_from_what_never_was(anchor: Anchor) -> None:
    session_id = anchor.new_session()
    with UploadClient(api_key=anchor.server.api_key, base_url=anchor.server.base_url) as client:
        client.end_session(session_id)
        with pytest.raises(SessionNotFound, match="was ended"):
            client.upload_file(session_id, b"x", filename="a")
    assert "no session" in gone(anchor, "00000000-0000-0000-0000-000000000000")


def test_a_disk_that_is_full_is_a_500(anchor: Anchor, session_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: object, data: bytearray) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(uploads._PartialFile, "write", full)
    reply = anchor.client.post(f"/v1/sessions/{session_id}/uploads", files={"file": ("a.txt", b"x")})

    assert reply.status_code == 500
    UploadFailed.model_validate(reply.json(), strict=True)
    assert "No space left" in reply.json()["error"]["error"]["message"]
    assert anchor.stored(session_id) == {}


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "", "example.com"])
def test_other_machines_are_let_in_only_if_asked(host: str) -> None:
    with pytest.raises(ValueError, match="--allow-remote"):
        LocalServer(host, browser=False)
    assert not is_loopback(host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.5.5.5", "::1", "localhost", "LOCALHOST"])
def test_what_only_this_machine_reaches(host: str) -> None:
    assert is_loopback(host)


def test_letting_other_machines_in_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), LocalServer("0.0.0.0", browser=False, allow_remote=True) as server:
        assert [record.getMessage() for record in caplog.records if "other machines" in record.getMessage()]
        assert not any(server.api_key in record.getMessage() for record in caplog.records)
        url = f"{server.base_url}/v1/sessions"
        headers = {"host": "elsewhere.example:81", "anchor-api-key": server.api_key}
        data = httpx.post(url, headers=headers, trust_env=False).json()["data"]
        assert data["cdp_url"].startswith("ws://elsewhere.example:81?")
        assert data["live_view_url"].startswith("http://elsewhere.example:81/")


def test_the_command_line_warns_and_refuses(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "anchor_uploads", "serve", "--no-browser", "--host", "0.0.0.0"]
    refused = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode != 0
    assert "--allow-remote" in refused.stderr
    assert "Traceback" not in refused.stderr
    with subprocess.Popen(
        [*command, "--allow-remote", "--max-sessions", "1"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            url = process.stdout.readline().strip()
            key = process.stdout.readline().strip().removeprefix("API key: ")
            assert "other machines" in process.stderr.readline()
            shown_at = [process.stdout.readline() for _ in range(2)][1].rpartition(" ")[2].strip()
            assert httpx.get(shown_at, trust_env=False).status_code == 200
            replies = [
                httpx.post(f"{url}/v1/sessions", headers={"anchor-api-key": key}, trust_env=False) for _ in range(2)
            ]
            assert [reply.status_code for reply in replies] == [200, 429]
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "[::2]", "a b", "10.0.0.1"]
)
@pytest.mark.parametrize("path", ["/v1/sessions", "/healthz", "/live/x", "/json/version"])
def test_pages_that_rename_themselves_are_turned_away(anchor: Anchor, host: str, path: str) -> None:
    reply = anchor.client.get(path, headers={"host": host})
    assert reply.status_code in (400, 421)
    if reply.status_code == 421:
        ErrorResponse.model_validate(reply.json(), strict=True)


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:1", "[::1]:80", "localhost."])
def test_the_server_answers_to_its_own_names(anchor: Anchor, host: str) -> None:
    assert anchor.client.get("/healthz", headers={"host": host}).status_code == 200


def test_the_bound_name_is_its_own_too() -> None:
    assert Hosts("127.5.5.5", any_name=False).problem("127.5.5.5:80") is None
    assert Hosts("::1", any_name=False).problem("[::1]:80") is None
    assert Hosts("127.0.0.1", any_name=True).problem("other.example") is None
    assert Hosts("127.0.0.1", any_name=True).problem("") is not None


def test_a_request_without_a_host(anchor: Anchor) -> None:
    url = httpx.URL(anchor.server.base_url)
    with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
        connection.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 421 ")
