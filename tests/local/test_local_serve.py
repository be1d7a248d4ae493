"""`anchor-uploads serve`, as people start it."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import cache
from pathlib import Path

import httpx
import psutil
import pytest

from anchor_uploads import UploadClient
from anchor_uploads.local import find_browser

WaitUntil = Callable[[Callable[[], bool], str], None]
KEY = "a-key-for-this-server"
COMMAND = [sys.executable, "-m", "anchor_uploads", "serve"]


class Serving:
    def __init__(self, process: subprocess.Popen[str], url: str, key: str, errors: Path) -> None:
        self.process = process
        self.url = url
        self.key = key
        self._errors = errors

    @property
    def told(self) -> list[str]:
        """The lines on stderr so far."""
        return self._errors.read_text().splitlines()

    def client(self) -> UploadClient:
        return UploadClient(base_url=self.url, api_key=self.key, max_retries=0)


@contextmanager
def serving(tmp: Path, *arguments: str, before: tuple[str, ...] = (), key: str | None = None) -> Iterator[Serving]:
    environment = {**os.environ, "TMPDIR": str(tmp), "TEMP": str(tmp)}
    if key is not None:
        environment["ANCHOR_UPLOADS_SERVE_KEY"] = key
    errors = tmp / "stderr.txt"
    with errors.open("w") as stderr:
        process = subprocess.Popen(
            [*before, *COMMAND, *arguments], stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        )
    with process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            assert url.startswith("http://"), errors.read_text()
            yield Serving(process, url, process.stdout.readline().strip().removeprefix("API key: "), errors)
        finally:
            # Through `unshare`, to the server itself.
            (psutil.Process(process.pid).children() or [process])[0].terminate()
            process.wait(30)


def use(server: Serving) -> str:
    with server.client() as client, client.session() as session:
        client.upload_file(session.id, b"x", filename="a.txt")
        headers = {"anchor-api-key": server.key, "content-type": "multipart/form-data; boundary=b"}
        httpx.post(f"{server.url}/v1/sessions/{session.id}/uploads", headers=headers, content=b"x", trust_env=False)
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
        httpx.get(f"{server.url}/v1/x%1b[31m?apiKey={server.key}", trust_env=False)
        return session.id


@pytest.mark.parametrize("how", ["", "--quiet", "--verbose"])
def test_a_line_is_told_for_each_request(tmp_path: Path, wait_until: WaitUntil, how: str) -> None:
    with serving(tmp_path, "--no-browser", *filter(None, [how])) as server:
        session = use(server)
        lines = [
            "POST /v1/sessions 200",
            f"POST /v1/sessions/{session}/uploads 200",
            f"POST /v1/sessions/{session}/uploads 400",
            r"GET /v1/x\x1b[31m 401",
            f"DELETE /v1/sessions/{session} 200",
        ]
        starts_and_ends = [f"session {session} was started", f"session {session} was ended"]
        if how == "--quiet":
            lines = []
            time.sleep(0.5)
        expected = len(lines) + (len(starts_and_ends) if how == "--verbose" else 0)
        wait_until(lambda: len(server.told) >= expected, "the lines")
        told = [re.sub(r" \(\d+ ms\)$", "", line) for line in server.told]
        assert [line for line in told if line not in starts_and_ends] == lines
        assert [line for line in told if line in starts_and_ends] == (starts_and_ends if how == "--verbose" else [])
        assert server.key not in "".join(told)


def test_who_hears_nothing_does_not_end_the_server(tmp_path: Path) -> None:
    with serving(tmp_path, "--no-browser", before=("sh", "-c", 'exec "$@" 2>&-', "sh")) as server:
        for _ in range(3):
            use(server)
            time.sleep(0.2)
        assert server.process.poll() is None


def test_who_does_not_read_does_not_keep_the_server_from_ending() -> None:
    with subprocess.Popen(
        [*COMMAND, "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # Without a buffer there is nothing to wait for at the end.
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with httpx.Client(trust_env=False) as client:
            # More lines than a pipe holds, each as long as a path may be.
            for _ in range(40):
                assert client.get(f"{url}/{'x' * 8000}").status_code == 404
        time.sleep(0.5)
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.parametrize(("argument", "expected"), [((), KEY), (("--api-key", "another"), "another")])
def test_the_key_may_come_from_the_environment(tmp_path: Path, argument: tuple[str, ...], expected: str) -> None:
    with serving(tmp_path, "--no-browser", *argument, key=KEY) as server:
        assert server.key == expected


@pytest.mark.parametrize(
    ("argument", "value", "says"),
    [
        ("--port", "70000", "port is 70000; pass a port from 1 to 65535"),
        ("--public-url", "anchor.example", "public_url is 'anchor.example'; pass where clients reach it"),
        ("--public-url", "https://u:p@anchor.example", "pass where clients reach it"),
        ("--public-url", "https://anchor.example?apiKey=x", "pass where clients reach it"),
        ("--public-url", "ftp://anchor.example", "pass where clients reach it"),
    ],
)
def test_what_cannot_be_meant_is_one_line(argument: str, value: str, says: str) -> None:
    done = subprocess.run([*COMMAND, argument, value], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def server_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Serving]]:
    """The server of these arguments, one for all rows."""
    with ExitStack() as servers:

        @cache
        def start(*arguments: str) -> Serving:
            return servers.enter_context(serving(tmp_path_factory.mktemp("serve"), *arguments))

        yield start


@pytest.mark.parametrize(
    ("arguments", "headers", "http", "ws"),
    [
        ([], {}, "http://{own}", "ws://{own}"),
        ([], {"x-forwarded-proto": "https"}, "http://{own}", "ws://{own}"),
        (["--allow-remote"], {"x-forwarded-proto": "https"}, "https://{own}", "wss://{own}"),
        (
            ["--allow-remote"],
            {"x-forwarded-proto": "https", "host": "a.example"},
            "https://a.example",
            "wss://a.example",
        ),
        (["--allow-remote"], {"x-forwarded-proto": "gopher"}, "http://{own}", "ws://{own}"),
        (["--allow-remote"], {"x-forwarded-proto": "https, http"}, "https://{own}", "wss://{own}"),
        (["--allow-remote"], {"x-forwarded-host": "a.example, b"}, "http://a.example", "ws://a.example"),
        ([], {"x-forwarded-host": "a.example"}, "http://{own}", "ws://{own}"),
        (["--public-url", "https://[fd00::1]"], {"host": "[fd00::1]"}, "https://[fd00::1]", "wss://[fd00::1]"),
        (["--public-url", "https://a.example/"], {}, "https://a.example", "wss://a.example"),
        (["--public-url", "HTTPS://a.example/A"], {}, "https://a.example/A", "wss://a.example/A"),
        (["--public-url", "https://a.example"], {"host": "a.example"}, "https://a.example", "wss://a.example"),
    ],
)
def test_the_urls_are_those_that_lead_to_it(
    server_of: Callable[..., Serving], arguments: list[str], headers: dict[str, str], http: str, ws: str
) -> None:
    server = server_of("--no-browser", *arguments)
    answer = httpx.post(f"{server.url}/v1/sessions", headers={"anchor-api-key": server.key, **headers}, trust_env=False)
    urls = answer.json()["data"]
    own = server.url.removeprefix("http://")
    assert urls["live_view_url"].startswith(http.format(own=own) + "/live/")
    assert urls["cdp_url"].startswith(ws.format(own=own) + "?apiKey=")


def _can_unshare() -> bool:
    unshare = shutil.which("unshare")
    if not sys.platform.startswith("linux") or unshare is None:
        return False
    command = [unshare, "--pid", "--fork", "--mount-proc", "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(find_browser() is None, reason="no Chrome, Chromium or Edge here")
@pytest.mark.skipif(not _can_unshare(), reason="makes a namespace of processes, as containers have")
def test_as_the_first_process_of_a_container_it_leaves_no_dead_children(short_tmp: Path, wait_until: WaitUntil) -> None:
    with serving(short_tmp, "--quiet", before=("unshare", "--pid", "--fork", "--mount-proc")) as server:
        with server.client() as client:
            for _ in range(3):
                client.end_session(client.create_session().id)
        (first,) = psutil.Process(server.process.pid).children()

        def dead() -> list[psutil.Process]:
            found = []
            for child in first.children():
                # One that is collected while we look is what we wait for.
                with suppress(psutil.NoSuchProcess):
                    found += [child] if child.status() == psutil.STATUS_ZOMBIE else []
            return found

        wait_until(lambda: not dead(), "all have been collected")
        assert first.is_running()
