"""What a server that was killed has left behind, and how it is told from what belongs to one that lives."""

from __future__ import annotations

import logging
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from anchor_uploads.local.chromium import remove_browser
from anchor_uploads.local.removal import remove_tree

__all__ = ["ROOT_PREFIX", "owned", "sweep"]

_logger = logging.getLogger("anchor_uploads.local")

ROOT_PREFIX = "anchor-uploads-"
"""Names of the temporary directories of servers begin with this."""

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


def sweep(directory: Path | None) -> None:
    """End and remove what killed servers left in the temporary directory, and in `directory`.

    Touches nothing that a living process owns, that another user does, or that has no owner's mark. What cannot be
    removed is logged.
    """
    for root in _directories(Path(tempfile.gettempdir())):
        if root.name.startswith(ROOT_PREFIX):
            _remove_if_abandoned(root)
    if directory is not None:
        for session in _directories(directory):
            _remove_if_abandoned(session)


def _directories(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _remove_if_abandoned(directory: Path) -> None:
    if not _abandoned(directory):
        return
    _logger.info("removing %s, which a server that was killed has left", directory)
    try:
        # A root has sessions with a browser each; a session may be all there is.
        for session in (directory, *_directories(directory)):
            remove_browser(session / "profile")
        remove_tree(directory)
    except (OSError, RuntimeError) as problem:
        _logger.warning(
            "could not remove %s (%s), which a killed server has left; remove it by hand", directory, problem
        )


def _abandoned(directory: Path) -> bool:
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
