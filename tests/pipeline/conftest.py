"""The tooling is tested on a spec of its own, so that taking over another one turns none of its tests red."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root() -> Path:
    """A repository as far as the pipeline is concerned: `spec/`, in form A."""
    return Path(__file__).parent
