"""What the wrapper sends, judged against the contract by validators that somebody else wrote.

Requests are caught as bytes on a socket. One judge needs nothing but Python (`support.spec_judge`), the other is Prism.
Each is shown to reject requests that are broken, too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from werkzeug.http import parse_options_header

from anchor_uploads import BadRequest, ServerError, SessionInfo, SessionNotFound, UploadClient
from openapi.documented import Contract
from support.node import NodeMissing
from support.prism_server import PrismServer
from support.raw_server import RawServer, Request, answer
from support.spec_judge import Part, SpecJudge, taken_apart
from support.twins import KEY, SESSION, Call, both, call_aiohttp, call_sync

ROOT = Path(__file__).resolve().parents[2]
UPLOADS: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": (b"content", {"filename": "report.pdf"}),
    "empty": (b"", {"filename": "empty.bin"}),
    "one byte": (b"\0", {"filename": "a"}),
    "every byte": (bytes(range(256)) * 9, {"filename": "a.bin"}),
    "boundaries of others": (b"\r\n--+++\r\n--+++--\r\n\r\n--\r\n----\r\n", {"filename": "a.bin"}),
    "several blocks": (bytes(600 * 1024), {"filename": "a.bin"}),
    "generator": ((bytes(1000) for _ in range(3)), {"filename": "a.bin"}),
    "Unicode name": (b"x", {"filename": "naïve – 文件 😀.txt"}),
    "quoted name": (b"x", {"filename": 'a "quoted" name, 100%.txt'}),
    "parameter in the name": (b"x", {"filename": "a; filename*=b.txt"}),
    "own media type": (b"x", {"filename": "a", "content_type": "text/plain; charset=utf-8"}),
    "checksum": (b"x", {"filename": "a", "checksum": True}),
}
# Prism 5.16 splits a part's header at semicolons and equals signs inside quotes, too, and dies of the rest.
NOT_FOR_PRISM = {"parameter in the name"}
COMPANIONS: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "start a session": ("create_session", (), {}),
    "start a session with settings": (
        "create_session",
        (),
        {
            "session": {"initial_url": "https://example.com/%C3%A4", "timeout": {"max_duration": 5}},
            "browser": {"viewport": {"width": 800}},
        },
    ),
    "look at a session": ("get_session", (SESSION,), {}),
    "end a session": ("end_session", (SESSION,), {}),
    "list the sessions": ("list_sessions", (), {}),
    "end all sessions": ("end_all_sessions", (), {}),
}


@pytest.fixture(scope="module")
def upload_judge() -> SpecJudge:
    return SpecJudge(Contract.read(ROOT / "spec" / "openapi.yaml"))


@pytest.fixture(scope="module")
def companion_judge() -> SpecJudge:
    return SpecJudge(Contract.read(ROOT / "spec" / "client.yaml"))


def prism(specification: str) -> Iterator[PrismServer]:
    with ExitStack() as servers:
        try:
            server = servers.enter_context(PrismServer(ROOT / "spec" / specification))
        except NodeMissing as reason:
            pytest.skip(f"Prism is not here: {reason}")
        yield server


@pytest.fixture(scope="module")
def upload_prism() -> Iterator[PrismServer]:
    yield from prism("openapi.yaml")


@pytest.fixture(scope="module")
def companion_prism() -> Iterator[PrismServer]:
    yield from prism("client.yaml")


def sent(call: Call, *arguments: Any, reply: object = None, **options: Any) -> Request:
    """The request that a method of a client sends."""
    with RawServer() as server:
        if reply is not None:
            server.script = [answer(200, reply)]
        call(server.base_url, *arguments, **options)
        (request,) = server.requests
        assert request.complete
        return request


def upload_sent(call: Call, case: str) -> Request:
    file, options = UPLOADS[case]
    if case == "generator":
        file = (bytes(1000) for _ in range(3))
    return sent(call, "upload_file", SESSION, file, **options)


def companion_sent(call: Call, case: str) -> Request:
    method, arguments, options = COMPANIONS[case]
    return sent(call, method, *arguments, reply={"data": {"id": SESSION, "status": "running", "items": []}}, **options)


@both
@pytest.mark.parametrize("case", UPLOADS)
def test_an_upload_is_what_the_contract_asks_for(call: Call, case: str, upload_judge: SpecJudge) -> None:
    assert upload_judge.violations(upload_sent(call, case)) == []


@both
@pytest.mark.parametrize("case", COMPANIONS)
def test_a_call_for_a_session_is_what_the_contract_asks_for(call: Call, case: str, companion_judge: SpecJudge) -> None:
    if call is call_aiohttp and case == "start a session":
        pytest.skip("aiohttp names a media type even where there is no body")
    assert companion_judge.violations(companion_sent(call, case)) == []


@both
@given(
    content=st.binary(max_size=2000),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"), min_size=1, max_size=60),
    boundary_like=st.booleans(),
)
@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_uploaded_reaches_a_server_as_it_was(
    call: Call, upload_judge: SpecJudge, content: bytes, name: str, boundary_like: bool
) -> None:
    # Forms escape three characters and no percent sign, so that these names cannot be told from escaped ones.
    assume(name not in (".", "..") and not re.search("%(22|0D|0A)", name, re.IGNORECASE))
    content = b"\r\n--" + content + b"--\r\n" if boundary_like else content

    request = sent(call, "upload_file", SESSION, content, filename=name, content_type="application/x-test")

    assert upload_judge.violations(request) == []
    _media_type, options = parse_options_header(request.headers["content-type"])
    (part,) = taken_apart(bytes(request.body), options)
    assert part == Part("file", content, name, "application/x-test")


Break = Callable[[Request], Request]


def in_head(old: bytes, new: bytes) -> Break:
    def broken(request: Request) -> Request:
        assert request.head.count(old) == 1
        return replace(request, head=request.head.replace(old, new))

    return broken


def in_body(old: bytes, new: bytes) -> Break:
    def broken(request: Request) -> Request:
        assert request.body.count(old) == 1
        return with_body(request, bytes(request.body).replace(old, new))

    return broken


def with_body(request: Request, body: bytes) -> Request:
    head = request.head.replace(
        f"Content-Length: {len(request.body)}".encode(), f"Content-Length: {len(body)}".encode()
    )
    return replace(request, head=head, body=bytearray(body))


def twice(request: Request) -> Request:
    opening = bytes(request.body).split(b"\r\n", 1)[0]
    part = bytes(request.body)[: -len(opening) - 6]
    return with_body(request, part + b"\r\n" + bytes(request.body))


def without_parts(request: Request) -> Request:
    opening = bytes(request.body).split(b"\r\n", 1)[0]
    return with_body(request, opening + b"--\r\n")


def without_a_line(name: bytes) -> Break:
    def broken(request: Request) -> Request:
        lines = request.head.split(b"\r\n")
        kept = [line for line in lines if not line.lower().startswith(name.lower() + b":")]
        assert len(kept) == len(lines) - 1
        return replace(request, head=b"\r\n".join(kept))

    return broken


# What breaks a request, what the judge says, and the status and the words of Prism where it notices.
BROKEN: dict[str, tuple[Break, str, tuple[int, str] | None]] = {
    "another field": (
        in_body(b'name="file"', b'name="upload"'),
        "'file' is a required property",
        (400, "body: Request body must have required property 'file'"),
    ),
    "no part at all": (
        without_parts,
        "'file' is a required property",
        (400, "body: Request body must have required property 'file'"),
    ),
    "a text field": (in_body(b'; filename="report.pdf"', b""), "has no file name", None),
    "two files": (twice, "is not of type 'string'", None),
    "a session that is no UUID": (
        in_head(SESSION.encode(), b"first-session"),
        "path parameter sessionId: $: 'first-session' is not a 'uuid'",
        (400, 'must match format "uuid"'),
    ),
    "another path": (in_head(b"/uploads", b"/files"), "has no operation POST", (404, "")),
    "another method": (in_head(b"POST ", b"PUT "), "has no operation PUT", (405, "")),
    "an undocumented parameter": (in_head(b"/uploads ", b"/uploads?name=a "), "query parameter name", None),
    "no key": (without_a_line(b"anchor-api-key"), "header anchor-api-key: must carry", (401, "")),
    "the key elsewhere": (
        in_head(b"anchor-api-key: " + KEY.encode(), b"Authorization: Bearer " + KEY.encode()),
        "header anchor-api-key: must carry",
        (401, ""),
    ),
    "another media type": (
        in_head(b"multipart/form-data", b"multipart/mixed"),
        "multipart/mixed is not one of multipart/form-data",
        (400, "Supported content types: multipart/form-data"),
    ),
    "a body cut short": (
        lambda request: with_body(request, bytes(request.body)[:-20]),
        "is not a readable form",
        (400, "body: Request body must have required property 'file'"),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_the_judge_rejects_what_is_broken(case: str, upload_judge: SpecJudge) -> None:
    break_it, text, _by_prism = BROKEN[case]
    request = break_it(upload_sent(call_sync, "text"))

    assert text in "\n".join(upload_judge.violations(request))


@both
def test_prism_finds_nothing_wrong_with_any_request(
    call: Call, upload_prism: PrismServer, companion_prism: PrismServer
) -> None:
    for case in UPLOADS.keys() - NOT_FOR_PRISM:
        verdict = upload_prism.judge(upload_sent(call, case))
        assert (verdict.status, verdict.violations) == (200, []), case
    for case in COMPANIONS:
        verdict = companion_prism.judge(companion_sent(call, case))
        assert (verdict.status, verdict.violations) == (200, []), case


@pytest.mark.parametrize("case", [case for case, (_, _, by_prism) in BROKEN.items() if by_prism])
def test_prism_rejects_what_is_broken(case: str, upload_prism: PrismServer) -> None:
    break_it, _text, by_prism = BROKEN[case]
    assert by_prism is not None
    status, text = by_prism

    verdict = upload_prism.judge(break_it(upload_sent(call_sync, "text")))

    assert verdict.status == status
    assert text in "\n".join(verdict.violations)


@both
def test_the_wrapper_works_with_prism_as_its_service(
    call: Call, upload_prism: PrismServer, companion_prism: PrismServer
) -> None:
    uploaded = call(upload_prism.base_url, "upload_file", SESSION, b"x", filename="a")
    session = call(companion_prism.base_url, "create_session")

    assert (uploaded.status, uploaded.message, uploaded.path) == ("string", "string", None)
    assert (session.id, session.cdp_url, session.live_view_url) == ("string", "string", "string")
    assert call(companion_prism.base_url, "get_session", SESSION) == "string"
    assert call(companion_prism.base_url, "end_session", SESSION) is None
    assert call(companion_prism.base_url, "list_sessions") == (SessionInfo("string", "string", "string"),)
    assert call(companion_prism.base_url, "end_all_sessions") is None


@pytest.mark.parametrize(("status", "kind"), [(400, BadRequest), (404, SessionNotFound), (500, ServerError)])
def test_each_documented_error_of_prism_is_understood(
    status: int, kind: type[Exception], upload_prism: PrismServer
) -> None:
    def ask_for_the_error(request: httpx.Request) -> None:
        request.headers["Prefer"] = f"code={status}"  # Prism's own

    with (
        httpx.Client(event_hooks={"request": [ask_for_the_error]}) as http_client,
        UploadClient(api_key=KEY, base_url=upload_prism.base_url, http_client=http_client, max_retries=0) as client,
        pytest.raises(kind) as caught,
    ):
        client.upload_file(SESSION, b"x", filename="a")
    error: Any = caught.value
    assert (error.status_code, error.code, error.message) == (status, 0, "string")
