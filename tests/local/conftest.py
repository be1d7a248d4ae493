"""What the tests of the local Anchor share: servers, sessions, and raw access to both."""

from __future__ import annotations

import gc
import socket
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import pytest

from anchor_uploads.local import LocalServer, find_browser
from anchor_uploads.local.leftovers import ROOT_PREFIX

KEY = "the key of the tests"
BOUNDARY = b"xBOUNDARYx"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Anchor:
    """A running server, the directory of its sessions, and a client that has the key."""

    server: LocalServer
    client: httpx.Client
    directory: Path

    def new_session(self) -> str:
        reply = self.client.post("/v1/sessions")
        assert reply.status_code == 200, reply.text
        session_id = reply.json()["data"]["id"]
        assert isinstance(session_id, str)
        return session_id

    def upload(self, session_id: str, body: bytes, boundary: bytes = BOUNDARY) -> httpx.Response:
        """Send a ready-made multipart body."""
        media_type = b"multipart/form-data; boundary=" + boundary
        return self.client.post(
            f"/v1/sessions/{session_id}/uploads",
            content=body,
            headers={b"content-type": media_type},
        )

    def stored(self, session_id: str) -> dict[str, bytes]:
        """Every file that was uploaded into the session, also unfinished ones."""
        unfinished = (self.directory / session_id).glob("*.part")
        return {path.name: path.read_bytes() for path in (*self.uploads(session_id).iterdir(), *unfinished)}

    def session_directories(self) -> list[Path]:
        return [path for path in self.directory.iterdir() if path.is_dir()]

    def uploads(self, session_id: str) -> Path:
        return self.directory / session_id / "uploads"

    @contextmanager
    def raw_upload(self, session_id: str, *headers: bytes) -> Iterator[socket.socket]:
        """A connection on which the head of an upload was sent."""
        url = httpx.URL(self.server.base_url)
        with socket.create_connection((url.host, url.port or 80), timeout=10) as connection:
            lines = [
                b"POST /v1/sessions/" + session_id.encode() + b"/uploads HTTP/1.1",
                b"host: " + url.netloc,
                b"anchor-api-key: " + KEY.encode(),
                b"content-type: multipart/form-data; boundary=" + BOUNDARY,
                *headers,
            ]
            connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            yield connection


@contextmanager
def running(server: LocalServer, directory: Path) -> Iterator[Anchor]:
    before = set(directory.glob("*"))
    with (
        server,
        httpx.Client(base_url=server.base_url, headers={"anchor-api-key": KEY}, timeout=60, trust_env=False) as client,
    ):
        (its_own,) = set(directory.glob(f"{ROOT_PREFIX}*")) - before
        yield Anchor(server, client, its_own)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Anchor]]:
    """Starts servers whose settings the test chooses."""
    with ExitStack() as servers:

        def start_server(**settings: object) -> Anchor:
            settings = {"browser": False, "api_key": KEY, "directory": tmp_path, **settings}
            server = LocalServer(**settings)  # type: ignore[arg-type]
            return servers.enter_context(running(server, tmp_path))

        yield start_server


@pytest.fixture(scope="module")
def anchor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anchor]:
    """A server without browsers, for all tests of a module."""
    directory = tmp_path_factory.mktemp("anchor")
    with running(LocalServer(browser=False, api_key=KEY, directory=directory), directory) as anchor:
        yield anchor


@pytest.fixture(scope="module")
def with_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Anchor]:
    """A server with browsers, for all tests of a module."""
    if find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge here; set ANCHOR_UPLOADS_BROWSER to run this")
    directory = tmp_path_factory.mktemp("anchor")
    with running(LocalServer(api_key=KEY, directory=directory), directory) as anchor:
        yield anchor


@pytest.fixture
def session_id(anchor: Anchor) -> Iterator[str]:
    session_id = anchor.new_session()
    yield session_id
    anchor.client.delete(f"/v1/sessions/{session_id}")


@pytest.fixture
def collected() -> Iterator[None]:
    """Where files are left to the garbage collector, by frameworks or archives, it comes before the next test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def browser() -> Path:
    """The browser of this machine."""
    found = find_browser()
    if found is None:
        pytest.skip("no Chrome, Chromium or Edge here; set ANCHOR_UPLOADS_BROWSER to run this")
    return found


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """A short path, because Chromium's socket in it has to fit into 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="aul") as directory:
        yield Path(directory).resolve()


@pytest.fixture
def wait_until() -> Callable[[Callable[[], bool], str], None]:
    def wait(condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, f"waited 10 seconds, but not: {what}"
            time.sleep(0.01)

    return wait


@pytest.fixture
def processes_with() -> Callable[[str], list[psutil.Process]]:
    """Finds the living processes that have a text in their command line."""

    def find(text: str) -> list[psutil.Process]:
        return [
            process
            for process in psutil.process_iter(["cmdline", "status"])
            if process.info["status"] != psutil.STATUS_ZOMBIE and text in " ".join(process.info["cmdline"] or ())
        ]

    return find
