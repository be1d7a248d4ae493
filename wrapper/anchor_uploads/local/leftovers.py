"""What a server that was killed has left behind, and how it goes."""

from __future__ import annotations

import logging
import os
import tempfile
from pathlib import Path

from anchor_uploads.local.browser.chromium import remove_browser
from anchor_uploads.local.disk.ownership import abandoned
from anchor_uploads.local.disk.removal import remove_tree

__all__ = ["ROOT_PREFIX", "sweep"]

_logger = logging.getLogger("anchor_uploads.local")

ROOT_PREFIX = "anchor-uploads-"
"""Names of the directories that servers make for themselves begin with this."""


def sweep(directory: Path | None) -> None:
    """End and remove what killed servers left in the temporary directory, and in `directory`.

    Touches nothing that a living process owns, that another user does, or that has no owner's mark. What cannot be
    removed is logged.
    """
    for parent in [Path(tempfile.gettempdir()), *([directory] if directory else [])]:
        for root in _directories(parent):
            if root.name.startswith(ROOT_PREFIX):
                _remove_if_abandoned(root)


def _directories(parent: Path) -> list[Path]:
    try:
        with os.scandir(parent) as entries:
            return [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]
    except OSError:
        return []


def _remove_if_abandoned(directory: Path) -> None:
    if not abandoned(directory):
        return
    _logger.info("removing %s, which a server that was killed has left", directory)
    try:
        for session in _directories(directory):
            remove_browser(session / "profile")
        remove_tree(directory)
    except (OSError, RuntimeError) as problem:
        _logger.warning(
            "could not remove %s (%s), which a killed server has left; remove it by hand", directory, problem
        )
