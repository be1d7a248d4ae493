"""The sessions that run: each has an id, a directory, and usually a browser."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from anyio import CancelScope, to_thread

from anchor_uploads.local.chromium import BrowserProcess
from anchor_uploads.local.removal import remove_tree
from anchor_uploads.local.uploads import PARTIAL_PREFIX

__all__ = ["Session", "SessionEnded", "Sessions"]

_logger = logging.getLogger("anchor_uploads.local")


class SessionEnded(RuntimeError):
    """The session has ended, or is about to."""


class Session:
    """One session. Made by `Sessions.create`, ended by `Sessions.end`."""

    def __init__(self, session_id: str, directory: Path) -> None:
        self.id = session_id
        self.directory = directory
        self.uploads = directory / "uploads"
        self.browser: BrowserProcess | None = None
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

    @contextmanager
    def work(self) -> Iterator[None]:
        """Wraps what must not outlive the session: it is cancelled when the session ends.

        The session's files stay until the block has been left. Raises `SessionEnded` if the
        session has ended before, or ends while the block runs.
        """
        if self.ending:
            raise SessionEnded(f"session {self.id} has ended")
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
            raise SessionEnded(f"session {self.id} ended meanwhile")

    async def start(self, browser: Path | None, url: str | None) -> None:
        """Make the session's directories, and start its browser on the page `url`."""
        with self.work():
            await to_thread.run_sync(self._make_directories)
            if browser is not None:
                self.browser = await BrowserProcess.start(browser, self.directory / "profile", url=url or "about:blank")

    def stored_files(self) -> list[tuple[str, int]]:
        """Names and sizes in bytes of the files uploaded so far. Blocks on the disk."""
        files = []
        for path in self.uploads.glob("*"):
            # An upload or the end of the session may move a file away while we look.
            with suppress(FileNotFoundError):
                if not path.name.startswith(PARTIAL_PREFIX):
                    files.append((path.name, path.stat().st_size))
        return sorted(files)

    async def end(self) -> None:
        """Cancel what is under way, stop the browser, remove the directory. Safe to call again."""
        if self._end is None:
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

    def __init__(self, directory: Path, *, browser: Path | None) -> None:
        """`directory` must exist. `browser` is the executable to start, or None for none."""
        self._directory = directory
        self._browser = browser
        self._sessions: dict[str, Session] = {}
        self.closing = False

    async def create(self, *, url: str | None = None) -> Session:
        """Start a session; its browser opens the page `url`.

        Raises `SessionEnded` if the server is stopping, `BrowserFailed` or `OSError` if it cannot
        start. Nothing is left then.
        """
        if self.closing:
            raise SessionEnded("the server is stopping")
        session_id = str(uuid.uuid4())
        session = Session(session_id, self._directory / session_id)
        self._sessions[session.id] = session
        try:
            await session.start(self._browser, url)
        except BaseException:
            await self._end(session)
            raise
        return session

    def get(self, session_id: str) -> Session | None:
        """The running session of this id, or None."""
        session = self._sessions.get(session_id)
        return None if session is None or session.ending else session

    async def end(self, session_id: str) -> bool:
        """End a session and wait until nothing is left of it. False if no such session runs.

        Raises `BrowserFailed` or `OSError` if something could not be removed.
        """
        session = self.get(session_id)
        if session is None:
            return False
        await self._end(session)
        return True

    async def close_all(self) -> None:
        """End every session, and start none from here on."""
        self.closing = True
        ends = [self._end(session) for session in self._sessions.values()]
        for outcome in await asyncio.gather(*ends, return_exceptions=True):
            if isinstance(outcome, Exception):
                _logger.warning("a session did not end cleanly: %s", outcome)

    async def _end(self, session: Session) -> None:
        try:
            await session.end()
        finally:
            self._sessions.pop(session.id, None)
