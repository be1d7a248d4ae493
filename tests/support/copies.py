"""A copy of this repository, to take another spec over in, and its own tests run in it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

__all__ = ["copied", "run_tests"]

ROOT = Path(__file__).resolve().parents[2]


def copied(target: Path, *, spec: Path) -> Path:
    """Copy what is needed to derive and to test, with another `spec` directory in place of the vendored one."""
    for name in ("generated", "wrapper", "scripts", "tests", "spec"):
        source = spec if name == "spec" else ROOT / name
        shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", "browser", "node_modules"))
    shutil.copyfile(ROOT / "pyproject.toml", target / "pyproject.toml")
    return target


def run_tests(copy: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy, on the copy's code."""
    path = os.pathsep.join(str(copy / part) for part in ("generated", "wrapper", "scripts"))
    # To load every plugin that is installed takes twice as long as all else.
    quick = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout", *tests],
        cwd=copy,
        env={**os.environ, **quick, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
