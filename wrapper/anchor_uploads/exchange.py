"""The steps of one call that need no socket and no `await`, so that both clients share them."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import httpx
from attrs import Factory, define

from anchor_uploads import __version__, contract, early_answer, outcome, retry
from anchor_uploads.config import Settings
from anchor_uploads.contract import Operation
from anchor_uploads.deadline import Deadline
from anchor_uploads.errors import AnchorUploadsError, InvalidArgument, SourceError, TimedOut
from anchor_uploads.multipart import MultipartBody
from anchor_uploads.outcome import Answer, Session, UploadedFile
from anchor_uploads.progress import ProgressCallback, ProgressMeter
from anchor_uploads.source import Source

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

_logger = logging.getLogger("anchor_uploads")
_USER_AGENT = f"anchor-uploads/{__version__}"
# Errors that come before the first byte of a request leaves, or while its bytes leave.
_NOT_WHOLE = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.WriteError,
    httpx.WriteTimeout,
)


def prepare_to_read(request: httpx.Request, settings: Settings) -> None:
    """Bound the wait for the rest of an answer whose first part is there: now it is the network that may not stall."""
    timeouts = request.extensions["timeout"]
    bounds = [bound for bound in (timeouts["read"], settings.timeouts.read) if bound is not None]
    timeouts["read"] = min(bounds, default=None)


def checked_session_id(session_id: str | UUID) -> UUID:
    """Return `session_id` as the UUID that it must be. Raises `InvalidArgument`."""
    try:
        parsed = UUID(str(session_id))
    except ValueError:
        parsed = None
    # UUID() also takes braces, "urn:uuid:" and no hyphens at all, and the service does not.
    if parsed is None or str(parsed) != str(session_id).lower():
        raise InvalidArgument(f"{session_id!r} is not a session id: those are UUIDs, as create_session returns them")
    return parsed


class Attempt(Protocol[Result_co]):
    """One request of an exchange, and what its answer or its failure means."""

    def request(self) -> httpx.Request: ...
    def async_request(self) -> httpx.Request: ...
    def failure(self, error: httpx.RequestError) -> AnchorUploadsError: ...
    def result(self, answer: Answer) -> Result_co: ...


class Exchange(Protocol[Result_co]):
    """What one method of a client does: attempts, until one has a result or must not be repeated."""

    @property
    def started(self) -> bool:
        """Whether the next attempt has to go back in a file, which may wait for a disk or a network."""
        ...

    def policy(self) -> dict[str, Any]: ...
    def next_attempt(self) -> Attempt[Result_co]: ...


@define(eq=False)
class Call(Generic[Result]):
    """An exchange without a file; each attempt sends the same."""

    settings: Settings
    operation: Operation
    idempotent: bool
    what: str
    read: Callable[[Answer, str], Result]
    deadline: Deadline = Factory(lambda self: Deadline(self.settings.deadline), takes_self=True)

    def policy(self) -> dict[str, Any]:
        return retry.policy(self.settings, self.deadline, idempotent=self.idempotent)

    @property
    def started(self) -> bool:
        return False

    def next_attempt(self) -> Call[Result]:
        return self

    def request(self) -> httpx.Request:
        content = self.operation.json
        headers = {} if content is None else {"Content-Type": "application/json"}
        return _request(self.settings, self.deadline, self.operation, headers, content)

    async_request = request

    def failure(self, error: httpx.RequestError) -> AnchorUploadsError:
        return outcome.no_answer(error, what=self.what, complete=not isinstance(error, _NOT_WHOLE))

    def result(self, answer: Answer) -> Result:
        return self.read(answer, self.what)


def create_session(settings: Settings, body: dict[str, Any]) -> Call[Session]:
    return Call(settings, contract.create(body), False, "create_session", outcome.created_session)


def get_session(settings: Settings, session_id: str | UUID) -> Call[str | None]:
    operation = contract.get(checked_session_id(session_id))
    return Call(settings, operation, True, f"get_session {session_id}", outcome.session_status)


def end_session(settings: Settings, session_id: str | UUID) -> Call[str | None]:
    operation = contract.end(checked_session_id(session_id))
    return Call(settings, operation, True, f"end_session {session_id}", outcome.session_status)


class Upload:
    """The exchange that puts an opened source into a session; each attempt sends it from its start."""

    def __init__(
        self,
        settings: Settings,
        session_id: UUID,
        source: Source,
        *,
        on_progress: ProgressCallback | None,
        checksum: bool,
    ) -> None:
        self.settings = settings
        self.operation = contract.upload(session_id)
        self.session_id = str(session_id)
        self.source = source
        self.on_progress = on_progress
        self.checksum = checksum
        self.deadline = Deadline(settings.deadline)
        self.what = f"upload of {source.label} to session {session_id}"
        self._attempts = 0

    def policy(self) -> dict[str, Any]:
        return retry.policy(self.settings, self.deadline, idempotent=False)

    def next_attempt(self) -> UploadAttempt:
        if self.started:
            self._go_back()
        self._attempts += 1
        return UploadAttempt(self, self._attempts)

    @property
    def started(self) -> bool:
        return self._attempts > 0

    def _go_back(self) -> None:
        try:
            self.source.rewind()
        except SourceError as error:
            raise SourceError(
                f"{self.what}: attempt {self._attempts} failed and the file cannot be sent again. {error}"
            ) from error


class UploadAttempt:
    """One attempt at an upload, with a body of its own."""

    def __init__(self, upload: Upload, number: int) -> None:
        source = upload.source
        self._upload = upload
        self._number = number
        self._started = time.monotonic()
        self._meter = ProgressMeter(
            upload.on_progress,
            name=source.name,
            total=source.size,
            attempt=number,
            interval=upload.settings.progress_interval,
        )
        self._body = MultipartBody(upload.operation.field, source, self._sent, checksum=upload.checksum)
        self._timeouts: dict[str, float | None] = {}

    def request(self) -> httpx.Request:
        return self._request(self._body.blocks(), early_answer.watch())

    def async_request(self) -> httpx.Request:
        return self._request(self._body.async_blocks(), early_answer.async_watch())

    def failure(self, error: httpx.RequestError) -> AnchorUploadsError:
        self._log("no answer, %s", type(error).__name__)
        return outcome.no_answer(error, what=self._upload.what, complete=self._body.complete)

    def result(self, answer: Answer) -> UploadedFile:
        self._log("answered with %d", answer.status_code)
        source = self._upload.source
        return outcome.uploaded_file(
            answer,
            self._upload.what,
            session_id=self._upload.session_id,
            name=source.name,
            size=source.size,
            content_type=source.content_type,
            attempts=self._number,
            sha256=self._body.sha256,
        )

    def _request(
        self, blocks: Iterator[bytes] | AsyncIterator[bytes], trace: early_answer.Trace | early_answer.AsyncTrace
    ) -> httpx.Request:
        headers = {"Content-Type": self._body.content_type, "Content-Length": str(self._body.content_length)}
        upload = self._upload
        request = _request(upload.settings, upload.deadline, upload.operation, headers, blocks)
        request.extensions["trace"] = trace
        self._timeouts = request.extensions["timeout"]
        return request

    def _sent(self, count: int, last: bool) -> None:
        deadline = self._upload.deadline
        if last:
            # The wait for the answer begins now, not when the request was made.
            self._timeouts["read"] = deadline.bound(self._upload.settings.timeouts.answer)
        elif deadline.passes_within(0):
            raise TimedOut(
                f"{self._upload.what}: not done within the deadline of {deadline.seconds} s; nothing was saved. "
                "Allow more time with deadline="
            )
        self._meter.add(count, last)

    def _log(self, what: str, detail: object) -> None:
        seconds = time.monotonic() - self._started
        _logger.info(f"%s, attempt %d: {what} after %.3f s", self._upload.what, self._number, detail, seconds)


def _request(
    settings: Settings,
    deadline: Deadline,
    operation: Operation,
    headers: dict[str, str],
    content: bytes | Iterator[bytes] | AsyncIterator[bytes] | None,
) -> httpx.Request:
    timeouts = settings.timeouts
    return httpx.Request(
        operation.method,
        settings.base_url + operation.path,
        headers={
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
            contract.API_KEY_HEADER: settings.api_key,
            **headers,
        },
        content=content,
        extensions={
            "timeout": {
                "connect": deadline.bound(timeouts.connect),
                "write": deadline.bound(timeouts.write),
                # The answer is read only after the last byte has left, so this is the time that the service may take.
                "read": deadline.bound(timeouts.answer),
                "pool": deadline.bound(None),
            }
        },
    )
