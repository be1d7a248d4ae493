"""What is committed is what the vendored spec gives, and that is what was published."""

from __future__ import annotations

from pathlib import Path

import pytest

from spec_pipeline import command, regenerate
from spec_pipeline.published.source import Source


def test_the_vendored_spec_is_what_was_published(root: Path) -> None:
    assert not Source.read(root / "spec").differs_from(root / "spec")


@pytest.mark.skipif(
    not (command.ROOT / ".venv-generate").exists(),
    reason="the generators are not installed: they need Python 3.11, scripts/regenerate says more",
)
def test_what_is_committed_is_what_is_made(capfd: pytest.CaptureFixture[str]) -> None:
    status = regenerate.main(["--check"])
    output = capfd.readouterr()
    assert status == 0, output.out + output.err
    assert output.out.endswith("in step: what is committed is what the vendored spec gives\n")
