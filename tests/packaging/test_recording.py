"""What the documentation shows of the command is what the command shows."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from anchor_uploads.local import find_browser
from recording.command import GUIDE, record, transcript_in

pytestmark = pytest.mark.skipif(
    shutil.which("bash") is None or find_browser() is None, reason="it is recorded in bash, with a Chromium"
)


def without_chance(transcript: str) -> list[str]:
    """Leave out what is another at each run: folders, the session, how long things took, and which ended first."""
    for chance in (
        r"[\w.:\\/-]*anchor-uploads-\w+(?=[/\\])",
        r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        r"\d+\.\d s",
    ):
        transcript = re.sub(chance, "…", transcript)
    return sorted(transcript.splitlines())


def test_the_recorded_steps_are_as_the_guide_shows_them(root: Path, tmp_path: Path) -> None:
    shown = transcript_in((root / GUIDE).read_text("utf-8"))
    now = record(tmp_path)
    assert without_chance(now) == without_chance(shown), now
    assert "1 uploaded, 1 failed" in shown
