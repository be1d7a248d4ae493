"""The official SDK for Python, in an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_SDK = "1.0.1"


def python_of_the_sdk() -> Path:
    """The interpreter of an environment that has the SDK and nothing of ours. Skips where it cannot be installed."""
    directory = ROOT / ".cache" / f"official-sdk-{PYTHON_SDK}"
    python = directory / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = directory / "installed"
    if not done.exists():
        shutil.rmtree(directory, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(directory)], check=True, timeout=100)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        process = subprocess.run(
            [*install, f"anchorbrowser=={PYTHON_SDK}"], capture_output=True, text=True, timeout=300, check=False
        )
        if process.returncode:
            pytest.skip(
                f"anchorbrowser {PYTHON_SDK} could not be installed: {process.stderr.strip().splitlines()[-1:]}"
            )
        done.touch()
    return python
