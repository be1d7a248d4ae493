"""Packages for Node, installed once into `.cache/node` at an exact version. Nothing of it is tracked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "node"


class NodeMissing(Exception):
    """Node, npm or the network is not there; the message says which."""


def install(package: str, version: str) -> Path:
    """Return the directory whose node_modules holds `package`. Raises `NodeMissing`."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        raise NodeMissing("Node.js with npm is not installed")
    directory = CACHE / f"{package.replace('/', '+')}@{version}"
    done = directory / "installed"
    if not done.exists():
        directory.mkdir(parents=True, exist_ok=True)
        options = ["--no-save", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts"]
        command = [npm, "install", *options, f"{package}@{version}"]
        process = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False, timeout=300)
        if process.returncode:
            raise NodeMissing(f"npm could not install {package}: {process.stderr.strip().splitlines()[-1:]}")
        done.touch()
    return directory


def run(directory: Path, script: str, *arguments: str) -> str:
    """Run `script` with what `install` put into `directory`, and return what it printed."""
    node = shutil.which("node")
    assert node
    command = [node, "-e", script, "--", *arguments]
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=True, timeout=60).stdout
