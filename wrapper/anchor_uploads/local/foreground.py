"""The server in the foreground, for people: what it prints, and when it ends."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from typing import TextIO
from urllib.parse import quote

import psutil

from anchor_uploads._signals import caught
from anchor_uploads.local.records import ReceivedRequest
from anchor_uploads.local.server import LocalServer

__all__ = ["serve"]

_LOOK_SECONDS = 0.1
_ORPHANS_SECONDS = 1.0
_LAST_LINES_SECONDS = 1.0
_LINES = 10_000
"""How many lines may wait for a reader."""


def serve(server: LocalServer, *, tell_requests: bool = False, tell_sessions: bool = False) -> int:
    """Run a server until Ctrl-C or SIGTERM, and return the exit code: 130 for Ctrl-C, else 0.

    The first line on stdout is the URL, alone; the key and hints follow. On stderr there can be a line for each request
    (`tell_requests`), and for each start and end of a session (`tell_sessions`). Also stops for SIGHUP
    and, on Windows, Ctrl-Break. Further signals do not hurry it: it returns when no process and no
    file is left, normally within a second. Returns 1 if the server ended by itself. Raises what
    entering a `LocalServer` raises. Must be called in the main thread, of a program that has no other children.
    """
    teller = _Teller()

    def listen(what: ReceivedRequest | str) -> None:
        if isinstance(what, str):
            if tell_sessions:
                teller.tell(what)
        elif tell_requests:
            teller.tell(_line(what))

    # Of bad requests, which they warn of, their senders are told by the answers. Errors are still told here.
    for logger in ("uvicorn", "python_multipart"):
        logging.getLogger(logger).setLevel(logging.ERROR)
    server.tell_to(listen)
    ended_by: list[int] = []
    names = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    with caught(names, lambda number, _frame: ended_by.append(number)), teller, server:
        outside = server.public_url or server.base_url
        lines = [
            server.base_url,
            f"API key: {server.api_key}",
            f"Clients find it with: ANCHORBROWSER_BASE_URL={outside} ANCHORBROWSER_API_KEY={server.api_key}",
            f"Its sessions are shown at {outside}/?apiKey={quote(server.api_key, safe='')}",
            "Ctrl-C ends it, with all sessions and their files.",
        ]
        # At once, because who wants only the first line may close the pipe after it.
        _write(sys.stdout, "\n".join([*lines, ""]))
        orphans = _Orphans()
        while not ended_by and server.alive:
            time.sleep(_LOOK_SECONDS)
            orphans.collect()
    if not ended_by:
        return 1
    return 130 if ended_by[0] == signal.SIGINT else 0


def _line(request: ReceivedRequest) -> str:
    answer = "broke off" if request.status is None else str(request.status)
    return f"{request.method} {request.path} {answer} ({request.seconds * 1000:.0f} ms)"


def _write(stream: TextIO | None, text: str) -> None:
    # Nobody may listen, and a server goes on without listeners.
    with contextlib.suppress(OSError, ValueError):
        if stream is not None:
            stream.write(text)
            stream.flush()


class _Teller:
    """Writes lines to stderr, in a thread of its own: who does not read a pipe must not keep the server from ending."""

    def __init__(self) -> None:
        self._lines: queue.Queue[str | None] = queue.Queue(_LINES)
        self._thread = threading.Thread(target=self._write, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_exception: object) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(None)
        self._thread.join(_LAST_LINES_SECONDS)

    def tell(self, line: str) -> None:
        """Write a line, or leave it out where nobody reads."""
        with contextlib.suppress(queue.Full):
            # A path is a stranger's text; a terminal would obey it.
            self._lines.put_nowait(line.encode("unicode_escape").decode() + "\n")

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                # Past the stream's buffer: the interpreter, when it ends, waits for who writes into that.
                os.write(sys.stderr.fileno(), line.encode())
            except (AttributeError, OSError, ValueError):
                _write(sys.stderr, line)


class _Orphans:
    """Processes of ended browsers that this one is left with if it is the first of a container.

    Nobody else waits for them, and each keeps its entry in the table of processes. Those that the event loop started
    it collects itself within a moment: so only those count that were there a look before.
    """

    def __init__(self) -> None:
        self._first = os.name == "posix" and os.getpid() == 1
        self._looked = time.monotonic()
        self._dead: set[int] = set()

    def collect(self) -> None:
        if not self._first or time.monotonic() - self._looked < _ORPHANS_SECONDS:
            return
        self._looked = time.monotonic()
        before, self._dead = self._dead, set()
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if child.status() == psutil.STATUS_ZOMBIE:
                    if child.pid in before and sys.platform != "win32":
                        os.waitpid(child.pid, os.WNOHANG)
                    else:
                        self._dead.add(child.pid)
