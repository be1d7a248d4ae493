"""Removing a directory tree for good."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from anchor_uploads.local.clock import monotonic

__all__ = ["remove_tree"]


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
