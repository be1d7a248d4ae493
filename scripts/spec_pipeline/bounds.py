"""A bound for work on a text that nobody has looked at yet.

Whatever a document holds, reading and comparing it ends. To hold each step to a number of its own would leave the sum
open, and a step that was forgotten; so the process is watched as a whole.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from spec_pipeline.command import FAILED

__all__ = ["MIB", "SECONDS", "bounded"]

SECONDS = 10
"""Of the processor's time, so that neither a slow network nor a busy machine counts."""
MIB = 200
"""More than before; a process that has all modules loaded holds about 80."""

_PAUSE = 0.05


@contextmanager
def bounded(name: str) -> Iterator[None]:
    """End the process with status `FAILED` and one line as soon as what is done meanwhile takes more than the bounds.

    Nothing may be written meanwhile.
    """
    done = threading.Event()
    watch = threading.Thread(target=_watch, args=(name, done), daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
        watch.join()


def _watch(name: str, done: threading.Event) -> None:
    process = psutil.Process()
    seconds, size = time.process_time() + SECONDS, process.memory_info().rss + MIB * 2**20
    while not done.wait(_PAUSE):
        slow = time.process_time() > seconds
        if slow or process.memory_info().rss > size:
            what = f"{SECONDS} seconds" if slow else f"{MIB} MiB of memory"
            print(
                f"{name}: gave up, no verdict: this takes more than {what}, as no published spec does", file=sys.stderr
            )
            sys.stderr.flush()
            os._exit(FAILED)
