"""The steps of one call that need no socket and no `await`, so that both clients share them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar
from uuid import UUID

import httpx
from attrs import define

from anchor_uploads import __version__, contract, outcome
from anchor_uploads.config import Settings
from anchor_uploads.contract import Operation
from anchor_uploads.errors import AnchorUploadsError, InvalidArgument
from anchor_uploads.multipart import MultipartBody
from anchor_uploads.outcome import Answer, Session, UploadedFile
from anchor_uploads.progress import ProgressCallback, ProgressMeter
from anchor_uploads.source import Source

Result = TypeVar("Result")
Result_co = TypeVar("Result_co", covariant=True)

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
    """Bound the wait for the rest of an answer whose first part is there: now the network may not stall."""
    request.extensions["timeout"]["read"] = settings.timeouts.read


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

    settings: Settings
    idempotent: bool

    def next_attempt(self) -> Attempt[Result_co]: ...


@define(eq=False)
class Call(Generic[Result]):
    """An exchange without a file; each attempt sends the same."""

    settings: Settings
    operation: Operation
    idempotent: bool
    what: str
    read: Callable[[Answer, str], Result]

    def next_attempt(self) -> Call[Result]:
        return self

    def request(self) -> httpx.Request:
        body = self.operation.json
        if body is None:
            return _request(self.settings, self.operation, {}, None)
        return _request(self.settings, self.operation, {"Content-Type": "application/json"}, json.dumps(body).encode())

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


@define(eq=False)
class Upload:
    """The exchange that puts an opened source into a session; each attempt sends it from its start."""

    settings: Settings
    session_id: UUID
    source: Source
    on_progress: ProgressCallback | None
    checksum: bool
    idempotent: bool = False
    attempts: int = 0

    def next_attempt(self) -> UploadAttempt:
        self.attempts += 1
        return UploadAttempt(self, self.attempts)


class UploadAttempt:
    """One attempt at an upload, with a body of its own."""

    def __init__(self, upload: Upload, number: int) -> None:
        self._upload = upload
        self._number = number
        self._operation = contract.upload(upload.session_id)
        source = upload.source
        meter = ProgressMeter(upload.on_progress, name=source.name, total=source.size, attempt=number)
        self._body = MultipartBody(self._operation.field, source, meter, checksum=upload.checksum)
        self._what = f"upload of {source.label} to session {upload.session_id}"

    def request(self) -> httpx.Request:
        return self._request(self._body.blocks())

    def async_request(self) -> httpx.Request:
        return self._request(self._body.async_blocks())

    def failure(self, error: httpx.RequestError) -> AnchorUploadsError:
        return outcome.no_answer(error, what=self._what, complete=self._body.complete)

    def result(self, answer: Answer) -> UploadedFile:
        source = self._upload.source
        return outcome.uploaded_file(
            answer,
            self._what,
            session_id=str(self._upload.session_id),
            name=source.name,
            size=source.size,
            content_type=source.content_type,
            attempts=self._number,
            sha256=self._body.sha256,
        )

    def _request(self, blocks: Iterator[bytes] | AsyncIterator[bytes]) -> httpx.Request:
        headers = {"Content-Type": self._body.content_type, "Content-Length": str(self._body.content_length)}
        return _request(self._upload.settings, self._operation, headers, blocks)


def _request(
    settings: Settings,
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
                "connect": timeouts.connect,
                "write": timeouts.write,
                # The answer is read only after the last byte has left, so this is the time that the service may take.
                "read": timeouts.answer,
                "pool": None,
            }
        },
    )
