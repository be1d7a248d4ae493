"""The README's code runs, and its test command is the one that CI calls."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import attrs
import pytest

from anchor_uploads import UploadClient
from anchor_uploads.local import LocalServer, find_browser
from support.examples import blocks, run_with_pytest
from support.official_sdk import packages_of_the_sdk

README = Path(__file__).resolve().parents[2] / "README.md"
PYTHON = blocks(README, "python")
TESTS = [code for code in PYTHON if "def test_" in code]


@pytest.mark.parametrize("code", PYTHON, ids=[re.sub(r"\W+", "-", code)[:40] for code in PYTHON])
def test_the_code_runs(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "report.pdf").write_bytes(b"%PDF-")
    monkeypatch.chdir(tmp_path)
    if code in TESTS:
        run_with_pytest(code, tmp_path)
        return
    if "anchorbrowser" in code:
        monkeypatch.setattr(sys, "path", [*sys.path, *packages_of_the_sdk()])
    needs_browser = "cdp_url" in code
    if needs_browser and find_browser() is None:
        pytest.skip("no Chrome, Chromium or Edge was found")
    with LocalServer(browser=needs_browser) as anchor:
        monkeypatch.setenv("ANCHORBROWSER_API_KEY", anchor.api_key)
        monkeypatch.setenv("ANCHORBROWSER_BASE_URL", anchor.base_url)
        exec(compile(code, str(README), "exec"), {"__name__": "readme"})


def test_the_first_example_stands_near_the_top_and_is_short() -> None:
    assert README.read_text("utf-8").index("```python") < 600
    assert len([line for line in PYTHON[0].splitlines() if line.strip()]) <= 8


def test_the_commands_are_those_of_ci(root: Path) -> None:
    commands = re.findall(r"^\$ (\./scripts/\w+)", README.read_text("utf-8"), re.MULTILINE)
    assert commands == ["./scripts/demo", "./scripts/test"]
    assert "./scripts/test" in (root / ".ci" / "run").read_text("utf-8")
    for command in commands:
        assert (root / command).is_file()


def test_the_time_outs_in_the_table_are_the_defaults() -> None:
    told = dict(re.findall(r"^\| `(?:Timeouts\.)?(\w+)` \| (\S+)", README.read_text("utf-8"), re.MULTILINE))
    with UploadClient(api_key="k") as client:
        settings = client.settings
    known = {name: f"{seconds:g}" for name, seconds in attrs.asdict(settings.timeouts).items()}
    assert settings.deadline is None
    assert {name: value for name, value in told.items() if name in {*known, "deadline", "max_retries"}} == {
        **known,
        "deadline": "none",
        "max_retries": str(settings.max_retries),
    }
