"""Signals that a block of work takes itself."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager

__all__ = ["caught"]


@contextmanager
def caught(names: Iterable[str], handler: Callable[[int, object], object]) -> Iterator[None]:
    """Call `handler` for the named signals during the block, as far as the system has them; in the main thread only.

    What is ignored stays ignored, as `nohup` wants it, but for SIGINT: so shells start what is in the background of a
    script, whose Ctrl-C must not leave it behind.
    """
    with ExitStack() as stack:
        for number in (getattr(signal, name) for name in names if hasattr(signal, name)):
            if number != signal.SIGINT and signal.getsignal(number) is signal.SIG_IGN:
                continue
            stack.callback(signal.signal, number, signal.signal(number, handler))
        yield
