"""A service of somebody else, and its tests with our fixtures, in whatever surroundings such tests run."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SERVICE = """
from fastapi import FastAPI, UploadFile

from anchor_uploads import AsyncUploadClient

app = FastAPI()


@app.post("/sessions/{session_id}/report")
async def report(session_id: str, file: UploadFile) -> dict[str, int]:
    async with AsyncUploadClient() as client:                   # found by its environment
        uploaded = await client.upload_file(session_id, file)   # from the form into the session, as it comes
    return {"size": uploaded.size, "attempts": uploaded.attempts}
"""

CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def anchor_server_options():
    return {"browser": False}
"""

TESTS = """
import hashlib
import time

import httpx
import pytest

from service import app

CONTENT = b"one line\\n" * 200_000


async def hand_in(session_id):
    # It asks no socket: the service runs in this very process.
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as http:
        answer = await http.post(f"/sessions/{session_id}/report", files={"file": ("report.txt", CONTENT)})
    assert answer.status_code == 200, answer.text
    return answer.json()


MARK
async def test_the_report_arrives(anchor_server, anchor_session):
    assert await hand_in(anchor_session.id) == {"size": len(CONTENT), "attempts": 1}
    (report,) = anchor_server.uploads(anchor_session.id)
    assert (report.name, report.sha256) == ("report.txt", hashlib.sha256(CONTENT).hexdigest())


MARK
async def test_an_outage_is_survived(anchor_server, anchor_session, anchor_faults):
    anchor_faults.add("upload_file", status=503, retry_after=0)
    assert (await hand_in(anchor_session.id))["attempts"] == 2
    assert anchor_server.wait_for_upload(anchor_session.id, "report.txt").size == len(CONTENT)


MARK
async def test_the_client_of_the_fixtures(anchor_async_client, anchor_session):
    assert (await anchor_async_client.upload_file(anchor_session.id, b"x", filename="a.txt")).size == 1


@pytest.mark.parametrize("tool", ["freezegun", "time-machine"])
def test_a_clock_that_stands_still(tool):
    import freezegun
    import time_machine

    from anchor_uploads import UploadClient
    from anchor_uploads.local import LocalServer

    stopped = freezegun.freeze_time("2020-02-29") if tool == "freezegun" else time_machine.travel(0, tick=False)
    with stopped:
        before = time.time()
        with LocalServer(browser=False) as server:
            with UploadClient(api_key=server.api_key, base_url=server.base_url) as client, client.session() as session:
                server.faults.add("upload_file", status=503, delay=0.2)
                client.upload_file(session.id, b"x", filename="a.txt")
                assert server.wait_for_upload(session.id, timeout=5).name == "a.txt"
        assert time.time() == before


def test_other_clients_find_the_server_without_a_proxy(anchor_server, anchor_session):
    answer = httpx.get(
        f"{anchor_server.base_url}/v1/sessions/{anchor_session.id}", headers={"anchor-api-key": anchor_server.api_key}
    )
    assert answer.status_code == 200
"""


@contextmanager
def recording_proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy that takes down what it is asked, and serves nothing."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_one_request(self) -> None:
            asked.append(self.rfile.readline(65536).decode("latin-1"))
            self.close_connection = True

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


# Plugins that are installed here for other reasons, and take each process a second to import.
WITHOUT = [part for name in ("faker", "hypothesispytest", "schemathesis") for part in ("-p", f"no:{name}")]


def run(directory: Path, proxy: str, *arguments: str) -> str:
    variables = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("ANCHORBROWSER_", "PYTEST"))},
        **{form: proxy for name in variables for form in (name, name.lower())},
    }
    for name in ("NO_PROXY", "no_proxy"):
        environment.pop(name, None)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *WITHOUT, *arguments]
    done = subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    return f"status {done.returncode}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize(
    ("mode", "mark", "workers"),
    [("strict", "@pytest.mark.asyncio", 2), ("auto", "", 0), ("strict", "@pytest.mark.anyio", 0)],
)
def test_a_service_is_tested_in_any_order_by_several_workers_or_one_behind_a_proxy(
    tmp_path: Path, mode: str, mark: str, workers: int
) -> None:
    (tmp_path / "service.py").write_text(SERVICE, "utf-8")
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "test_service.py").write_text(TESTS.replace("MARK\n", f"{mark}\n"), "utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    with recording_proxy() as (proxy, asked):
        said = run(tmp_path, proxy, "-n", str(workers), "-o", f"asyncio_mode={mode}")
    assert said.startswith("status 0\n"), said
    assert asked == []


# What each of them takes to let this machine through.
INTERCEPTED = {
    "pytest-httpx": (
        "pytestmark = pytest.mark.httpx_mock(should_mock=lambda request: request.url.host != '127.0.0.1')",
        "httpx_mock, ",
        [],
        "",
    ),
    "respx": (
        "",
        "respx_mock, ",
        [],
        "respx_mock.route(host='127.0.0.1').pass_through()",
    ),
    "pytest-socket": ("", "", ["--disable-socket", "--allow-hosts=127.0.0.1"], ""),
}


@pytest.mark.parametrize("tool", INTERCEPTED)
def test_the_fixtures_live_with_those_who_intercept_requests(tmp_path: Path, tool: str) -> None:
    module, fixture, arguments, first = INTERCEPTED[tool]
    (tmp_path / "conftest.py").write_text(CONFTEST, "utf-8")
    (tmp_path / "test_it.py").write_text(f"""
import pytest
{module}

def test_it({fixture}anchor_server):
    from anchor_uploads import UploadClient
    {first}
    with UploadClient() as client, client.session() as session:
        client.upload_file(session.id, b"x", filename="a.txt")
        assert anchor_server.wait_for_upload(session.id).size == 1
""")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with recording_proxy() as (proxy, asked):
        said = run(tmp_path, proxy, *arguments)
    assert said.startswith("status 0\n"), said
    assert asked == []


def test_a_clock_that_stands_still_from_the_beginning_does_not_keep_the_server_from_ending(tmp_path: Path) -> None:
    code = """
from freezegun import freeze_time

with freeze_time("2020-02-29"):
    from anchor_uploads import UploadClient
    from anchor_uploads.local import LocalServer

    with LocalServer(browser=False) as server:
        with UploadClient(api_key=server.api_key, base_url=server.base_url) as client, client.session() as session:
            client.upload_file(session.id, b"x", filename="a.txt")
        print("uploaded")
print("left")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "uploaded\nleft\n", done.stderr
