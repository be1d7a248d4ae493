"""Packages for Node, installed once into `.cache/node`: one at an exact version, or what a lock pins.

Nothing of it is tracked. Where Node is from, and how a lock is installed, `javascript.node` knows.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from javascript.node import NodeMissing, find_node
from javascript.node import install as install_lock

__all__ = ["NodeMissing", "find_node", "install", "install_lock", "run"]

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "node"


def install(package: str, version: str) -> Path:
    """Return the directory whose node_modules holds `package`. Raises `NodeMissing`."""
    _node, npm = find_node()
    directory = CACHE / f"{package.replace('/', '+')}@{version}"
    done = directory / "installed"
    if not done.exists():
        directory.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = [*npm, "install", *options, f"{package}@{version}"]
        process = subprocess.run(
            command, cwd=directory, capture_output=True, encoding="utf-8", check=False, timeout=300
        )
        if process.returncode:
            raise NodeMissing(f"npm could not install {package}: {process.stderr.strip().splitlines()[-1:]}")
        done.touch()
    return directory


def run(directory: Path, script: str, *arguments: str) -> str:
    """Run `script` with what `install` put into `directory`, and return what it printed."""
    node, _npm = find_node()
    command = [node, "-e", script, "--", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, encoding="utf-8", check=True, timeout=60).stdout
