"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from anchor_uploads.local import find_browser

ROOT = Path(__file__).resolve().parents[2]

NO_BROWSER = """
import pytest

@pytest.fixture(scope="session")
def anchor_server_options():
    return {"browser": False}
"""


def run(directory: Path, test: str, conftest: str = NO_BROWSER, *arguments: str) -> str:
    """Run `test` with the plugin, and no others but those that `arguments` name, and return what pytest said."""
    (directory / "conftest.py").write_text(conftest, "utf-8")
    (directory / "test_it.py").write_text(test, "utf-8")
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANCHORBROWSER_", "PYTEST"))
    }
    # Whether or not its entry point is installed here, it is loaded once.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "anchor_uploads.pytest_plugin",
            "-q",
            "-p",
            "no:cacheprovider",
            *arguments,
        ],
        cwd=directory,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"status {done.returncode}\n{done.stdout}{done.stderr}"


def test_it_costs_nothing_until_it_is_asked(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "import sys\n"
        "def test_it():\n"
        "    names = {'starlette', 'uvicorn', 'httpx', 'pydantic', 'attrs', 'anchor_uploads.local'}\n"
        "    assert not names & sys.modules.keys()\n",
        "",
    )
    assert said.startswith("status 0\n"), said


def test_code_under_test_finds_the_server(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
import os
from pathlib import Path
from anchor_uploads import UploadClient

seen = set()

def code_under_test(session_id):
    with UploadClient() as client:
        return client.upload_file(session_id, b"abc", filename="a.txt")

def test_a(anchor_server, anchor_session):
    uploaded = code_under_test(anchor_session.id)
    assert uploaded.size == 3 and Path(uploaded.path).read_bytes() == b"abc"
    seen.add((anchor_server.base_url, anchor_session.id, uploaded.path))

def test_b(anchor_server, anchor_session, anchor_client):
    [(base_url, session_id, path)] = seen
    assert anchor_server.base_url == base_url
    assert anchor_session.id != session_id
    assert not os.path.exists(path)
    assert os.environ["ANCHORBROWSER_BASE_URL"] == base_url

def test_c(anchor_server):
    with UploadClient() as client, client.session():
        pass
""",
    )
    assert said.startswith("status 0\n"), said
    assert "3 passed" in said


def test_the_environment_survives_a_project_that_cleans_it(tmp_path: Path) -> None:
    cleaning = (
        "@pytest.fixture(autouse=True)\ndef clean(monkeypatch):\n"
        "    monkeypatch.delenv('ANCHORBROWSER_API_KEY', raising=False)\n"
    )
    said = run(
        tmp_path,
        "import os\n"
        "def test_a(anchor_session): pass\n"
        "def test_b(anchor_session): assert os.environ['ANCHORBROWSER_API_KEY']\n",
        NO_BROWSER + cleaning,
    )
    assert "2 passed" in said, said


@pytest.mark.skipif(os.name == "nt", reason="both spellings name one variable there")
@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "127.0.0.1,localhost"),
        ({"NO_PROXY": ".corp,10.0.0.0/8"}, ".corp,10.0.0.0/8,127.0.0.1,localhost"),
        ({"no_proxy": "localhost,.corp"}, "localhost,.corp,127.0.0.1"),
        ({"NO_PROXY": ".upper", "no_proxy": ".lower"}, ".lower,127.0.0.1,localhost"),
        ({"NO_PROXY": ".upper", "no_proxy": ""}, ".upper,127.0.0.1,localhost"),
        ({"NO_PROXY": "*"}, "*"),
        ({"no_proxy": "*"}, "*"),
    ],
    ids=str,
)
def test_what_was_asked_without_a_proxy_still_is(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = run(
        tmp_path,
        "import os\n"
        "def test_it(anchor_client):\n"
        f"    assert [os.environ[name] for name in ('NO_PROXY', 'no_proxy')] == [{expected!r}] * 2\n",
    )
    assert "1 passed" in said, said


def test_faults_last_for_one_test(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        """
import pytest
from anchor_uploads import BadRequest

def test_a(anchor_session, anchor_client, anchor_faults):
    anchor_faults.add("upload_file", status=400, times=None)
    with pytest.raises(BadRequest):
        anchor_client.upload_file(anchor_session.id, b"abc", filename="a.txt")

def test_b(anchor_session, anchor_client):
    anchor_client.upload_file(anchor_session.id, b"abc", filename="a.txt")

def test_c(anchor_faults):
    assert anchor_faults.pending == ()
""",
    )
    assert "3 passed" in said, said


ASYNCHRONOUS = """
import gc
import pytest
from anchor_uploads import InvalidArgument

kept = []

{mark}
@pytest.mark.parametrize("number", range(3))
async def test_a(anchor_session, anchor_async_client, number):
    uploaded = await anchor_async_client.upload_file(anchor_session.id, b"abc", filename="a.txt")
    assert uploaded.size == 3
    kept.append(anchor_async_client)

def test_b():
    del kept[:-1]
    gc.collect()

{mark}
async def test_c(anchor_session):
    with pytest.raises(InvalidArgument, match="this client is closed"):
        await kept[-1].upload_file(anchor_session.id, b"abc", filename="a.txt")
    gc.collect()

{mark}
async def test_d(anchor_async_client):
    pass
"""
ASYNCIO = ("-p", "pytest_asyncio.plugin", "-o", "asyncio_default_fixture_loop_scope=function")


@pytest.mark.parametrize(
    ("mark", "arguments"),
    [
        ("@pytest.mark.asyncio", (*ASYNCIO, "-o", "asyncio_mode=strict")),
        ("", (*ASYNCIO, "-o", "asyncio_mode=auto")),
        ("@pytest.mark.asyncio(loop_scope='session')", (*ASYNCIO, "-o", "asyncio_mode=auto")),
        ("@pytest.mark.anyio\n@pytest.mark.parametrize('anyio_backend', ['asyncio', 'trio'])", ("-p", "anyio")),
    ],
    ids=["strict", "auto", "one loop for all", "anyio"],
)
def test_the_async_client_works_with_every_plugin_and_is_closed(
    tmp_path: Path, mark: str, arguments: tuple[str, ...]
) -> None:
    said = run(tmp_path, ASYNCHRONOUS.format(mark=mark), NO_BROWSER, *arguments)
    assert said.startswith("status 0\n"), said
    assert f"{11 if 'trio' in mark else 6} passed" in said, said


def test_without_playwright_the_page_says_what_to_install(tmp_path: Path) -> None:
    missing = "import sys\nsys.modules['playwright'] = None\n"
    said = run(tmp_path, "def test_it(anchor_page): pass\n", missing + NO_BROWSER)
    assert "UsageError: anchor_page needs the package" in said
    assert 'pip install "anchor-uploads[playwright]"' in said


@pytest.mark.skipif(find_browser() is None, reason="no Chrome, Chromium or Edge here")
@pytest.mark.parametrize("own", [False, True], ids=["alone", "beside pytest-playwright"])
def test_the_page_is_in_the_browser_of_the_session(tmp_path: Path, own: bool) -> None:
    fixture = (
        "import pytest\nfrom playwright.sync_api import sync_playwright\n"
        "@pytest.fixture(scope='session', autouse=True)\ndef playwright():\n"
        "    with sync_playwright() as playwright:\n        yield playwright\n"
    )
    said = run(
        tmp_path,
        """
from anchor_uploads.playwright import attach

def test_a(anchor_client, anchor_session, anchor_page):
    anchor_page.set_content("<input type=file>")
    attach(anchor_page.locator("input"), anchor_client.upload_file(anchor_session.id, b"abc", filename="a.txt"))
    assert anchor_page.evaluate("document.querySelector('input').files[0].text()") == "abc"

def test_b(anchor_page):
    assert anchor_page.url == "about:blank"
""",
        fixture if own else "",
    )
    assert "2 passed" in said, said


@pytest.mark.skipif(find_browser() is None, reason="no Chrome, Chromium or Edge here")
def test_by_default_sessions_have_a_browser(tmp_path: Path) -> None:
    said = run(
        tmp_path,
        "from playwright.sync_api import sync_playwright\n"
        "def test_it(anchor_session):\n"
        "    with sync_playwright() as playwright:\n"
        "        browser = playwright.chromium.connect_over_cdp(anchor_session.cdp_url)\n"
        "        assert browser.contexts[0].new_page().evaluate('1 + 1') == 2\n"
        "        browser.close()\n",
        "",
    )
    assert "1 passed" in said, said
