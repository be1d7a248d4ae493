"""Moving and removing what others may still have open: Windows refuses that, mostly for a moment only."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from anchor_uploads.local.clock import monotonic

__all__ = ["move", "remove_file", "remove_tree"]

_MOMENT = 1.0
_IN_USE = (5, 32)
"""ERROR_ACCESS_DENIED and ERROR_SHARING_VIOLATION: a scanner or a page has the file open."""


def move(path: Path, target: Path) -> None:
    """Put a file in the place of `target` in one step. Raises `OSError` if that is still in use after a second."""
    _once_free(lambda: os.replace(path, target))


def remove_file(path: Path) -> None:
    """Remove a file that may be gone already. Raises `OSError` if it is still in use after a second."""
    _once_free(lambda: path.unlink(missing_ok=True))


def _once_free(step: Callable[[], None]) -> None:
    deadline = monotonic() + _MOMENT
    while True:
        try:
            return step()
        except PermissionError as error:
            if getattr(error, "winerror", None) not in _IN_USE or monotonic() > deadline:
                raise
        time.sleep(0.05)


def remove_tree(path: Path, *, timeout: float = 5.0) -> None:
    """Remove `path` and all below it; a path that does not exist is fine.

    Tries again for `timeout` seconds: Windows keeps files locked for a moment after their process
    is gone, and a dying browser may still be writing. Raises `OSError` if it is still there then.
    """
    deadline = monotonic() + timeout
    while True:
        try:
            shutil.rmtree(path)
            return
        except FileNotFoundError:
            # Something below vanished while we were at it, or the tree is gone.
            if not path.exists():
                return
        except OSError:
            if monotonic() > deadline:
                raise
        time.sleep(0.05)
