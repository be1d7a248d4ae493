"""What the wrapper does, seen from outside: its requests are looked at, and answers are put before it.

Nothing is taken from its source, so a fact can hide in no place that this does not look at. The one thing that is not
asked of the wrapper here is the network: `httpx.MockTransport` stands in for it.
"""

from __future__ import annotations

import inspect
import json
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import httpx

import anchor_uploads
from anchor_browser_api_client.models import UploadReply
from anchor_uploads import AnchorUploadsError, ContractDrift, StatusError, UploadClient, UploadedFile, errors
from anchor_uploads._call.settings import DEFAULT_BASE_URL
from spec_pipeline.proof.facts import WrapperFacts

__all__ = ["Misfit", "observed"]

_KEY = "the-key-of-the-observation"
_SESSION = "01234567-89ab-4cde-8f01-23456789abcd"
_PROBE = "probe"
# One value of each type that JSON has.
_VALUES = {"string": _PROBE, "integer": 7, "number": 7.5, "boolean": True, "null": None, "array": [], "object": {}}
_DEEPEST = 3


class Misfit(Exception):
    """The wrapper cannot even make a request with the generated client that is there."""


def observed() -> WrapperFacts:
    """Return what the wrapper does. Raises `Misfit` if it does not fit the generated code."""
    request = _request()
    url = str(request.url)
    base_url = DEFAULT_BASE_URL
    (key_header,) = (name for name, value in request.headers.items() if value == _KEY)
    field = re.search(rb'form-data; name="([^"]*)"', request.content)
    envelope = _reply_envelope()
    documented = {"error": {"code": 7, "message": _PROBE}}
    return WrapperFacts(
        base_url=base_url,
        key_header=key_header,
        method=request.method,
        path=url.removeprefix(base_url).replace(_SESSION, "{}"),
        path_format="uuid" if _refuses("not-a-uuid") and _refuses("..") else "none",
        media_type=request.headers["content-type"].partition(";")[0],
        field=field[1].decode() if field else "",
        accepts=request.headers["accept"],
        success=frozenset(status for status in range(200, 600) if isinstance(_answered(status, {}), UploadedFile)),
        reply_envelope=envelope,
        reply_fields=frozenset(_reply_fields(envelope)),
        reply_types=frozenset(_reply_types(envelope)),
        errors={status: type(_answered(status, documented)).__name__ for status in range(400, 600)},
        envelopes=frozenset(_error_envelopes()),
        error_fields={name: frozenset(_error_types(name)) for name in _error_fields()},
        deprecated=_is_deprecated(),
    )


def _request() -> httpx.Request:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        requests.append(request)
        return httpx.Response(200, json={})

    _upload(answer)
    return requests[0]


def _upload(answer: Callable[[httpx.Request], httpx.Response], session_id: str = _SESSION) -> UploadedFile:
    try:
        with httpx.Client(transport=httpx.MockTransport(answer)) as http_client:
            client = UploadClient(api_key=_KEY, base_url=DEFAULT_BASE_URL, max_retries=0, http_client=http_client)
            return client.upload_file(session_id, b"content", filename="a.txt")
    except (AnchorUploadsError, ContractDrift):
        raise
    except Exception as error:
        raise Misfit(_explained(error)) from error


def _explained(error: Exception) -> str:
    root = Path(anchor_uploads.__file__).resolve().parents[2]
    ours = [
        frame for frame in traceback.extract_tb(error.__traceback__) if "anchor_uploads" in Path(frame.filename).parts
    ]
    where = ours[-1] if ours else traceback.extract_tb(error.__traceback__)[-1]
    file = Path(where.filename).resolve()
    shown = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    return (
        f"{shown} line {where.lineno} does not fit the generated client: {type(error).__name__}: {error}\n"
        f"    {where.line}\n"
        "    The generated code follows spec/openapi.yaml, so something was renamed, added or removed there "
        "(git diff spec/openapi.yaml shows it).\n"
        "    Change this line to what generated/anchor_browser_api_client has now, run this test again, and say in "
        "CHANGELOG.md what callers will notice."
    )


def _answered(status: int, body: Any) -> UploadedFile | AnchorUploadsError | ContractDrift:
    """Return what the wrapper makes of an answer; a file with a complaint about the answer counts as the complaint."""

    def answer(request: httpx.Request) -> httpx.Response:
        request.read()
        return httpx.Response(status, content=json.dumps(body).encode(), headers={"Content-Type": "application/json"})

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ContractDrift)
            return _upload(answer)
    except (AnchorUploadsError, ContractDrift) as error:
        return error


def _refuses(session_id: str) -> bool:
    try:
        _upload(lambda _request: httpx.Response(200, json={}), session_id)
    except errors.InvalidArgument:
        return True
    return False


def _is_deprecated() -> bool:
    return hasattr(UploadClient.upload_file, "__deprecated__") or "deprecated" in (
        inspect.getdoc(UploadClient.upload_file) or ""
    )


def _reply_envelope() -> tuple[str, ...]:
    """Return the way to the reply's fields: that member of the generated model that gives the caller something."""
    names = (attribute.name for attribute in attrs.fields(UploadReply) if attribute.init)
    return next(((name,) for name in names if any(_reply_fields((name,)))), ())


def _wrapped(way: tuple[str, ...], value: Any) -> Any:
    for name in reversed(way):
        value = {name: value}
    return value


def _reply_fields(envelope: tuple[str, ...]) -> Iterator[str]:
    for attribute in attrs.fields(UploadedFile):
        result = _answered(200, _wrapped(envelope, {attribute.name: _PROBE}))
        if isinstance(result, UploadedFile) and getattr(result, attribute.name) == _PROBE:
            yield attribute.name


def _reply_types(envelope: tuple[str, ...]) -> Iterator[str]:
    names = list(_reply_fields(envelope))
    for kind, value in _VALUES.items():
        bodies = (_wrapped(envelope, {name: value}) for name in names)
        if all(isinstance(_answered(200, body), UploadedFile) for body in bodies):
            yield kind


def _error_fields() -> Iterator[str]:
    """Return the attributes of `StatusError` that come out of the answer's body."""
    plain = _answered(400, {})
    for name in vars(plain):
        result = _answered(400, {"error": {name: _PROBE}})
        if getattr(result, name) == _PROBE:
            yield name


def _error_envelopes() -> Iterator[tuple[str, ...]]:
    names = list(_error_fields())
    for depth in range(_DEEPEST + 1):
        way = ("error",) * depth
        result = _answered(400, _wrapped(way, dict.fromkeys(names, _PROBE)))
        if isinstance(result, StatusError) and all(getattr(result, name) == _PROBE for name in names):
            yield way


def _error_types(field: str) -> Iterator[str]:
    for kind, value in _VALUES.items():
        # None is also what it is when it was left out.
        if value is not None and getattr(_answered(400, {"error": {field: value}}), field) == value:
            yield kind
