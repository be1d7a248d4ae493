"""How long a call may take in all: over connecting, sending, waiting, and every further attempt."""

from __future__ import annotations

import time


class Deadline:
    """The end of a call, `seconds` from now; None never ends."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def passes_within(self, seconds: float) -> bool:
        """Tell whether the deadline has passed, or will in so many seconds."""
        return self._end is not None and time.monotonic() + seconds >= self._end

    def bound(self, timeout: float | None) -> float | None:
        """Return `timeout` (seconds, None for ever), or what is left until the deadline if that is less."""
        if self._end is None:
            return timeout
        # Zero would mean "do not wait at all" to a socket, which reports that as another error.
        left = max(0.001, self._end - time.monotonic())
        return left if timeout is None else min(timeout, left)
