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


def run(directory: Path, test: str, conftest: str = NO_BROWSER) -> str:
    """Run `test` with the plugin alone, and return what pytest said."""
    (directory / "conftest.py").write_text(conftest)
    (directory / "test_it.py").write_text(test)
    (directory / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ANCHORBROWSER_", "PYTEST"))
    }
    # Whether or not its entry point is installed here, it is loaded once.
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "anchor_uploads.pytest_plugin", "-q", "-p", "no:cacheprovider"],
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
