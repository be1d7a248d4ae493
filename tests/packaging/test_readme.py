"""The README's code runs, and its test command is the one that CI calls."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from anchor_uploads.local import LocalServer, find_browser

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
PYTHON = [code for language, code in BLOCKS if language == "python"]
TESTS = [code for code in PYTHON if "def test_" in code]


@pytest.mark.parametrize("code", PYTHON, ids=[re.sub(r"\W+", "-", code)[:40] for code in PYTHON])
def test_the_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    monkeypatch.chdir(tmp_path)
    if code in TESTS:
        run_with_pytest(code, tmp_path)
        return
    needs_browser = "cdp_url" in code
    if needs_browser and find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge was found")
    with LocalServer(browser=needs_browser) as anchor:
        monkeypatch.setenv("ANCHORBROWSER_API_KEY", anchor.api_key)
        monkeypatch.setenv("ANCHORBROWSER_BASE_URL", anchor.base_url)
        exec(compile(code, str(README), "exec"), {"__name__": "readme"})


def run_with_pytest(code: str, directory: Path) -> None:
    (directory / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(scope='session')\ndef anchor_server_options():\n    return {'browser': False}\n"
    )
    (directory / "test_example.py").write_text(code)
    # pytest finds the plugin by the entry point, where the project was installed since there is one.
    found = any(each.name == "anchor_uploads" for each in entry_points(group="pytest11"))
    plugin = [] if found else ["-p", "anchor_uploads.pytest_plugin"]
    command = [sys.executable, "-m", "pytest", "-q", *plugin, str(directory)]
    process = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    assert "1 passed" in process.stdout, process.stdout + process.stderr


def test_the_first_example_stands_near_the_top_and_is_short() -> None:
    assert README.read_text("utf-8").index("```python") < 600
    assert len([line for line in PYTHON[0].splitlines() if line.strip()]) <= 8


def test_the_commands_are_those_of_ci(root: Path) -> None:
    commands = re.findall(r"^\$ (\./scripts/\w+)", README.read_text("utf-8"), re.MULTILINE)
    assert commands == ["./scripts/demo", "./scripts/test"]
    assert "./scripts/test" in (root / ".ci" / "run").read_text("utf-8")
    for command in commands:
        assert (root / command).is_file()
