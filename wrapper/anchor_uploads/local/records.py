"""What has arrived at a local Anchor, for a test that asks, or that waits for it."""

from __future__ import annotations

import itertools
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable
from operator import itemgetter
from pathlib import Path

from attrs import frozen

from anchor_uploads.local.clock import monotonic

__all__ = ["ReceivedRequest", "ReceivedUpload", "Records"]

_REQUESTS = 10_000
_LISTED = 10


@frozen
class ReceivedUpload:
    """A file that was uploaded, as it is on this machine.

    Attributes:
        name: As the client sent it.
        size: Bytes.
        content_type: What the client said that it is; None if it said nothing.
        sha256: Of its bytes as they came in, in hexadecimal.
        path: Where it is for as long as its session lives.
    """

    name: str
    size: int
    content_type: str | None
    sha256: str
    path: Path

    def read_bytes(self) -> bytes:
        """Return its content."""
        return self.path.read_bytes()


@frozen
class ReceivedRequest:
    """A request, when it was answered.

    Attributes:
        method: Such as `POST`.
        path: Without the query, which may hold the key.
        status: Of the answer; None if the connection broke before there was one.
        seconds: From its head to its answer.
    """

    method: str
    path: str
    status: int | None
    seconds: float


Listener = Callable[["ReceivedRequest | str"], None]


class Records:
    """The uploads of the sessions that run, and the newest 10,000 requests. Any thread may use it.

    listener: called with each request, and with a line for each start and end of a session, in the server's thread; so
    it must not wait for anything.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._changed = threading.Condition()
        self._uploads: dict[str, dict[str, tuple[int, ReceivedUpload]]] = {}
        self._arrivals = itertools.count()
        self._requests: deque[ReceivedRequest] = deque(maxlen=_REQUESTS)
        self._closed = False

    @property
    def requests(self) -> tuple[ReceivedRequest, ...]:
        """The requests, in the order in which they ended."""
        with self._changed:
            return tuple(self._requests)

    def uploads(self, session_id: str | None = None) -> tuple[ReceivedUpload, ...]:
        """Return the uploads of one session, or of all (None), in the order in which they arrived."""
        with self._changed:
            sessions = self._uploads.values() if session_id is None else [self._uploads.get(session_id, {})]
            arrived = itertools.chain.from_iterable(uploads.values() for uploads in sessions)
            return tuple(upload for _, upload in sorted(arrived, key=itemgetter(0)))

    def add_upload(self, session_id: str, upload: ReceivedUpload) -> None:
        """Note an upload; it takes the place of an earlier one of its name, as its file did."""
        with self._changed:
            uploads = self._uploads.setdefault(session_id, {})
            uploads[os.path.normcase(upload.name)] = (next(self._arrivals), upload)
            self._changed.notify_all()

    def add_request(self, request: ReceivedRequest) -> None:
        """Note a request that has ended."""
        with self._changed:
            self._requests.append(request)
        if self._listener is not None:
            self._listener(request)

    def tell(self, what: str) -> None:
        """Tell of a session, for people."""
        if self._listener is not None:
            self._listener(what)

    def forget(self, session_id: str) -> None:
        """Forget the uploads of a session that has ended."""
        with self._changed:
            self._uploads.pop(session_id, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Say that nothing arrives any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait_for_upload(
        self, session_id: str | None, name: str | None, timeout: float, why_not: Callable[[], str | None]
    ) -> ReceivedUpload:
        """Return the first upload that fits, as soon as there is one.

        Raises `LookupError` once `why_not` says why none can come, `RuntimeError` once the server has ended, and
        `TimeoutError` that tells what came instead.
        """
        deadline = monotonic() + timeout
        with self._changed:
            while True:
                arrived = self.uploads(session_id)
                for upload in arrived:
                    if name is None or upload.name == name:
                        return upload
                if self._closed:
                    raise RuntimeError("the local Anchor has ended, so that no upload can arrive")
                reason = why_not()
                if reason is not None:
                    raise LookupError(reason)
                left = deadline - monotonic()
                if left <= 0:
                    raise TimeoutError(_what_came(session_id, name, timeout, arrived, self._requests))
                self._changed.wait(min(left, threading.TIMEOUT_MAX))


def _what_came(
    session_id: str | None,
    name: str | None,
    timeout: float,
    arrived: Iterable[ReceivedUpload],
    requests: Iterable[ReceivedRequest],
) -> str:
    wanted = "no upload" if name is None else f"no upload named {name!r}"
    where = "" if session_id is None else f" in session {session_id}"
    uploads = ", ".join(f"{upload.name!r} ({upload.size} bytes)" for upload in [*arrived][-_LISTED:])
    asked = ", ".join(f"{request.method} {request.path} {request.status}" for request in [*requests][-_LISTED:])
    return (
        f"{wanted} arrived{where} within {timeout:g} seconds; uploads: {uploads or 'none'}; "
        f"last requests: {asked or 'none'}"
    )
