"""What an answer means: a result, or an error that is returned and not raised, so that the call decides what follows.

It is strict about whose answer it is, and tolerant about what else is in it.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import attrs
from attrs import field, frozen

from anchor_browser_api_client.models import (
    SessionListItem,
    SessionReply,
    SessionStatusReply,
    UploadReply,
)
from anchor_uploads import errors
from anchor_uploads._call.exchange import QUOTED, Answer

Result = TypeVar("Result")

_MESSAGE_LIMIT = 300
_REQUEST_ID_HEADERS = ("x-request-id", "request-id", "x-amzn-requestid", "x-correlation-id", "cf-ray")
# The one rule for the remote path: what follows "saved at" to the end of the message, if it is an absolute path.
_SAVED_AT = re.compile(r"\bsaved at (?P<path>(?:/|[A-Za-z]:[\\/]|\\\\[^\\]).*)\Z", re.DOTALL)
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
class UploadedFile:
    """A file that a session has.

    Attributes:
        session_id: The session.
        name: As it was sent.
        size: Bytes.
        content_type: As it was sent.
        path: Where the remote browser sees the file; None if the service did not tell.
        status: The service's own word, or None.
        message: The service's own words, or None.
        attempts: How many requests it took.
        sha256: Of what was sent, in hexadecimal; None unless `checksum=True` asked for it.
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
    """A running browser session.

    Attributes:
        id: Its id, a UUID.
        cdp_url: Where CDP clients connect; None if the service did not tell. It carries the API key; `repr` hides that.
        live_view_url: A page that shows the session; None if the service did not tell.
    """

    id: str
    cdp_url: str | None = field(default=None, repr=_hide_query)
    live_view_url: str | None = field(default=None, repr=_hide_query)


@frozen
class SessionInfo:
    """A session in a list of them.

    Attributes:
        id: Its id, a UUID.
        status: The service's word for its state; None if it did not tell.
        created_at: When it was started, as the service writes it (RFC 3339); None if it did not tell.
    """

    id: str
    status: str | None = None
    created_at: str | None = None


def uploaded_file(answer: Answer, what: str, facts: Mapping[str, Any]) -> UploadedFile | errors.UnexpectedResponse:
    """Return what a successful answer to an upload says, besides the `facts` of what was sent."""
    return _success(
        UploadReply,
        answer,
        what,
        lambda data: UploadedFile(
            path=remote_path(data.get("message")), status=data.get("status"), message=data.get("message"), **facts
        ),
    )


def created_session(answer: Answer, what: str) -> Session | errors.UnexpectedResponse:
    """Return what a successful answer to `create_session` says."""

    def session(data: Mapping[str, str]) -> Session | errors.UnexpectedResponse:
        if not data.get("id"):
            return unexpected(answer, what, "names no session id")
        return Session(data["id"], data.get("cdp_url"), data.get("live_view_url"))

    return _success(SessionReply, answer, what, session)


def session_status(answer: Answer, what: str) -> str | errors.UnexpectedResponse | None:
    """Return what a successful answer to `get_session`, `end_session` or `end_all_sessions` says."""
    return _success(SessionStatusReply, answer, what, lambda data: data.get("status"))


def listed_sessions(answer: Answer, what: str) -> tuple[SessionInfo, ...] | errors.UnexpectedResponse:
    """Return what a successful answer to `list_sessions` says. What has no id is told as a drift and left out."""
    payload = _json(answer.body)
    data = payload.get("data") if isinstance(payload, dict) else None
    items = data.get("items") if isinstance(data, dict) else None
    # That nothing is listed must have been said: who asks may go on to think that no session runs.
    if not isinstance(data, dict) or not isinstance(items, list):
        return unexpected(answer, what, "lists no sessions, not even none")
    drift = _status_drift(answer)
    drift += [] if _is_whole(data.get("count", 0)) else ["data.count"]
    found = []
    for item in items:
        told, wrong = _texts(SessionListItem, item, "data.items[]")
        drift += wrong
        if "session_id" in told:
            found.append(SessionInfo(told["session_id"], told.get("status"), told.get("created_at")))
    _warn_of(drift, what)
    return tuple(found)


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
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    try:
        moment = parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return max(0.0, (moment - datetime.now(timezone.utc)).total_seconds())


def status_error(answer: Answer, what: str, *, url: str) -> errors.StatusError:
    """Return the error for a status of 400 and more; `url` is where the request went."""
    status = answer.status_code
    quoted = answer.quoted
    code, message = _error_detail(quoted)
    kind, remedy = _kind(status, message)
    if kind is errors.SessionNotFound and not _is_of_the_contract(quoted):
        # Whoever answers so does not know the operation.
        kind, remedy = errors.StatusError, f"Check the base URL; this was asked: {url}"
    said = f": {_short(message)}" if message else ""
    request_id = next((answer.headers[name] for name in _REQUEST_ID_HEADERS if name in answer.headers), None)
    return kind(
        f"{what} failed with {status}{said}{_broken_off(answer)}. {remedy}"
        + (f" (request {request_id})" if request_id else ""),
        status_code=status,
        code=code,
        message=message,
        body=quoted,
        retry_after=retry_after(answer.headers),
        request_id=request_id,
    )


def unexpected(answer: Answer, what: str, problem: str) -> errors.UnexpectedResponse:
    """Return the error for an answer that the contract does not know."""
    quoted = answer.quoted
    shown = _short(quoted.decode("utf-8", "replace")) or "nothing"
    return errors.UnexpectedResponse(
        f"{what}: the answer (status {answer.status_code}) {problem}{_broken_off(answer)}. Check the base URL and what "
        f"stands between you and the service. It says: {shown}",
        status_code=answer.status_code,
        body=quoted,
    )


def _broken_off(answer: Answer) -> str:
    return f" (the answer broke off: {type(answer.problem).__name__})" if answer.problem else ""


def _kind(status: int, message: str | None) -> tuple[type[errors.StatusError], str]:
    if status == 400 and _TOO_LARGE.search(message or ""):
        status = 413
    if status in _KINDS:
        return _KINDS[status]
    if status >= 500:
        return errors.ServerError, "Try again later"
    return errors.StatusError, "See what the service says"


def _envelopes(body: bytes) -> list[Any]:
    """Return what is in `{error: …}` and, if it is there, in `{error: {error: …}}`, outermost first."""
    found = [_json(body)]
    # Some servers put a short "error" beside the message, which is the one to tell.
    while len(found) < 3 and isinstance(found[-1], dict) and "error" in found[-1] and "message" not in found[-1]:
        found.append(found[-1]["error"])
    return found


def _is_of_the_contract(body: bytes) -> bool:
    """Tell whether an error has the documented shape, nested once or twice."""
    *envelopes, detail = _envelopes(body)
    return bool(envelopes) and isinstance(detail, dict) and bool({"code", "message"} & detail.keys())


def _error_detail(body: bytes) -> tuple[int | str | None, str | None]:
    """Return code and message of `{error: {code, message}}` or `{error: {error: {…}}}`; None for what is not there."""
    detail = _envelopes(body)[-1]
    if isinstance(detail, str):
        return None, detail
    if not isinstance(detail, dict):
        return None, None
    code, message = detail.get("code"), detail.get("message")
    if isinstance(code, bool) or not isinstance(code, (int, str)):
        code = None
    return code, message if isinstance(message, str) else None


def _success(
    model: Any, answer: Answer, what: str, read: Callable[[Mapping[str, str]], Result | errors.UnexpectedResponse]
) -> Result | errors.UnexpectedResponse:
    """Read the `data` of a success: those of the fields that the generated `model` knows which are text.

    Warns with `ContractDrift` of what the contract does not allow, and uses the rest.
    """
    payload = _json(answer.body)
    if not isinstance(payload, dict):
        problem = "is longer than any of this API" if len(answer.body) > QUOTED else "is not a JSON object"
        return unexpected(answer, what, f"{problem}; what was sent may have taken effect")
    # In whatever form: of one who has nothing else to say, it is what came of it.
    if payload.get("error") and not payload.get("data"):
        return unexpected(answer, what, "says success, and holds an error; what was sent may have taken effect")
    documented = model.from_dict({"data": {}}).data
    texts, wrong = _texts(type(documented), payload.get("data", {}), "data")
    result = read(texts)
    if not isinstance(result, errors.UnexpectedResponse):
        _warn_of([*_status_drift(answer), *wrong], what)
    return result


def _status_drift(answer: Answer) -> list[str]:
    return [] if answer.status_code == 200 else [f"status {answer.status_code}"]


def _texts(model: type, told: object, place: str) -> tuple[dict[str, str], list[str]]:
    """Return those of the fields that the generated `model` knows which are text, and where the contract is broken."""
    if not isinstance(told, dict):
        return {}, [place]
    texts, wrong = {}, []
    for attribute in attrs.fields(model):
        value = told.get(attribute.name)
        if isinstance(value, str) and attribute.init:
            texts[attribute.name] = value
        elif attribute.init and (attribute.name in told or attribute.default is attrs.NOTHING):
            wrong.append(f"{place}.{attribute.name}")
    return texts, wrong


def _is_whole(value: object) -> bool:
    """Tell whether JSON Schema takes a value for an integer, as it does 1.0."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value // 1


def _warn_of(drift: list[str], what: str) -> None:
    if drift:
        call, places = what.partition(" ")[0], ", ".join(dict.fromkeys(drift))
        warnings.warn(
            # Python remembers each text for as long as the process lives, so it is none of a file or a session.
            f"{call}: done, but the answer is not the documented one: {places}. See whether there is a newer version "
            "of anchor-uploads",
            errors.ContractDrift,
            stacklevel=3,
        )


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MESSAGE_LIMIT else f"{line[:_MESSAGE_LIMIT]}…"
