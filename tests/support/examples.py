"""Runs the examples of the documentation as their readers would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page that are in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def run_with_pytest(code: str, directory: Path, passed: int = 1) -> None:
    """Run a module of tests with pytest in a directory of its own, against a local Anchor without browsers."""
    (directory / "conftest.py").write_text(
        "import pytest\n@pytest.fixture(scope='session')\ndef anchor_server_options():\n    return {'browser': False}\n"
    )
    (directory / "test_example.py").write_text(code, "utf-8")
    # pytest finds the plugin by the entry point, where the project was installed since there is one. To load all others
    # that are here takes longer than the tests.
    found = any(each.name == "anchor_uploads" for each in entry_points(group="pytest11"))
    plugin = "anchor_uploads" if found else "anchor_uploads.pytest_plugin"
    command = [sys.executable, "-m", "pytest", "-q", "-p", plugin, str(directory)]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    process = subprocess.run(command, cwd=directory, env=alone, capture_output=True, text=True, check=False)
    assert f"{passed} passed" in process.stdout, process.stdout + process.stderr
