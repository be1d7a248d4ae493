"""What a client wants of a new session: the JSON body of its request, checked."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from attrs import frozen
from starlette.requests import Request

__all__ = ["BadBody", "WantedSession", "wanted_session"]

_MAX_JSON_BYTES = 1024 * 1024
_MAX_MINUTES = 60 * 24 * 365 * 100
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:.", re.IGNORECASE)

_Value = TypeVar("_Value")


class BadBody(ValueError):
    """The JSON body of a request cannot be used; the message says why."""


@frozen
class WantedSession:
    """The page to open first, and how many minutes the session may last, and may be idle; 0 is no limit."""

    url: str | None
    max_duration: float
    idle_timeout: float


async def wanted_session(request: Request) -> WantedSession:
    """Read the body of a request for a session. Raises `BadBody` that names each place that cannot be meant."""
    body = await _json_body(request)
    problems: list[str] = []

    def part(
        whole: dict[str, Any], place: str, otherwise: _Value, fits: Callable[[object], bool], advice: str
    ) -> _Value:
        name = place.rpartition(".")[2]
        if name not in whole:
            return otherwise
        value: _Value = whole[name]
        if fits(value):
            return value
        # Without the value: it may hold a proxy's password.
        problems.append(f"{place}: {advice}")
        return otherwise

    def object_in(whole: dict[str, Any], place: str) -> dict[str, Any]:
        return part(whole, place, {}, lambda value: isinstance(value, dict), "pass an object")

    def minutes_in(whole: dict[str, Any], place: str) -> float:
        minutes = part(whole, place, 0, _is_whole, "pass a whole number of minutes")
        # JSON has integers of any length, floats do not take them all.
        return float(min(max(minutes, 0), _MAX_MINUTES))

    # The service takes many more settings than the contract lists.
    wanted = object_in({"body": body}, "body")
    object_in(wanted, "body.browser")
    session = object_in(wanted, "body.session")
    url: str | None = part(
        session, "body.session.initial_url", None, _is_url, "pass a URL, such as https://example.com/"
    )
    timeout = object_in(session, "body.session.timeout")
    max_duration = minutes_in(timeout, "body.session.timeout.max_duration")
    idle_timeout = minutes_in(timeout, "body.session.timeout.idle_timeout")
    if problems:
        raise BadBody("; ".join(problems))
    return WantedSession(url, max_duration, idle_timeout)


async def _json_body(request: Request) -> object:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON_BYTES:
            raise BadBody(f"the body is longer than {_MAX_JSON_BYTES} bytes")
    # What JSON calls white space; Python's own idea of it is wider.
    if not body.strip(b" \t\r\n"):
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadBody(f"the body is not valid JSON: {error}") from error


def _is_whole(value: object) -> bool:
    # To JSON Schema 5.0 is an integer, too.
    return not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))


def _is_url(value: object) -> bool:
    """Tell whether a browser can be started on `value`, and takes it for an address and not for words to look up."""
    if not isinstance(value, str) or not _SCHEME.match(value):
        return False
    # Control characters, and halves of surrogate pairs, which JSON can hold and no command line.
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in value):
        return False
    try:
        url = urlsplit(value)
        if url.scheme not in ("http", "https"):
            return True
        return bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        return False
