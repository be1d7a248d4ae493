"""The sessions that run: each has an id, a directory, and usually a browser."""

from __future__ import annotations

import asyncio
import logging
import os
import time
import uuid
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from anyio import CancelScope, to_thread
from attrs import frozen

from anchor_uploads.local.browser.chromium import BrowserProcess
from anchor_uploads.local.clock import monotonic
from anchor_uploads.local.disk.removal import remove_tree
from anchor_uploads.local.disk.uploads import StoredNames
from anchor_uploads.local.open_files import sessions_that_fit
from anchor_uploads.local.records import Records

__all__ = ["Session", "SessionEnded", "Sessions", "StoredFile", "TooManySessions"]

_logger = logging.getLogger("anchor_uploads.local")

_MINUTE = 60.0
_REMEMBERED = 1000
"""Of how many sessions that ended it is known why."""


class SessionEnded(RuntimeError):
    """The session has ended, or is about to."""


class TooManySessions(RuntimeError):
    """As many sessions run as are allowed."""


@frozen
class StoredFile:
    """A file in a session's uploads directory: its size in bytes, and when it came, in seconds since 1970."""

    name: str
    size: int
    stored: float


class Session:
    """One session. Made by `Sessions.create`, ended by `Sessions.end`."""

    def __init__(self, session_id: str, directory: Path, names: StoredNames) -> None:
        self.id = session_id
        self.directory = directory
        self.uploads: Path = directory / "uploads"
        self.names = names
        self.browser: BrowserProcess | None = None
        self.created: float = time.time()
        self.touched: float = monotonic()
        self.why_ended: str = ""
        self._under_way: set[CancelScope] = set()
        self._quiet = asyncio.Event()
        self._quiet.set()
        self._end: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<Session {self.id}>"

    @property
    def ending(self) -> bool:
        """True from the moment the session is asked to end."""
        return self._end is not None

    def touch(self) -> None:
        """Say that somebody uses the session."""
        self.touched = monotonic()

    @contextmanager
    def work(self) -> Iterator[None]:
        """Wraps what must not outlive the session: it is cancelled when the session ends.

        The session's files stay until the block has been left. Raises `SessionEnded` if the
        session has ended before, or ends while the block runs.
        """
        if self.ending:
            raise SessionEnded(f"session {self.id} {self.why_ended}")
        with CancelScope() as scope:
            self._under_way.add(scope)
            self._quiet.clear()
            try:
                yield
            finally:
                self._under_way.discard(scope)
                if not self._under_way:
                    self._quiet.set()
        if scope.cancelled_caught:
            raise SessionEnded(f"session {self.id} {self.why_ended}")

    async def start(self, browser: Path | None, url: str | None, starting: asyncio.Semaphore) -> None:
        """Make the session's directories, and start its browser on the page `url`."""
        with self.work():
            await to_thread.run_sync(self._make_directories)
            if browser is not None:
                async with starting:
                    profile = self.directory / "profile"
                    self.browser = await BrowserProcess.start(browser, profile, url=url or "about:blank")
        self.touch()

    def stored_files(self) -> list[StoredFile]:
        """Return the files uploaded so far, by name. Blocks on the disk."""
        files = []
        for path in self.uploads.glob("*"):
            # The session's end, or whoever knows where it is, may take a file away while we look.
            with suppress(FileNotFoundError):
                found = path.stat()
                files.append(StoredFile(path.name, found.st_size, found.st_mtime))
        return sorted(files, key=lambda file: file.name)

    async def end(self, why: str) -> None:
        """Cancel what is under way, stop the browser, remove the directory. Safe to call again.

        `why` goes on after "session … ", for those who ask for the session later.
        """
        if self._end is None:
            self.why_ended = why
            self._end = asyncio.ensure_future(self._end_now())
        # Shielded, because a caller that gives up must not leave half a session behind.
        await asyncio.shield(self._end)

    def _make_directories(self) -> None:
        self.directory.mkdir(mode=0o700)
        self.uploads.mkdir(mode=0o700)

    async def _end_now(self) -> None:
        for scope in tuple(self._under_way):
            scope.cancel()
        await self._quiet.wait()
        try:
            if self.browser is not None:
                await self.browser.stop()
        finally:
            await to_thread.run_sync(remove_tree, self.directory)


class Sessions:
    """All sessions of one server, below one directory."""

    def __init__(
        self, directory: Path, *, browser: Path | None, at_most: int, records: Records, open_files: int | None = None
    ) -> None:
        """`directory` must exist. `browser` is the executable to start, or None for none.

        `at_most` sessions run at once, or fewer if `open_files`, this process's limit, has no room for their browsers.
        `records` note what arrives in a session, and forget it when that has ended.
        """
        room = None if browser is None else sessions_that_fit(open_files)
        self._directory = directory
        self._browser = browser
        self._at_most = at_most if room is None else min(at_most, room)
        self._why_no_more = (
            "no more are allowed at once; end one, or wait"
            if self._at_most == at_most
            else f"no more have room beneath this process's limit of {open_files} open files (`ulimit -n`); raise it"
        )
        self._records = records
        self._sessions: dict[str, Session] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._ended: OrderedDict[str, str] = OrderedDict()
        self._ended_unasked: set[str] = set()
        # More at once only make each other slow, until the first gives up.
        self._starting = asyncio.Semaphore(max(2, os.cpu_count() or 1))
        self.closing: bool = False

    def __len__(self) -> int:
        return len(self._sessions)

    async def create(self, *, url: str | None = None, max_duration: float = 0, idle_timeout: float = 0) -> Session:
        """Start a session; its browser opens the page `url`.

        It ends by itself after `max_duration` minutes, after `idle_timeout` minutes in which nobody called
        `Session.touch`, and when its browser dies. 0 and less is no limit.

        Raises `SessionEnded` if the server is stopping, `TooManySessions`, `BrowserFailed` or `OSError` if it cannot
        start. Nothing is left then.
        """
        if self.closing:
            raise SessionEnded("the server is stopping")
        if len(self._sessions) >= self._at_most:
            raise TooManySessions(f"{self._at_most} sessions run, and {self._why_no_more}")
        session_id = str(uuid.uuid4())
        names = StoredNames(partial(self._records.add_upload, session_id))
        session = Session(session_id, self._directory / session_id, names)
        self._sessions[session.id] = session
        try:
            await session.start(self._browser, url, self._starting)
        except BaseException:
            await self._end(session, "could not be started")
            raise
        watch = self._watch(session, max_duration * _MINUTE, idle_timeout * _MINUTE)
        self._watchers[session.id] = asyncio.ensure_future(watch)
        self._records.tell(f"session {session.id} was started")
        return session

    def get(self, session_id: str) -> Session | None:
        """Return the running session of this id, or None."""
        session = self._sessions.get(session_id)
        return None if session is None or session.ending else session

    def running(self) -> list[Session]:
        """Return the sessions that run, oldest first; those that are still starting, or ending, do not."""
        return [session for session in self._sessions.values() if session.id in self._watchers and not session.ending]

    def why_not(self, session_id: str) -> str:
        """Why no session of this id runs."""
        if session_id == "all":
            return "'all' stands for every session and is the id of none; pass the id that POST /v1/sessions returned"
        session = self._sessions.get(session_id)
        why = self._ended.get(session_id, "") if session is None else session.why_ended
        if not why:
            return f"no session {session_id!r} runs here; create one with POST /v1/sessions"
        return f"session {session_id} {why}; create another with POST /v1/sessions"

    async def end(self, session_id: str) -> bool:
        """End a session and wait until nothing is left of it. False if no such session runs.

        True also for the first who asks to end a session that has ended by itself, for that is what was wanted.
        Raises `BrowserFailed` or `OSError` if something could not be removed.
        """
        session = self._sessions.get(session_id)
        if session_id in self._ended_unasked:
            self._ended_unasked.discard(session_id)
            if session is not None:
                await session.end("was ended")
            return True
        if session is None or session.ending:
            return False
        await self._end(session, "was ended")
        return True

    async def end_all(self, why: str) -> tuple[int, list[Exception]]:
        """End every session and wait until nothing is left; return how many, and what went wrong with some.

        `why` is that of `Session.end`.
        """
        sessions = list(self._sessions.values())
        ends = [self._end(session, why) for session in sessions]
        outcomes = await asyncio.gather(*ends, return_exceptions=True)
        problems = [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        for problem in problems:
            _logger.warning("a session did not end cleanly: %s", problem)
        return len(sessions), problems

    async def close_all(self) -> None:
        """End every session, and start none from here on."""
        self.closing = True
        await self.end_all("ended with the server")

    async def _end(self, session: Session, why: str) -> None:
        watcher = self._watchers.pop(session.id, None)
        if watcher is not None and watcher is not asyncio.current_task():
            watcher.cancel()
        try:
            await session.end(why)
        finally:
            if self._sessions.pop(session.id, None) is not None:
                self._remember(session)
                self._records.forget(session.id)

    def _remember(self, session: Session) -> None:
        self._records.tell(f"session {session.id} {session.why_ended}")
        self._ended[session.id] = session.why_ended
        while len(self._ended) > _REMEMBERED:
            forgotten, _ = self._ended.popitem(last=False)
            self._ended_unasked.discard(forgotten)

    async def _watch(self, session: Session, max_duration: float, idle_timeout: float) -> None:
        why = await _end_of(session, max_duration, idle_timeout)
        self._ended_unasked.add(session.id)
        try:
            await self._end(session, why)
        except Exception as problem:
            _logger.warning("session %s did not end cleanly: %s", session.id, problem)


async def _end_of(session: Session, max_duration: float, idle_timeout: float) -> str:
    """Wait until the session has to end, and return why. Both are seconds."""
    ends = monotonic() + max_duration if max_duration > 0 else float("inf")
    death: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    if session.browser is not None:
        death = asyncio.ensure_future(session.browser.died())
    try:
        while True:
            idle_until = session.touched + idle_timeout if idle_timeout > 0 else float("inf")
            now = monotonic()
            if death.done():
                return f"ended because its browser {death.result()}"
            if now >= ends:
                return f"ended after {max_duration / _MINUTE:g} minutes, its max_duration"
            if now >= idle_until:
                return f"ended after {idle_timeout / _MINUTE:g} minutes without activity, its idle_timeout"
            # In steps that an event loop can count.
            await asyncio.wait({death}, timeout=min(ends - now, idle_until - now, 3600.0))
    finally:
        death.cancel()
