"""What Ctrl-C does to work that leaves something to clean up, and what does as Ctrl-C."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial

from anchor_uploads._signals import caught

__all__ = ["clean_up_in_peace", "like_ctrl_c"]

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

    with caught(("SIGINT", "SIGTERM"), interrupt):
        try:
            with ExitStack() as stack:
                yield stack
                working = False
        finally:
            done.set()


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, a terminal that is closed, and Ctrl-Break do as Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def interrupt(_number: int, _frame: object) -> None:
        nonlocal interrupted
        interrupted = True
        # To whoever listens for Ctrl-C now, such as an event loop. Shells start what is in the background with it
        # ignored.
        if callable(signal.getsignal(signal.SIGINT)):
            signal.raise_signal(signal.SIGINT)
        else:
            raise KeyboardInterrupt

    with caught(("SIGTERM", "SIGHUP", "SIGBREAK"), interrupt):
        try:
            yield
        except Exception as error:
            if not interrupted:
                raise
            # Playwright's driver may have been ended by the same signal.
            raise KeyboardInterrupt from error
