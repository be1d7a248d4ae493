"""How many files and connections the system lets this process have open, and how many sessions that is."""

from __future__ import annotations

import sys

import psutil

__all__ = ["raise_limit", "sessions_that_fit"]

_ENOUGH = 10_240
"""More than this macOS refuses, whatever it says that its limit is."""
_OF_A_SESSION = 8
"""Its browser's process and log, a CDP connection and an upload, with both ends of each where the proxy has two."""
_OF_THE_PROGRAM = 40

if sys.platform == "win32":

    def raise_limit() -> int | None:
        """Return None: there is no such limit here."""
        return None

else:
    import resource

    def raise_limit() -> int | None:
        """Raise the limit of this process as far as it may, and return it; None if there is none.

        It is 256 on macOS, and 1,024 on most of Linux, unless somebody has raised it.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft == resource.RLIM_INFINITY:
            return None
        wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
        if wanted > soft:
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            except (OSError, ValueError):
                return soft
        return max(soft, wanted)


def sessions_that_fit(limit: int | None) -> int | None:
    """Return for how many sessions with browsers there is room, at least one; None if there is room for any number."""
    if limit is None:
        return None
    left: int = limit - psutil.Process().num_fds() - _OF_THE_PROGRAM
    return max(1, left // _OF_A_SESSION)
