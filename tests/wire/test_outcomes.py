"""What is said of an upload is true: of the file, of the answer, and of the session; and the key is in none of it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import math
import os
import pickle
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import attrs
import httpx
import pytest

import anchor_uploads
from anchor_uploads import (
    AnchorUploadsError,
    AuthenticationFailed,
    ConnectionFailed,
    FileTooLarge,
    InvalidArgument,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    SessionInfo,
    SessionNotFound,
    SourceError,
    StatusError,
    Timeouts,
    UnexpectedResponse,
    UploadClient,
    UploadedFile,
    UploadProgress,
)
from anchor_uploads._call.body import Body, Sent
from anchor_uploads._call.settings import Deadline
from anchor_uploads._sources.opening import opened
from anchor_uploads._sources.part import Part
from support.raw_server import (
    FLAWS,
    SAVED,
    Behaviour,
    Exchange,
    RawServer,
    answer,
    answer_broken,
    answer_early,
    head_of,
    json_of,
    reset,
)
from support.twins import KEY, SESSION, AsyncCall, Call, SyncCall, asynchronous, both, every_client, passed_in

MIB = 1024 * 1024
LARGE = bytes(64 * MIB)
NAMED = {"filename": "a.txt"}
# Nothing here may take longer, and what hangs is to fail by itself.
BOUNDED = {"timeout": 5}
CREATED = answer(200, {"data": {"id": SESSION}})


def outcome_of(call: Call, server: RawServer, file: Any, **options: Any) -> UploadedFile | AnchorUploadsError:
    """Upload a file and return what was said of it, be it raised or returned."""
    try:
        return call(server.base_url, "upload_file", SESSION, file, **options, **NAMED)
    except AnchorUploadsError as error:
        return error


@pytest.fixture
def narrow_server() -> Iterator[RawServer]:
    with RawServer(narrow=True) as server:
        yield server


AFTER_AN_EARLY_ANSWER: dict[str, Behaviour] = {
    "keeps open": Exchange.wait,
    "reads on": Exchange.read_on,
    # Not at once: a reset that overtakes the answer is another matter.
    "closes": lambda exchange: exchange.wait(0.1),
}


def answer_at(after: int, then: str, status: int, body: object) -> Behaviour:
    """Answer when `after` bytes of the body are there; what the server does `then` is a row of the table above."""

    def behave(exchange: Exchange) -> None:
        exchange.read(after)
        exchange.reply(status, json_of(body))
        AFTER_AN_EARLY_ANSWER[then](exchange)
        exchange.open = False

    return behave


@every_client
@pytest.mark.parametrize("then", AFTER_AN_EARLY_ANSWER)
@pytest.mark.parametrize(
    ("status", "after", "size"),
    [(200, 0, 8 * MIB), (200, 1000, 8 * MIB), (200, 2 * MIB, 8 * MIB), (200, 2 * MIB, 64 * MIB), (201, 1000, 8 * MIB)],
)
def test_a_success_before_the_file_is_out_is_none(
    call: Call, status: int, after: int, size: int, then: str, narrow_server: RawServer
) -> None:
    narrow_server.script = [answer_at(after, then, status, SAVED)]

    with pytest.raises(UnexpectedResponse) as caught:
        call(narrow_server.base_url, "upload_file", SESSION, LARGE[:size], client=BOUNDED, **NAMED)
    assert caught.value.status_code == status
    assert len(narrow_server.requests) == 1


@every_client
def test_of_a_success_before_the_file_is_out_no_more_is_said_than_of_its_attempt(
    call: Call, narrow_server: RawServer
) -> None:
    narrow_server.script = [answer(502, {}, {"Retry-After": "0"}), answer_at(1000, "reads on", 200, SAVED)]
    with pytest.raises(UnexpectedResponse, match="this attempt cannot have saved it"):
        call(narrow_server.base_url, "upload_file", SESSION, LARGE[: 8 * MIB], client=BOUNDED, **NAMED)


PARTS = (b"first part,", b"second part")


@contextmanager
def read_while_written(file: Any, write: Callable[[bytes], object], close: Callable[[], object]) -> Iterator[Any]:
    """Hand out a file that has its first part, gets the second a little later, and ends then."""
    write(PARTS[0])
    later = threading.Timer(0.1, lambda: (write(PARTS[1]), close()))
    later.start()
    with file:
        try:
            yield file
        finally:
            later.join()


@contextmanager
def pipe_without_waiting(buffering: int) -> Iterator[Any]:
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    file = os.fdopen(reading, "rb", buffering=buffering)
    with read_while_written(file, lambda part: os.write(writing, part), lambda: os.close(writing)) as it:
        yield it


@contextmanager
def socket_without_waiting(buffering: int | None) -> Iterator[Any]:
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    with reading, writing, read_while_written(reading.makefile("rb", buffering), writing.send, writing.close) as it:
        yield it


class Hesitant:
    """A file that has nothing to give yet between its two parts, and no descriptor on which one could wait."""

    def __init__(self) -> None:
        self._parts: list[bytes | None] = [PARTS[0], None, PARTS[1]]

    def read(self, size: int = -1) -> bytes | None:
        return self._parts.pop(0) if size and self._parts else b""


class HesitantToAwait(Hesitant):
    async def read(self, size: int = -1) -> bytes | None:  # type: ignore[override]
        return super().read(size)


class HesitantOfKnownSize(io.BytesIO):
    def __init__(self) -> None:
        super().__init__(b"".join(PARTS))
        self._given: list[int | None] = [len(PARTS[0]), None]

    def read(self, size: int | None = -1) -> bytes | None:  # type: ignore[override]
        limit = self._given.pop(0) if size and self._given else size
        return None if limit is None else super().read(limit)


posix = pytest.mark.skipif(os.name != "posix", reason="files that do not wait are a thing of POSIX")
SILENT: dict[str, tuple[Callable[[], AbstractContextManager[Any]], tuple[pytest.MarkDecorator, ...]]] = {
    "unbuffered pipe": (lambda: pipe_without_waiting(0), (posix,)),
    "buffered pipe": (lambda: pipe_without_waiting(-1), (posix,)),
    "unbuffered socket": (lambda: socket_without_waiting(0), (posix,)),
    "buffered socket": (lambda: socket_without_waiting(None), (posix,)),
    "object": (lambda: nullcontext(Hesitant()), ()),
    "object of known size": (HesitantOfKnownSize, ()),
}


@both
@pytest.mark.parametrize("make", [pytest.param(make, id=name, marks=marks) for name, (make, marks) in SILENT.items()])
def test_a_file_that_has_nothing_yet_is_not_taken_for_one_that_ended(
    call: Call, make: Callable[[], AbstractContextManager[Any]], raw_server: RawServer
) -> None:
    with make() as file:
        is_stored_whole_or_refused(call, file, raw_server)


@asynchronous
def test_an_async_file_that_has_nothing_yet_is_not_taken_for_one_that_ended(call: Call, raw_server: RawServer) -> None:
    is_stored_whole_or_refused(call, HesitantToAwait(), raw_server)


def is_stored_whole_or_refused(call: Call, file: Any, server: RawServer) -> None:
    outcome = outcome_of(call, server, file)
    if isinstance(outcome, SourceError):
        assert "'a.txt'" in str(outcome)
        assert not any(request.complete for request in server.requests)
    else:
        assert isinstance(outcome, UploadedFile)
        assert (outcome.size, server.requests[0].part()[1]) == (22, b"".join(PARTS))


def answer_once_and(again: int | None) -> Behaviour:
    """Answer one request, and once more to so many bytes, as what stands between may that has lost count."""

    def behave(exchange: Exchange) -> None:
        content = json_of(SAVED)
        whole = head_of(200, {"Content-Length": str(len(content))}) + content
        exchange.read()
        exchange.send(whole + whole[:again])

    return behave


@every_client
@pytest.mark.parametrize("again", [None, len("HTTP/1.1 200 Rea")], ids=["whole", "in part"])
def test_an_answer_that_came_before_the_request_is_none_to_it(
    call: Call, again: int | None, raw_server: RawServer
) -> None:
    # The rest of a line that was begun before would be taken for the reason of a success.
    raw_server.script = [answer_once_and(again), answer(507) if again else reset(after=None)]
    report = call(raw_server.base_url, "upload_files", SESSION, {"a": b"a", "b": b"b"}, concurrency=1)
    assert [uploaded.name for uploaded in report.uploaded] == ["a"]
    # aiohttp throws the connection away, and hears the answer on another.
    assert isinstance(report.failed[0].error, (OutcomeUnknown, ServerError))


STATUSES: dict[int, type[StatusError]] = {
    401: AuthenticationFailed,
    404: SessionNotFound,
    413: FileTooLarge,
    429: RateLimited,
    500: ServerError,
    503: ServerError,
}
REPEATED = (429, 500, 503)
ENVELOPE = b'{"error": {"code": 7, "message": "Enough of it"}}'


@every_client
@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("status", STATUSES)
def test_a_status_in_hand_is_never_lost(call: Call, status: int, flaw: str, raw_server: RawServer) -> None:
    raw_server.script = [answer_broken(status, flaw, ENVELOPE)]
    readable = FLAWS[flaw].readable
    options = {"timeout": Timeouts(read=0.3), **({"max_retries": 0} if status in REPEATED else {})}

    started = time.monotonic()
    # What is not readable does not tell whether it is the session that was not found.
    with pytest.raises(STATUSES[status] if readable or status != 404 else StatusError) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", client=options, **NAMED)
    assert time.monotonic() - started < 10
    assert caught.value.status_code == status
    if readable:
        assert (caught.value.body, caught.value.message) == (ENVELOPE, "Enough of it")
    assert len(raw_server.requests) == 1


@every_client
@pytest.mark.parametrize("flaw", FLAWS)
def test_a_status_in_hand_is_repeated_as_it_would_be_with_its_body(
    call: Call, flaw: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer_broken(503, flaw, ENVELOPE, {"Retry-After": "0"})]
    options = {"timeout": Timeouts(read=0.3), "max_retries": 1}

    assert call(raw_server.base_url, "upload_file", SESSION, b"x", client=options, **NAMED).attempts == 2
    assert len(raw_server.requests) == 2


@every_client
@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("status", [401, 413])
def test_a_status_in_hand_before_the_file_is_out_is_not_lost_either(
    call: Call, status: int, flaw: str, narrow_server: RawServer
) -> None:
    narrow_server.script = [answer_broken(status, flaw, ENVELOPE, after=1000)]
    options = {"timeout": Timeouts(write=5, read=0.3)}

    with pytest.raises(STATUSES[status]) as caught:
        call(narrow_server.base_url, "upload_file", SESSION, bytes(50_000_000), client=options, **NAMED)
    assert caught.value.status_code == status
    assert len(narrow_server.requests) == 1


HINTS = head_of(103, {"Link": "</style.css>; rel=preload"})
CONTINUE, PROCESSING = head_of(100, {}), head_of(102, {})
# When so many bytes of the body are there, the server says this.
INTERIM: dict[str, list[tuple[int | None, bytes]]] = {
    "100 at once": [(0, CONTINUE)],
    "102": [(MIB, PROCESSING)],
    "103": [(MIB, HINTS)],
    "several": [(0, CONTINUE + HINTS), (MIB, PROCESSING), (2 * MIB, HINTS + HINTS), (3 * MIB, PROCESSING)],
    "in two pieces": [(MIB, HINTS[:20]), (MIB, HINTS[20:])],
    "102 after the file": [(None, PROCESSING)],
}


def say(exchange: Exchange, *interim: tuple[int | None, bytes]) -> None:
    for position, head in interim:
        exchange.read(position)
        exchange.send(head)
        exchange.wait(0.05)


@every_client
@pytest.mark.parametrize("row", INTERIM)
def test_an_interim_answer_is_no_answer(call: Call, row: str, narrow_server: RawServer) -> None:
    def behave(exchange: Exchange) -> None:
        say(exchange, *INTERIM[row])
        answer()(exchange)

    content = os.urandom(8 * MIB)
    narrow_server.script = [behave]
    uploaded = call(narrow_server.base_url, "upload_file", SESSION, content, client=BOUNDED, **NAMED)

    assert uploaded.attempts == 1
    (request,) = narrow_server.requests
    assert request.part()[1] == content


@every_client
@pytest.mark.parametrize("apart", [True, False], ids=["apart", "together"])
def test_the_answer_after_an_interim_one_ends_the_sending(call: Call, apart: bool, narrow_server: RawServer) -> None:
    final = head_of(413, {"Content-Length": "2"}) + b"{}"

    def behave(exchange: Exchange) -> None:
        say(exchange, *([(MIB, HINTS), (2 * MIB, final)] if apart else [(MIB, HINTS + final)]))
        exchange.read_on()

    narrow_server.script = [behave]
    with pytest.raises(FileTooLarge):
        call(narrow_server.base_url, "upload_file", SESSION, LARGE, client=BOUNDED, **NAMED)
    narrow_server.settle()
    assert [request.received < 24 * MIB for request in narrow_server.requests] == [True]


@every_client
def test_a_101_is_no_interim_answer_and_ends_the_sending(call: Call, narrow_server: RawServer) -> None:
    def behave(exchange: Exchange) -> None:
        say(exchange, (MIB, head_of(101, {"Upgrade": "other", "Connection": "upgrade"})))
        exchange.read_on()

    narrow_server.script = [behave]
    # h11 takes it for no HTTP, since nobody asked for another protocol; aiohttp for an answer.
    with pytest.raises((ConnectionFailed, UnexpectedResponse), match=r"SWITCH|\(status 101\) is not one that ends"):
        call(narrow_server.base_url, "upload_file", SESSION, LARGE, client={**BOUNDED, "max_retries": 0}, **NAMED)
    narrow_server.settle()
    assert [request.received < 24 * MIB for request in narrow_server.requests] == [True]


EARLY_REFUSALS: dict[str, list[Behaviour]] = {
    "keeps open": [answer_at(1000, "keeps open", 413, {})],
    "reads on": [answer_at(1000, "reads on", 413, {})],
    # A reset that overtakes the answer loses it now and then; the client then asks again, and hears it again.
    "closes": [answer_early(413, {}, after=1000)] * 3,
}


@every_client
@pytest.mark.parametrize("then", EARLY_REFUSALS)
def test_an_early_answer_is_seen_on_a_connection_that_was_used(call: Call, then: str, narrow_server: RawServer) -> None:
    narrow_server.script = [CREATED, *EARLY_REFUSALS[then]]
    with pytest.raises(FileTooLarge):
        call.in_session(narrow_server.base_url, "upload_file", LARGE, client=BOUNDED, **NAMED)
    is_refused_early(narrow_server)


@passed_in
@pytest.mark.parametrize("then", EARLY_REFUSALS)
def test_an_early_answer_is_seen_on_a_connection_that_its_owner_made(
    call: Call, then: str, narrow_server: RawServer
) -> None:
    narrow_server.script = [answer(), *EARLY_REFUSALS[then]]
    with pytest.raises(FileTooLarge):
        call.on_a_used_connection(narrow_server.base_url, "upload_file", SESSION, LARGE, client=BOUNDED, **NAMED)
    is_refused_early(narrow_server)


def is_refused_early(server: RawServer) -> None:
    before, upload = server.requests[:2]
    assert upload.request_line.startswith("POST /v1/sessions/")
    assert upload.connection == before.connection
    server.settle()
    assert upload.received < 24 * MIB


DRIFTED: dict[str, tuple[int, Any, str, dict[str, Any]]] = {
    "null message": (200, {"data": {"status": "success", "message": None}}, r"data\.message", {"status": "success"}),
    "number as status": (
        200,
        {"data": {"status": 1, "message": "File saved at /u/a"}},
        r"data\.status",
        {"message": "File saved at /u/a", "path": "/u/a"},
    ),
    "null data": (200, {"data": None}, r"\bdata\b", {}),
    "list as data": (200, {"data": []}, r"\bdata\b", {}),
    "pairs as data": (200, {"data": [["status", "success"]]}, r"\bdata\b", {}),
    "201": (201, SAVED, "201", {**SAVED["data"], "path": "/uploads/a.txt"}),
    "202": (202, SAVED, "202", {**SAVED["data"], "path": "/uploads/a.txt"}),
}


@every_client
@pytest.mark.parametrize("row", DRIFTED)
def test_a_saved_file_is_not_reported_as_failed(call: Call, row: str, raw_server: RawServer) -> None:
    status, body, place, known = DRIFTED[row]
    raw_server.script = [answer(status, body)]

    with pytest.warns(UserWarning, match=place) as warned:
        uploaded: UploadedFile = call(raw_server.base_url, "upload_file", SESSION, b"x", **NAMED)
    assert [warning.category for warning in warned] == [anchor_uploads.ContractDrift]
    assert str(warned[0].message).startswith("upload: done, but ")
    # Python keeps the text of each warning.
    assert SESSION not in str(warned[0].message)
    said = {"status": None, "message": None, "path": None, **known}
    assert {name: getattr(uploaded, name) for name in said} == said
    assert len(raw_server.requests) == 1


@both
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(("said", "told"), [("x" * 300, "x" * 300), ("x" * 301, "x" * 300 + "…")])
def test_what_a_service_says_at_length_is_told_in_short(
    call: Call, status: int, said: str, told: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer(status, said.encode() if status == 200 else {"error": {"code": 1, "message": said}})]
    with pytest.raises(AnchorUploadsError) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", **NAMED)
    assert re.search("x{99,}…?", str(caught.value))[0] == told  # type: ignore[index]


OTHER = "8f2b0f6c-5d4c-4c76-9f6b-1f1f7f6f2a10"
LISTED = {"session_id": SESSION, "status": "running", "created_at": "2026-11-07T05:31:56Z"}
OF_LISTED = SessionInfo(SESSION, "running", "2026-11-07T05:31:56Z")
# What stands beside or in a list, where the warning must point, and what of it is used.
DRIFTED_LISTS: dict[str, tuple[Any, str, tuple[SessionInfo, ...]]] = {
    "null as an item": ({"items": [None, LISTED]}, r"data\.items\[\]\.", (OF_LISTED,)),
    "no id": ({"items": [LISTED, {**LISTED, "session_id": None}]}, r"data\.items\[\]\.session_id\.", (OF_LISTED,)),
    "an id alone": (
        {"items": [{"session_id": OTHER}]},
        r"data\.items\[\]\.status, data\.items\[\]\.created_at\.",
        (SessionInfo(OTHER),),
    ),
    "all wrong alike": (
        {"items": [{**LISTED, "status": 1}] * 2000},
        r"one: data\.items\[\]\.status\. See",
        (attrs.evolve(OF_LISTED, status=None),) * 2000,
    ),
    "a count that is none": ({"count": "1", "items": [LISTED]}, r"data\.count", (OF_LISTED,)),
    "half a count": ({"count": 0.5, "items": [LISTED]}, r"data\.count", (OF_LISTED,)),
}


@every_client
@pytest.mark.parametrize("row", DRIFTED_LISTS)
def test_of_a_list_all_is_used_that_can_be(call: Call, row: str, raw_server: RawServer) -> None:
    data, place, known = DRIFTED_LISTS[row]
    raw_server.script = [answer(200, {"data": data})]

    with pytest.warns(anchor_uploads.ContractDrift, match=place):
        found = call(raw_server.base_url, "list_sessions")
    assert found == known


@both
@pytest.mark.parametrize("body", [b"", b"null", b"[]", {}, {"data": None}, {"data": {}}, {"data": {"items": None}}])
def test_that_no_session_runs_is_believed_only_if_it_was_said(call: Call, body: Any, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, body), answer(200, {"data": {"items": []}})]
    with pytest.raises(UnexpectedResponse, match="lists no sessions"):
        call(raw_server.base_url, "list_sessions")
    assert call(raw_server.base_url, "list_sessions") == ()


@both
@pytest.mark.parametrize(
    "body", [{}, {"data": {}}, {"more": 1, **SAVED}, {"data": {**SAVED["data"], "more": [None]}, "data2": None}]
)
def test_what_the_contract_allows_warns_of_nothing(call: Call, body: Any, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, body)]
    assert call(raw_server.base_url, "upload_file", SESSION, b"x", **NAMED).size == 1


@both
@pytest.mark.parametrize(
    ("status", "body"),
    [
        *[(200, b""), (200, b"<html>Welcome</html>"), (200, b"null"), (200, b"[]"), (204, b""), (302, b"")],
        *[(200, b'{"error": "No file was saved"}'), (200, b'{"data": null, "error": {"code": 500}}')],
    ],
)
def test_what_says_nothing_of_a_file_is_no_success(call: Call, status: int, body: bytes, raw_server: RawServer) -> None:
    raw_server.script = [answer(status, body)]
    with pytest.raises(UnexpectedResponse) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", **NAMED)
    assert caught.value.status_code == status


NOT_OF_A_SESSION: dict[str, Any] = {
    "HTML": b"<html>404 Not Found</html>",
    "nothing": b"",
    "a router's JSON": {"message": f"Cannot POST /v1/v1/sessions/{SESSION}", "error": "Not Found", "statusCode": 404},
}
OF_A_SESSION: dict[str, Any] = {
    "flat": {"error": {"code": 404, "message": "Session not found"}},
    "nested": {"error": {"error": {"code": 404, "message": "Session not found"}}},
}
METHODS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "upload_file": (f"/{SESSION}/uploads", (SESSION, b"x"), NAMED),
    "get_session": (f"/{SESSION}", (SESSION,), {}),
    "end_session": (f"/{SESSION}", (SESSION,), {}),
    "list_sessions": ("/all/status", (), {}),
    "end_all_sessions": ("/all", (), {}),
}


@every_client
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", NOT_OF_A_SESSION)
def test_a_404_that_is_not_the_services_tells_the_url_that_was_asked(
    call: Call, row: str, method: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer(404, NOT_OF_A_SESSION[row])]
    path, arguments, options = METHODS[method]

    with pytest.raises(StatusError) as caught:
        call(f"{raw_server.base_url}/v1", method, *arguments, **options)
    assert type(caught.value) is StatusError
    assert f"{raw_server.base_url}/v1/v1/sessions{path}" in str(caught.value)
    assert len(raw_server.requests) == 1


@both
@pytest.mark.parametrize("method", [method for method, (_path, arguments, _options) in METHODS.items() if arguments])
@pytest.mark.parametrize("row", OF_A_SESSION)
def test_a_404_of_the_service_is_the_sessions(call: Call, row: str, method: str, raw_server: RawServer) -> None:
    raw_server.script = [answer(404, OF_A_SESSION[row])]
    _path, arguments, options = METHODS[method]
    with pytest.raises(SessionNotFound, match="Session not found"):
        call(raw_server.base_url, method, *arguments, **options)


@every_client
@pytest.mark.parametrize("body", [*NOT_OF_A_SESSION.values(), *OF_A_SESSION.values()])
def test_a_session_that_is_gone_when_its_block_is_left_is_no_failure(
    call: Call, body: Any, raw_server: RawServer
) -> None:
    raw_server.script = [CREATED, answer(), answer(404, body)]
    assert call.in_session(raw_server.base_url, "upload_file", b"x", **NAMED).session_id == SESSION
    assert raw_server.requests[-1].request_line.startswith("DELETE")


@every_client
@pytest.mark.parametrize("status", [404, 201])
@pytest.mark.filterwarnings("error::anchor_uploads.ContractDrift")
def test_of_a_session_that_is_gone_nobody_says_that_it_goes_on_when_its_block_is_left_by_an_error(
    call: Call, status: int, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    raw_server.script = [CREATED, answer(status, {})]
    with pytest.raises(SourceError, match="is not a file"):
        call.in_session(raw_server.base_url, "upload_file", None, **NAMED)
    assert [request.request_line.split()[0] for request in raw_server.requests] == ["POST", "DELETE"]
    assert caplog.text == ""


@every_client
@pytest.mark.parametrize(("status", "kind"), [(403, AuthenticationFailed), (409, StatusError)])
def test_a_session_that_cannot_be_ended_when_its_block_is_left_is_a_failure(
    call: Call, status: int, kind: type[StatusError], raw_server: RawServer
) -> None:
    raw_server.script = [CREATED, answer(), answer(status, {"error": {"code": status, "message": "not yours"}})]
    with pytest.raises(kind, match="not yours"):
        call.in_session(raw_server.base_url, "upload_file", b"x", **NAMED)


@every_client
@pytest.mark.parametrize("status", [200, 500])
def test_of_a_long_answer_the_beginning_is_kept(status: int, call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(status, b"x" * 5_000_000)]
    with pytest.raises((ServerError, UnexpectedResponse)) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"max_retries": 0}, **NAMED)
    assert caught.value.body == b"x" * 65536


CHALLENGE = {"WWW-Authenticate": 'Digest realm="r", nonce="n", qop="auth"'}


@passed_in
@pytest.mark.parametrize("source", ["memory", "path"])
@pytest.mark.parametrize("early", [False, True])
def test_what_a_challenge_of_the_owners_own_auth_asks_for_is_sent_whole(
    call: Call, source: str, early: bool, narrow_server: RawServer, tmp_path: Path
) -> None:
    # After an early answer aiohttp gives up the connection, and has read ahead by then.
    challenge = answer_early(401, {}, after=1000, headers=CHALLENGE) if early else answer(401, b"", CHALLENGE)
    narrow_server.script = [challenge, answer()]
    content = os.urandom(8 * MIB)
    (tmp_path / "a.bin").write_bytes(content)
    calls: list[UploadProgress] = []
    uploaded = call(
        narrow_server.base_url,
        "upload_file",
        SESSION,
        io.BytesIO(content) if source == "memory" else tmp_path / "a.bin",
        http={"auth": httpx.DigestAuth("user", "password")},
        client={"progress_interval": 0},
        checksum=True,
        on_progress=calls.append,
        **NAMED,
    )
    assert [request.part()[1] for request in narrow_server.requests if request.complete][-1] == content
    assert uploaded.sha256 == hashlib.sha256(content).hexdigest()
    assert max(progress.sent for progress in calls) == len(content)


@pytest.mark.parametrize("kind", [httpx.ReadTimeout, httpx.ReadError, httpx.ConnectError])
def test_of_a_transport_that_tells_nothing_more_is_not_said_than_is_known(kind: type[httpx.TransportError]) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("broken", request=request)

    known = issubclass(kind, httpx.ConnectError)
    with (
        httpx.Client(transport=httpx.MockTransport(fail)) as own,
        UploadClient(api_key=KEY, http_client=own, max_retries=0) as client,
        pytest.raises(ConnectionFailed if known else OutcomeUnknown),
    ):
        client.create_session()


def test_what_a_passed_in_transport_raises_of_its_own_leaves_the_outcome_open() -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise ValueError("broken")

    with (
        httpx.Client(transport=httpx.MockTransport(fail)) as own,
        UploadClient(api_key=KEY, http_client=own, max_retries=0) as client,
        pytest.raises(OutcomeUnknown, match="broken"),
    ):
        client.upload_file(SESSION, b"x", **NAMED)


class Signature(httpx.Auth):
    """Reads the whole request before a connection is made, and sends it to `other` after a 401."""

    requires_request_body = True

    def __init__(self, other: int) -> None:
        self._other = other

    def auth_flow(self, request: httpx.Request) -> Any:
        response = yield request
        if response.status_code == 401:
            request.url = request.url.copy_with(port=self._other)
            yield request


@passed_in
@pytest.mark.parametrize("challenged", [False, True])
def test_what_no_connection_was_made_for_was_not_sent(call: Call, challenged: bool, raw_server: RawServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobodys = closed.getsockname()[1]
    raw_server.script = [answer(401)]
    base_url = raw_server.base_url if challenged else f"http://127.0.0.1:{nobodys}"
    options = {"http": {"auth": Signature(nobodys)}, "client": {"max_retries": 0}}
    with pytest.raises(ConnectionFailed, match="nothing was saved"):
        call(base_url, "upload_file", SESSION, b"x", **options, **NAMED)
    assert len(raw_server.requests) == challenged


def test_causes_that_go_round_in_a_circle_end() -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        first, second = ValueError("first"), ValueError("second")
        first.__cause__, second.__cause__ = second, first
        raise first

    with (
        httpx.Client(transport=httpx.MockTransport(fail)) as own,
        UploadClient(api_key=KEY, http_client=own, max_retries=0) as client,
        pytest.raises(OutcomeUnknown, match="first"),
    ):
        client.upload_file(SESSION, b"x", **NAMED)


# aiohttp's streams are not looked into.
@pytest.mark.parametrize("call", [SyncCall(httpx.Client), AsyncCall(httpx.AsyncClient)], ids=["sync", "async"])
def test_a_request_that_a_callback_makes_over_the_same_client_says_nothing_of_the_upload(
    call: Call, raw_server: RawServer, narrow_server: RawServer
) -> None:
    def refuse(exchange: Exchange) -> None:
        exchange.read(1000)
        exchange.reply(413, b"{}")
        exchange.wait(0.3)
        exchange.open = False

    narrow_server.script = [answer(), refuse]

    def run(it: Any, own: Any) -> Any:
        async def post_async() -> None:
            with suppress(httpx.HTTPError):
                await own.post(narrow_server.base_url, content=bytes(8 * MIB))

        def post(progress: UploadProgress) -> Any:
            if progress.sent < progress.total:
                return None
            if isinstance(own, httpx.AsyncClient):
                return post_async()
            with suppress(httpx.HTTPError):
                return own.post(narrow_server.base_url, content=bytes(8 * MIB))

        return it.upload_file(SESSION, b"x" * 100, on_progress=post, **NAMED)

    assert call.with_its_owner(raw_server.base_url, run, narrow_server.base_url).status == "success"


@both
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("at", [0, 3 * MIB])
def test_what_ends_an_iteration_does_not_end_the_file(
    call: Call, kind: type[Exception], at: int, raw_server: RawServer
) -> None:
    def end(progress: UploadProgress) -> None:
        if progress.sent == at:
            raise kind

    with pytest.raises(RuntimeError, match=kind.__name__):
        call(raw_server.base_url, "upload_file", SESSION, bytes(3 * MIB), on_progress=end, **NAMED)


@every_client
@pytest.mark.parametrize("raised", ["by the file", "by on_progress"])
def test_what_comes_of_the_file_leads_to_no_request_and_so_not_to_the_key(
    call: Call, raised: str, raw_server: RawServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(5 * MIB))

    def change(progress: UploadProgress) -> None:
        if 0 < progress.sent < progress.total:
            if raised == "by on_progress":
                raise KeyError("enough")
            with path.open("ab") as file:
                file.write(b"x")

    with pytest.raises((SourceError, KeyError)) as caught:
        call(raw_server.base_url, "upload_file", SESSION, path, client={"api_key": SECRET}, on_progress=change)
    assert leaks(caught.value) == []
    assert caught.value.__context__ is None


@every_client
def test_an_error_does_not_lead_to_its_request_and_so_to_the_key(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [reset(after=None)]
    with pytest.raises(OutcomeUnknown) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", **NAMED)
    cause = caught.value.__cause__
    assert isinstance(cause, httpx.RequestError)
    with pytest.raises(RuntimeError):
        _ = cause.request


# aiohttp itself asks once more, and nobody hears of the first.
@pytest.mark.parametrize("call", [SyncCall(), AsyncCall()], ids=["sync", "async"])
def test_the_end_of_a_session_that_an_attempt_without_an_answer_made_is_no_failure(
    call: Call, raw_server: RawServer
) -> None:
    raw_server.script = [reset(after=None), answer(404, {"error": {"code": 404, "message": "Session not found"}})]
    assert call(raw_server.base_url, "end_session", SESSION) is None
    # What was refused before has ended nothing.
    for before in [], [answer(429, {}, {"Retry-After": "0"})]:
        raw_server.script = [*before, answer(404, {"error": {"code": 404, "message": "Session not found"}})]
        with pytest.raises(SessionNotFound):
            call(raw_server.base_url, "end_session", SESSION)


@both
@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (200, {"error": {"code": 500, "message": "Failed to upload file"}}, "says success, and holds an error"),
        (200, {"data": {"message": "x" * 70_000}}, "is longer than any of this API"),
        (500, {"error": {"code": 500, "message": "one\ntwo\x1b[2J"}}, r"one two\\x1b\[2J"),
    ],
)
def test_what_is_no_success_is_told_in_one_line_that_is_true(
    call: Call, status: int, body: Any, told: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer(status, body)]
    with pytest.raises((UnexpectedResponse, ServerError), match=told) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"max_retries": 0}, **NAMED)
    assert str(caught.value).isprintable()


@every_client
def test_only_what_has_a_body_of_json_says_so(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [CREATED]
    call(raw_server.base_url, "create_session", session={})
    call(raw_server.base_url, "get_session", SESSION)
    first, second = (request.headers.get("content-type", "") for request in raw_server.requests)
    assert first == "application/json"
    assert "json" not in second


SECRET = "sk-se/cret+key=1"
FORMS = sorted({SECRET, quote(SECRET), quote(SECRET, safe=""), quote_plus(SECRET)})
# Texts are cut at 300 letters, and bodies at 64 KiB; nobody knows half a key again.
BEGINNING = SECRET[:-1]
PAGE = f"<html>No answer to {' or '.join(f'GET /?apiKey={form}' for form in FORMS)}</html>".encode()
CREATE: tuple[str, tuple[Any, ...], dict[str, Any]] = ("create_session", (), {})
UPLOAD: tuple[str, tuple[Any, ...], dict[str, Any]] = ("upload_file", (SESSION, b"x"), NAMED)
LIST: tuple[str, tuple[Any, ...], dict[str, Any]] = ("list_sessions", (), {})
QUOTING: dict[str, tuple[int, Any, tuple[str, tuple[Any, ...], dict[str, Any]]]] = {
    "session without id": (200, {"data": {"cdp_url": f"wss://h?apiKey={SECRET}", "more": FORMS}}, CREATE),
    "session in a list": (200, [f"wss://h?apiKey={form}" for form in FORMS], CREATE),
    "session as HTML": (200, PAGE, CREATE),
    "upload as HTML": (200, PAGE, UPLOAD),
    "list without a list": (200, {"data": {"items": {SECRET: FORMS}, "more": PAGE.decode()}}, LIST),
    "end of all as HTML": (200, PAGE, ("end_all_sessions", (), {})),
    "401": (401, PAGE, CREATE),
    "500": (500, {"error": {"code": SECRET, "message": PAGE.decode()}}, UPLOAD),
    "502": (502, PAGE, UPLOAD),
    "where a text is cut": (
        500,
        {"error": {"code": 1, "message": f"{'x' * (300 - len(SECRET))}-{SECRET} is none"}},
        UPLOAD,
    ),
    "where a body is cut": (502, b"y" * (64 * 1024 - len(BEGINNING)) + SECRET.encode() + b"y", UPLOAD),
    "where what is read is cut": (502, b"y" * 64 * 1024 + 6 * SECRET.encode(), UPLOAD),
}


def leaks(error: BaseException) -> list[str]:
    """Return the views of an error in which the key is to be seen in one of its forms."""
    shown = {
        "str": str(error),
        "repr": repr(error),
        "attributes": repr(vars(error)),
        "pickle": pickle.dumps(error).decode("latin-1"),
        "traceback": traceback_of(error),
        "cause": repr(error.__cause__),
    }
    return [view for view, text in shown.items() if any(form in text for form in (*FORMS, BEGINNING))]


def traceback_of(error: BaseException) -> str:
    """Format an error with its causes and all local variables, from where the package is entered."""
    entered = error.__traceback__
    # The frames before are the caller's, who has the key by right.
    while entered and "anchor_uploads" not in Path(entered.tb_frame.f_code.co_filename).parts:
        entered = entered.tb_next
    assert entered
    return "".join(traceback.TracebackException(type(error), error, entered, capture_locals=True).format())


@every_client
@pytest.mark.parametrize("row", QUOTING)
def test_the_key_is_in_no_text_though_the_answer_quotes_it(
    call: Call, row: str, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    status, body, (method, arguments, options) = QUOTING[row]
    raw_server.script = [answer(status, body, {"Retry-After": "0"})] * 2
    caplog.set_level("INFO", "anchor_uploads")

    with pytest.raises((StatusError, UnexpectedResponse)) as caught:
        call(raw_server.base_url, method, *arguments, client={"api_key": SECRET, "max_retries": 1}, **options)
    assert caught.value.status_code == status
    assert leaks(caught.value) == []
    assert not [form for form in FORMS if form in caplog.text]


@every_client
@pytest.mark.parametrize("then", ["nothing more", "no connection"])
def test_the_key_is_in_nothing_that_a_transport_tells_of_an_answer_that_is_none(
    call: Call, then: str, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    def answer_no_http(exchange: Exchange) -> None:
        exchange.read()
        exchange.send(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n")

    raw_server.script = [answer_no_http]
    raw_server.script += [reset(after=0)] * (then == "no connection")
    caplog.set_level("INFO", "anchor_uploads")
    client = {"api_key": SECRET, "max_retries": len(raw_server.script) - 1, "retry_unknown": True}

    with pytest.raises(OutcomeUnknown) as caught:
        call(raw_server.base_url, "upload_file", SESSION, bytes(3_000_000), client=client, **NAMED)
    assert leaks(caught.value) == []
    assert not [form for form in FORMS if form in caplog.text]


@both
@pytest.mark.parametrize("key", ['sk-"quoted"key', "sk-back\\slash", "sk-sl/ash"])
def test_a_key_is_known_again_as_json_has_it(call: Call, key: str, raw_server: RawServer) -> None:
    told = json.dumps({"error": f"no such key: {key}"}).replace("/", "\\/")
    raw_server.script = [answer(200, told.encode())]
    with pytest.raises(UnexpectedResponse) as caught:
        call(raw_server.base_url, "create_session", client={"api_key": key})
    assert "no such key: …" in str(caught.value)
    assert "no such key: …".encode() in caught.value.body


@pytest.mark.parametrize("at", ["one call", "settings", "the environment"])
def test_the_key_is_in_no_variable_of_the_frames_of_an_error(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AnchorUploadsError) as caught:
        if at == "one call":
            options = {"api_key": SECRET, "base_url": "http://127.0.0.1:1", "max_retries": 0}
            anchor_uploads.upload_file(SESSION, b"x", **options, **NAMED)
        elif at == "settings":
            UploadClient(api_key=SECRET, deadline=-1)
        else:
            monkeypatch.setenv("HTTPS_PROXY", "nonsense://x")
            UploadClient(api_key=SECRET)
    assert leaks(caught.value) == []


@both
def test_a_key_that_was_taken_for_a_path_is_in_no_text(call: Call, raw_server: RawServer) -> None:
    with pytest.raises(SourceError) as caught:
        call(raw_server.base_url, "upload_file", SESSION, SECRET, client={"api_key": SECRET})
    assert SECRET not in "".join(traceback.format_exception(caught.value))


MISPLACED: dict[str, tuple[str, str, tuple[Any, ...], dict[str, Any]]] = {
    "upload_file": ("", "upload_file", (SECRET, b"x"), NAMED),
    "get_session": ("", "get_session", (SECRET,), {}),
    "end_session": ("", "end_session", (quote(SECRET, safe=""),), {}),
    "base_url": (f"?apiKey={SECRET}", *UPLOAD),
    "base_url, encoded": (f"/?apiKey={quote(SECRET, safe='')}", *UPLOAD),
}


@both
@pytest.mark.parametrize("row", MISPLACED)
def test_a_key_in_the_wrong_place_is_in_no_text(call: Call, row: str, raw_server: RawServer) -> None:
    tail, method, arguments, options = MISPLACED[row]
    with pytest.raises(InvalidArgument) as caught:
        call(raw_server.base_url + tail, method, *arguments, client={"api_key": SECRET}, **options)
    assert leaks(caught.value) == []
    assert raw_server.connections == 0


def test_settings_give_the_key_and_do_not_show_it() -> None:
    with UploadClient(api_key=SECRET) as client:
        shown = [repr(client), repr(client.settings), str(client.settings), str(attrs.asdict(client.settings))]
        assert client.settings.api_key == SECRET
    assert not [text for text in shown if SECRET in text]


@both
@pytest.mark.parametrize("method", [CREATE, UPLOAD], ids=["create_session", "upload_file"])
@pytest.mark.parametrize(
    "value",
    [
        "Wed, 21 Oct 2015 07:28:00 GMT",
        "Wed, 21 Oct 99999 07:28:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2359",
        "-5",
        "1e400",
        "nan",
        "9" * 400,
        "9" * 5000,
        "soon",
        "",
    ],
)
def test_a_retry_after_that_makes_no_sense_breaks_nothing(
    call: Call, method: tuple[str, tuple[Any, ...], dict[str, Any]], value: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer(503, b"", {"Retry-After": value})]
    name, arguments, options = method

    with pytest.raises(ServerError) as caught:
        call(raw_server.base_url, name, *arguments, client={"max_retries": 0}, **options)
    wait = caught.value.retry_after
    assert wait is None or (math.isfinite(wait) and wait >= 0)


@both
def test_a_retry_after_in_the_past_is_now(call: Call, raw_server: RawServer) -> None:
    past = answer(503, b"", {"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"})
    raw_server.script = [past, past, past]

    started = time.monotonic()
    with pytest.raises(ServerError) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"max_retries": 2}, **NAMED)
    assert caught.value.retry_after == 0
    assert time.monotonic() - started < 5
    assert len(raw_server.requests) == 3


@both
def test_a_retry_after_beyond_the_deadline_ends_the_call_at_once(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(503, b"", {"Retry-After": "86400"})]

    started = time.monotonic()
    with pytest.raises(ServerError) as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"deadline": 10}, **NAMED)
    assert caught.value.retry_after == 86400
    assert time.monotonic() - started < 5
    assert len(raw_server.requests) == 1


@passed_in
def test_what_a_passed_in_client_says_arrives_and_the_key_is_ours(call: Call, raw_server: RawServer) -> None:
    theirs = {
        "headers": {"x-own": "1", "anchor-api-key": "theirs", "Content-Type": "text/plain"},
        "cookies": {"a": "b"},
    }
    call(raw_server.base_url, "upload_file", SESSION, b"x", http=theirs, **NAMED)
    call(raw_server.base_url, "get_session", SESSION, http=theirs)

    for request in raw_server.requests:
        sent = {name: request.headers.get_all(name) for name in ("x-own", "Cookie", "anchor-api-key")}
        assert sent == {"x-own": ["1"], "Cookie": ["a=b"], "anchor-api-key": [KEY]}
    assert raw_server.requests[0].headers.get_content_type() == "multipart/form-data"
    assert raw_server.requests[0].part()[1] == b"x"


@passed_in
def test_a_status_that_a_passed_in_client_raises_is_an_answer_like_any(call: Call, raw_server: RawServer) -> None:
    def raise_it(response: httpx.Response) -> None:
        response.raise_for_status()

    async def raise_it_async(response: httpx.Response) -> None:
        response.raise_for_status()

    hooks = {"response": [raise_it if isinstance(call, SyncCall) else raise_it_async]}
    raw_server.script = [answer(503, b"", {"Retry-After": "0"}), answer(404, b"")]
    # What more the answer says, nobody gets to read.
    with pytest.raises(StatusError, match="failed with 404"):
        call(raw_server.base_url, "upload_file", SESSION, b"x", http={"event_hooks": hooks}, **NAMED)
    assert len(raw_server.requests) == 2


class SlowInTheEnd:
    """A file of known size that hesitates with its last byte, or with saying that this was the last one."""

    def __init__(self, content: bytes, seconds: float, *, with_last_byte: bool) -> None:
        self._file = io.BytesIO(content)
        self._size = len(content)
        self._seconds = seconds
        self._with_last_byte = with_last_byte
        self.seek, self.tell = self._file.seek, self._file.tell

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        at_the_end = bool(size) and self._file.tell() == self._size
        if at_the_end and bool(block) == self._with_last_byte:
            time.sleep(self._seconds)
        return block


def test_behind_the_last_block_of_a_body_nothing_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(3 * MIB))
    source = opened(Part.of(path))
    body = Body("file", source, Deadline(None), attempt=1, checksum=False, on_progress=None, interval=0)

    async def run() -> None:
        blocks = aiter(body)
        while body.sent is not Sent.WHOLE:
            await anext(blocks)
        with pytest.raises(StopAsyncIteration):
            body.__anext__().send(None)

    with source:
        asyncio.run(run())


def read_late(seconds: float) -> Behaviour:
    def behave(exchange: Exchange) -> None:
        exchange.wait(seconds)
        answer()(exchange)

    return behave


def never_answer(exchange: Exchange) -> None:
    exchange.read()
    exchange.wait()


# More than one block, and more than what is read at once when it is opened.
SLOW: dict[str, Callable[[float], tuple[Any, Behaviour]]] = {
    "last block": lambda seconds: (SlowInTheEnd(bytes(2 * MIB), seconds, with_last_byte=True), answer()),
    "end": lambda seconds: (SlowInTheEnd(bytes(2 * MIB), seconds, with_last_byte=False), answer()),
    "end, and no answer": lambda seconds: (SlowInTheEnd(bytes(2 * MIB), seconds, with_last_byte=False), never_answer),
    "server": lambda seconds: (bytes(8 * MIB), read_late(seconds)),
}


@both
@pytest.mark.parametrize("what", SLOW)
@pytest.mark.parametrize("seconds", [0.2, 0.28, 0.29, 0.3, 0.35])
def test_nothing_was_saved_is_never_said_of_a_file_that_was(
    call: Call, what: str, seconds: float, narrow_server: RawServer
) -> None:
    file, behaviour = SLOW[what](seconds)
    narrow_server.script = [behaviour]
    outcome = outcome_of(call, narrow_server, file, deadline=0.3)

    if isinstance(outcome, ConnectionFailed):
        if narrow_server.connections:
            narrow_server.settle()
        assert not any(request.complete for request in narrow_server.requests)
    else:
        assert isinstance(outcome, UploadedFile | OutcomeUnknown)
