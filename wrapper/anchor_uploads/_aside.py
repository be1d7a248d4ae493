"""Work that may wait for a disk, a pipe or a name server, done in threads that can be left behind.

A thread cannot be interrupted. Whoever waits for one can stop waiting, though: the work is then abandoned, and ends by
itself at the next `check`. The threads are daemons, so that a read that never ends keeps no process from exiting.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Generic, TypeVar, cast

import anyio

Result = TypeVar("Result")

_IDLE_SECONDS = 10.0
_TURN_SECONDS = 0.2


class TimeIsUp(Exception):
    """The deadline passed before the work was done."""


class Abandoned(BaseException):
    """Ends work for which nobody waits any more."""


class Stopped(Exception):
    """Ends what a thread does that was to be `stopped_by` an event."""


def wait_in_turns(ready: Callable[[float], object], within: float | None = None) -> bool:
    """Wait until `ready(seconds)`, itself a wait, has something; False if it has not within so many seconds.

    In short turns, because Windows hears Ctrl-C only between the waits for a lock. Raises what `check` raises.
    """
    # Counted, since in tests a clock may stand still.
    left = float("inf") if within is None else within
    while not ready(turn := min(_TURN_SECONDS, left)):
        left -= turn
        if left <= 0:
            return False
        check()
    return True


def event_loop() -> Any:
    """Return what tells the running event loop from every other: asyncio's loop, or trio's token."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        import trio

        return trio.lowlevel.current_trio_token()


class Aside(Generic[Result]):
    """Work under way in another thread, from the moment that this is made.

    unwanted: is called with the result of work that was abandoned.
    """

    def __init__(self, work: Callable[[], Result], *, unwanted: Callable[[Result], object] | None = None) -> None:
        self._work = work
        self._unwanted = unwanted
        self._lock = threading.Lock()
        self._result: Result | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()
        self._tell: Callable[[], object] = self._done.set
        self.abandoned = False
        try:
            worker = _idle.pop()
        except IndexError:
            worker = _Worker()
            worker.start()
        worker.work.put(self)

    def result(self, within: float | None = None) -> Result:
        """Wait for the result. Raises what the work raises, and `TimeIsUp` after `within` seconds (None: never)."""
        try:
            if not wait_in_turns(self._done.wait, within):
                raise TimeIsUp
            return self._outcome()
        finally:
            self.abandon()

    async def result_async(self) -> Result:
        """Wait for the result. Being cancelled abandons the work."""
        try:
            if not self._done.is_set():
                loop, finished = event_loop(), anyio.Event()
                soon = loop.call_soon_threadsafe if hasattr(loop, "call_soon_threadsafe") else loop.run_sync_soon

                def tell() -> None:
                    # The loop may have ended meanwhile; then nobody waits.
                    with suppress(RuntimeError):
                        soon(finished.set)

                self._tell = tell
                if not self._done.is_set():
                    await finished.wait()
            return self._outcome()
        finally:
            self.abandon()

    def wait(self) -> None:
        """Wait until the work is done, whoever takes its result."""
        wait_in_turns(self._done.wait)

    def abandon(self) -> None:
        """Stop waiting, if the result was not taken."""
        with self._lock:
            self.abandoned = True
            unwanted, self._unwanted = (self._unwanted, None) if self._done.is_set() else (None, self._unwanted)
        self._clean_up(unwanted)

    def run(self) -> None:
        """Do the work, in the thread that it was given to."""
        _here.aside = self
        try:
            self._result = self._work()
        except BaseException as error:
            self._error = error
        finally:
            _here.aside = None

    def finish(self) -> None:
        with self._lock:
            self._done.set()
            unwanted = self._unwanted if self.abandoned else None
        self._clean_up(unwanted)
        self._tell()

    def _outcome(self) -> Result:
        self._unwanted = None
        if self._error is not None:
            error, self._error = self._error, None
            try:
                raise error
            finally:
                # It leads to this frame: if that led back to it, what it holds would be left to the collector.
                del error
        return cast(Result, self._result)

    def _clean_up(self, unwanted: Callable[[Result], object] | None) -> None:
        if unwanted is not None and self._error is None:
            # Nobody waits who could be told, and the thread has other work to do.
            with suppress(Exception):
                unwanted(cast(Result, self._result))


class _Worker(threading.Thread):
    def __init__(self) -> None:
        super().__init__(name="anchor-uploads-aside", daemon=True)
        self.work: queue.SimpleQueue[Aside[Any]] = queue.SimpleQueue()

    def run(self) -> None:
        while True:
            try:
                aside = self.work.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                try:
                    _idle.remove(self)
                except ValueError:
                    # Somebody has just taken it, and its work is on the way.
                    continue
                return
            aside.run()
            # First, so that whoever hears of the result finds this thread idle.
            _idle.append(self)
            aside.finish()
            del aside


_idle: deque[_Worker] = deque()
_here = threading.local()
if hasattr(os, "register_at_fork"):
    # A child has none of its parent's threads.
    os.register_at_fork(after_in_child=_idle.clear)


def check() -> None:
    """End work that was abandoned or stopped. To be called between the blocks of what may take long."""
    aside, stop = getattr(_here, "aside", None), getattr(_here, "stop", None)
    if aside is not None and aside.abandoned:
        raise Abandoned
    if stop is not None and stop.is_set():
        raise Stopped


@contextmanager
def stopped_by(stop: threading.Event) -> Iterator[None]:
    """Have this thread wait for nothing any more once `stop` is set."""
    _here.stop = stop
    try:
        yield
    finally:
        _here.stop = None
