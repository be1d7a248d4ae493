"""Signals that would end a command without its cleaning up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_LIKE_CTRL_C = ("SIGTERM", "SIGHUP", "SIGBREAK")


@contextmanager
def like_ctrl_c() -> Iterator[None]:
    """Have SIGTERM, a terminal that is closed, and Ctrl-Break do as Ctrl-C. What is ignored (`nohup`) stays ignored."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [getattr(signal, name) for name in _LIKE_CTRL_C if hasattr(signal, name)]
    before = {number: signal.getsignal(number) for number in numbers}
    caught = [number for number, handler in before.items() if handler is not signal.SIG_IGN]
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

    try:
        for number in caught:
            signal.signal(number, interrupt)
        yield
    except Exception as error:
        if not interrupted:
            raise
        # Playwright's driver may have been ended by the same signal.
        raise KeyboardInterrupt from error
    finally:
        for number in caught:
            signal.signal(number, before[number])
