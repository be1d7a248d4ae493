"""What Ctrl-C and SIGTERM do to work that leaves something to clean up."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

__all__ = ["clean_up_in_peace"]

_PATIENCE = 10
"""Seconds that a step of the cleaning up may take once the work is interrupted."""


@contextmanager
def clean_up_in_peace() -> Iterator[ExitStack]:
    """A stack whose unwinding Ctrl-C cannot cut short: one more press would leave a browser or its files behind.

    The first signal interrupts the work in the block; SIGTERM does as Ctrl-C. A step of the unwinding that takes longer
    than `_PATIENCE` is interrupted, too: Ctrl-C reaches Playwright's driver as well, and who asks a driver that is gone
    for the browser's end may wait forever.
    """
    working = True
    done, overdue = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(_PATIENCE):
            overdue.set()
            # A signal of the system's ends the waiting of a system call, and Windows would end the process by it.
            (signal.raise_signal if os.name == "nt" else partial(os.kill, os.getpid()))(signal.SIGINT)

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal working
        if working:
            working = False
            threading.Thread(target=watch, daemon=True).start()
        elif not overdue.is_set():
            return
        overdue.clear()
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with ExitStack() as stack:
            yield stack
            working = False
    finally:
        done.set()
        for number, handler in before.items():
            signal.signal(number, handler)
