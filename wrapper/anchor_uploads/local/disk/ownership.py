"""Whose a directory is: that of a process that lives, or of one that is gone."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

__all__ = ["abandoned", "owned"]

_MARKER = ".anchor-uploads-owner"
_LOCKED_BYTE = 1 << 20
"""Beyond the content, which on Windows nobody could read otherwise."""


@contextmanager
def owned(directory: Path) -> Iterator[None]:
    """Mark `directory` as in use by this process, for as long as the block runs and the process lives.

    The mark is a lock, which the system takes back from a process however it ends. A process id could by then be that
    of another process, or be unknown here because the owner lives in another container that shares the directory.
    """
    with (directory / _MARKER).open("xb") as file:
        _lock(file)
        # Only now, because an empty marker is one that is just being made.
        file.write(b"process %d\n" % os.getpid())
        file.flush()
        yield


def abandoned(directory: Path) -> bool:
    """Tell whether a process of this user had `directory` for its own, and is gone."""
    marker = directory / _MARKER
    try:
        found = os.lstat(marker)
        if not stat.S_ISREG(found.st_mode) or not found.st_size:
            return False
        # In a temporary directory that all users share, others could make one that looks like ours.
        if sys.platform != "win32" and os.geteuid() not in {found.st_uid} & {os.lstat(directory).st_uid}:
            return False
        with marker.open("r+b") as file:
            _lock(file)
    except OSError:
        return False
    return True


if sys.platform == "win32":
    import msvcrt

    def _lock(file: BinaryIO) -> None:
        """Raise `OSError` if another process has the lock."""
        position = file.tell()
        file.seek(_LOCKED_BYTE)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(position)

else:
    import fcntl

    def _lock(file: BinaryIO) -> None:
        """Raise `OSError` if another process has the lock."""
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
