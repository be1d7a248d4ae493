"""The official SDK for Python, in an environment of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

import _environment

PYTHON_SDK = "1.0.1"


def python_of_the_sdk() -> Path:
    """The interpreter of an environment that has the SDK. Skips where it cannot be installed."""
    try:
        return Path(_environment.ensure("peers"))
    except _environment.Problem as problem:
        pytest.skip(f"the official SDK could not be installed: {problem}")


def packages_of_the_sdk() -> list[str]:
    """Where modules are found in that environment, to be searched after one's own."""
    return [str(path) for path in python_of_the_sdk().parents[1].glob("**/site-packages")]
