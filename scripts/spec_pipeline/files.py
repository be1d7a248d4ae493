"""Files, written so that what goes wrong names the file and leaves the old one whole."""

from __future__ import annotations

from pathlib import Path

__all__ = ["replace", "write"]


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
