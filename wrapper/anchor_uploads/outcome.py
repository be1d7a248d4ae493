"""From an answer to a value or an error. No socket here: both clients read the answer and hand it over."""

from __future__ import annotations

import json
import re
import typing
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, TypeVar

import attrs
import httpx
from attrs import field, frozen

from anchor_browser_api_client.models import SessionReply, SessionStatusReply, UploadReply
from anchor_browser_api_client.types import Unset
from anchor_uploads import errors

BODY_LIMIT = 64 * 1024
"""Bytes of an answer that are kept. What the API answers is far smaller."""

_MESSAGE_LIMIT = 300
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
# The one rule for the remote path: what follows "saved at" to the end of the message, if it is an absolute path.
_SAVED_AT = re.compile(r"\bsaved at (?P<path>(?:/|[A-Za-z]:[\\/]).*)\Z", re.DOTALL)
# The contract has one status for both (400, "no file uploaded or file too large"); only the message tells.
_TOO_LARGE = re.compile(r"too (large|big)|size limit", re.IGNORECASE)
_KINDS: dict[int, tuple[type[errors.StatusError], str]] = {
    400: (errors.BadRequest, "Correct the request; sent again as it is, it fails again"),
    401: (errors.AuthenticationFailed, "Check the API key"),
    403: (errors.AuthenticationFailed, "Check what the API key may do"),
    404: (errors.SessionNotFound, "The session may have ended; create another"),
    413: (errors.FileTooLarge, "Send a smaller file, or split it"),
    429: (errors.RateLimited, "Send less at once, or wait longer between retries"),
}


@frozen
class Answer:
    """What came back: the status, the headers, and the body up to `BODY_LIMIT` bytes."""

    status_code: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


@frozen
class UploadedFile:
    """A file that a session has.

    session_id: the session. name, size (bytes), content_type: as they were sent. path: where the remote browser sees
    the file, or None if the service did not tell. status, message: the service's own words, or None.
    attempts: how many requests it took. sha256: the digest of what was sent (hexadecimal), if it was asked for.
    """

    session_id: str
    name: str
    size: int
    content_type: str
    path: str | None
    status: str | None
    message: str | None
    attempts: int = 1
    sha256: str | None = None


def _hide_query(url: str | None) -> str:
    return repr(url and re.sub(r"\?.*", "?…", url))


@frozen
class Session:
    """A running browser session. cdp_url: where CDP clients connect; it carries the API key, and `repr` hides that.

    live_view_url: a page that shows the session. Either is None if the service did not tell it.
    """

    id: str
    cdp_url: str | None = field(default=None, repr=_hide_query)
    live_view_url: str | None = field(default=None, repr=_hide_query)


class _Generated(Protocol):
    @classmethod
    def from_dict(cls, src_dict: Mapping[str, Any], /) -> Any: ...


_Model = TypeVar("_Model")


def uploaded_file(
    answer: Answer,
    what: str,
    *,
    session_id: str,
    name: str,
    size: int,
    content_type: str,
    attempts: int,
    sha256: str | None,
) -> UploadedFile:
    """Read the answer to an upload. Raises `StatusError` or `UnexpectedResponse`; `what` begins their texts."""
    _raise_for_status(answer, what=what)
    data = _data(UploadReply, answer, what=what)
    message = data.get("message")
    return UploadedFile(
        session_id=session_id,
        name=name,
        size=size,
        content_type=content_type,
        path=remote_path(message),
        status=data.get("status"),
        message=message,
        attempts=attempts,
        sha256=sha256,
    )


def created_session(answer: Answer, what: str) -> Session:
    """Read the answer to `create_session`. Raises `StatusError` or `UnexpectedResponse`."""
    _raise_for_status(answer, what=what)
    data = _data(SessionReply, answer, what=what)
    if not data.get("id"):
        raise _unexpected(answer, what=what, problem="names no session id")
    return Session(data["id"], data.get("cdp_url"), data.get("live_view_url"))


def session_status(answer: Answer, what: str) -> str | None:
    """Read the answer to `get_session` or `end_session`. Raises `StatusError` or `UnexpectedResponse`."""
    _raise_for_status(answer, what=what)
    return _data(SessionStatusReply, answer, what=what).get("status")


def remote_path(message: str | None) -> str | None:
    """Return the path in a message such as `File saved at /uploads/report.pdf`, or None if it has none.

    The rule: what follows the words "saved at" to the end of the message, if that is an absolute path.
    """
    match = _SAVED_AT.search(message or "")
    return match["path"] if match else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that `Retry-After` asks to wait, from now (RFC 9110 §10.2.3), or None."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def no_answer(error: httpx.RequestError, *, what: str, complete: bool) -> errors.AnchorUploadsError:
    """Return the error for a request that got no answer; `complete` tells whether it went out whole."""
    cause = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if complete:
        return errors.OutcomeUnknown(
            f"{what}: sent whole, but no answer came ({cause}). It may have taken effect; look before you send it "
            "again, or pass retry_unknown=True where a second time does no harm"
        )
    if isinstance(error, httpx.TimeoutException):
        return errors.TimedOut(
            f"{what}: gave up waiting for the network ({cause}); nothing was saved. Try again, or allow more time "
            "with timeout="
        )
    return errors.ConnectionFailed(
        f"{what}: the connection failed before all was sent ({cause}); nothing was saved. Check the base URL and the "
        "network"
    )


def _raise_for_status(answer: Answer, *, what: str) -> None:
    status = answer.status_code
    if status == 200:
        return
    if status < 400:
        problem = (
            "redirects elsewhere, where the key does not follow" if status >= 300 else "is not the documented success"
        )
        raise _unexpected(answer, what=what, problem=problem)
    code, message = _error_detail(answer.body)
    kind, remedy = _kind(status, message)
    said = f": {_short(message)}" if message else ""
    wait = retry_after(answer.headers)
    request_id = next((answer.headers[name] for name in _REQUEST_ID_HEADERS if name in answer.headers), None)
    raise kind(
        f"{what} failed with {status}{said}. {remedy}" + (f" (request {request_id})" if request_id else ""),
        status_code=status,
        code=code,
        message=message,
        body=answer.body,
        retry_after=wait,
        request_id=request_id,
    )


def _kind(status: int, message: str | None) -> tuple[type[errors.StatusError], str]:
    if status == 400 and _TOO_LARGE.search(message or ""):
        status = 413
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return errors.ServerError, "Try again later"
    return errors.StatusError, "See what the service says"


def _error_detail(body: bytes) -> tuple[int | str | None, str | None]:
    """Return code and message of `{error: {code, message}}` or `{error: {error: {…}}}`; None for what is not there."""
    detail = _json(body)
    for _level in range(2):
        # Some servers put a short "error" beside the message, which is the one to tell.
        if isinstance(detail, dict) and "error" in detail and "message" not in detail:
            detail = detail["error"]
    if isinstance(detail, str):
        return None, detail
    if not isinstance(detail, dict):
        return None, None
    code, message = detail.get("code"), detail.get("message")
    if isinstance(code, bool) or not isinstance(code, (int, str)):
        code = None
    return code, message if isinstance(message, str) else None


def _data(model: type[_Model], answer: Answer, *, what: str) -> dict[str, str]:
    """Read the `data` of a success as the generated `model` knows it, held to what the generated code does not check.

    The model must give back just what came, so that a list is not taken for an object; and all that the contract
    documents in a success is text.
    """
    payload = _json(answer.body)
    if not isinstance(payload, dict):
        raise _unexpected(answer, what=what, problem="is not a JSON object")
    shape = "does not have the documented shape"
    try:
        parsed = typing.cast(Any, model).from_dict(payload)
        given_back = parsed.to_dict()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _unexpected(answer, what=what, problem=shape) from error
    fields = {} if isinstance(parsed.data, Unset) else attrs.asdict(parsed.data, filter=_is_given, recurse=False)
    if given_back != payload or not all(isinstance(value, str) for value in fields.values()):
        raise _unexpected(answer, what=what, problem=shape)
    return fields


def _is_given(attribute: attrs.Attribute[Any], value: object) -> bool:
    return attribute.init and not isinstance(value, Unset)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unexpected(answer: Answer, *, what: str, problem: str) -> errors.UnexpectedResponse:
    shown = _short(answer.body.decode("utf-8", "replace")) or "nothing"
    return errors.UnexpectedResponse(
        f"{what}: the answer (status {answer.status_code}) {problem}. Check the base URL and what stands between you "
        f"and the service. It says: {shown}",
        status_code=answer.status_code,
        body=answer.body,
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LIMIT else f"{line[:_MESSAGE_LIMIT]}…"
