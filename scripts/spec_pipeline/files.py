"""Files, written so that what goes wrong names the file and leaves the old one whole."""

from __future__ import annotations

import shutil
from pathlib import Path

__all__ = ["replace", "replace_directory", "write"]


def write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        # Of a disk that is full the system does not say where.
        error.filename = error.filename or str(path)
        raise


def replace(path: Path, data: bytes) -> None:
    """Put `data` where `path` is; until the last step the old file stays whole."""
    aside = path.with_name(f".{path.name}.new")
    write(aside, data)
    aside.replace(path)


def replace_directory(path: Path, new: Path) -> None:
    """Put a copy of `new` where the directory `path` is; if that fails, the old one is there as it was."""
    aside, before = path.with_name(f".{path.name}.new"), path.with_name(f".{path.name}.old")
    for left in (aside, before):
        shutil.rmtree(left, ignore_errors=True)
    shutil.copytree(new, aside)
    try:
        # A directory takes the place of an empty one only.
        if path.exists():
            path.replace(before)
        aside.replace(path)
    except BaseException:
        if not path.exists() and before.exists():
            before.replace(path)
        raise
    shutil.rmtree(before, ignore_errors=True)
