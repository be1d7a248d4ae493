"""How far an upload is, told often enough for people and seldom enough for speed."""

from __future__ import annotations

import time
from collections.abc import Callable

from attrs import frozen


@frozen
class UploadProgress:
    """How far one attempt is: `sent` of `total` bytes of the file called `name`; `attempt` counts from 1."""

    name: str
    sent: int
    total: int
    attempt: int


ProgressCallback = Callable[[UploadProgress], object]


class ProgressMeter:
    """Counts the bytes of one attempt and tells `callback`: every `interval` seconds at most, and at the end."""

    def __init__(
        self, callback: ProgressCallback | None, *, name: str, total: int, attempt: int, interval: float
    ) -> None:
        self._callback = callback
        self._interval = interval
        self._name = name
        self._total = total
        self._attempt = attempt
        self._sent = 0
        self._next_call = 0.0

    def add(self, count: int, last: bool) -> None:
        """Note that `count` more bytes of the file have left. What the callback raises goes to the caller."""
        self._sent += count
        if self._callback is None:
            return
        now = time.monotonic()
        if last or (self._sent < self._total and now >= self._next_call):
            self._next_call = now + self._interval
            self._callback(UploadProgress(self._name, self._sent, self._total, self._attempt))
