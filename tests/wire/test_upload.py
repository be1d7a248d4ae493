"""What leaves the wrapper and the low-level client, byte by byte, and what becomes of the answer."""

from __future__ import annotations

import asyncio
import io
import os
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import fsspec
import pytest

from anchor_browser_api_client import AuthenticatedClient
from anchor_browser_api_client.api.uploads import upload_file as low_level
from anchor_browser_api_client.models import UploadForm, UploadReply
from anchor_browser_api_client.types import File
from anchor_uploads import (
    AsyncUploadClient,
    AuthenticationFailed,
    BadRequest,
    FileTooLarge,
    InvalidArgument,
    RateLimited,
    ServerError,
    SessionNotFound,
    SourceError,
    StatusError,
    UnexpectedResponse,
    UploadClient,
    UploadedFile,
    upload_file,
    upload_file_async,
)
from anchor_uploads._call.body import BLOCK_SIZE
from support.raw_server import RawServer, answer

KEY = "sk-secret-key"
SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
# Each line would end the part under a boundary that some client uses or that could be guessed.
TREACHEROUS = b"start\r\n--+++\r\n--+++--\r\n\r\n--\r\n----\r\n--boundary--\r\n" + bytes(range(256)) * 3


def upload_sync(server: RawServer, file: Any, **options: Any) -> UploadedFile:
    client_options = {name: options.pop(name) for name in ("max_retries", "timeout") if name in options}
    with UploadClient(api_key=KEY, base_url=server.base_url, **client_options) as client:
        return client.upload_file(SESSION, file, **options)


def upload_async(server: RawServer, file: Any, **options: Any) -> UploadedFile:
    client_options = {name: options.pop(name) for name in ("max_retries", "timeout") if name in options}

    async def run() -> UploadedFile:
        async with AsyncUploadClient(api_key=KEY, base_url=server.base_url, **client_options) as client:
            return await client.upload_file(SESSION, file, **options)

    return asyncio.run(run())


Upload = Callable[..., UploadedFile]
both = pytest.mark.parametrize("upload", [upload_sync, upload_async], ids=["sync", "async"])


@both
def test_the_request_is_the_documented_one(upload: Upload, raw_server: RawServer) -> None:
    uploaded = upload(raw_server, b"content", filename="report.pdf")

    (request,) = raw_server.requests
    assert request.request_line == f"POST /v1/sessions/{SESSION}/uploads HTTP/1.1"
    assert request.headers["anchor-api-key"] == KEY
    assert request.headers["content-length"] == str(len(request.body))
    assert request.headers["transfer-encoding"] is None
    head, content = request.part()
    assert head == (
        'Content-Disposition: form-data; name="file"; filename="report.pdf"\r\nContent-Type: application/pdf'
    )
    assert content == b"content"
    assert uploaded == UploadedFile(
        session_id=SESSION,
        name="report.pdf",
        size=7,
        content_type="application/pdf",
        path="/uploads/a.txt",
        status="success",
        message="File saved at /uploads/a.txt",
        attempts=1,
    )


@both
def test_each_request_has_a_boundary_of_its_own(upload: Upload, raw_server: RawServer) -> None:
    for _ in range(3):
        upload(raw_server, b"", filename="a")

    assert len({request.headers.get_boundary() for request in raw_server.requests}) == 3


@both
def test_content_that_looks_like_a_boundary_arrives_whole(upload: Upload, raw_server: RawServer) -> None:
    upload(raw_server, TREACHEROUS, filename="a.bin")

    assert raw_server.requests[0].part()[1] == TREACHEROUS


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_content_that_looks_like_a_boundary_arrives_whole_through_the_low_level_client(
    twin: str, raw_server: RawServer
) -> None:
    client = AuthenticatedClient(raw_server.base_url, token=KEY, prefix="", auth_header_name="anchor-api-key")
    form = UploadForm(file=File(io.BytesIO(TREACHEROUS), file_name="a.bin", mime_type="text/plain"))
    if twin == "sync":
        with client:
            reply = low_level.sync(uuid.UUID(SESSION), client=client, body=form)
    else:

        async def run() -> Any:
            async with client:
                return await low_level.asyncio(uuid.UUID(SESSION), client=client, body=form)

        reply = asyncio.run(run())

    (request,) = raw_server.requests
    assert request.part()[1] == TREACHEROUS
    assert request.headers.get_boundary() != "+++"
    assert isinstance(reply, UploadReply)


def a_path(directory: Path, content: bytes) -> Any:
    (directory / "a.bin").write_bytes(content)
    return directory / "a.bin"


def a_file_at_an_offset(directory: Path, content: bytes) -> Any:
    (directory / "a.bin").write_bytes(b"skipped" + content)
    file = (directory / "a.bin").open("rb")
    file.seek(7)
    return file


def a_pipe(_directory: Path, content: bytes) -> Any:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(content)
    return os.fdopen(reading, "rb")


def a_path_that_looks_like_home(directory: Path, content: bytes) -> Any:
    (directory / "~").mkdir()
    a_path(directory / "~", content)
    return "~/a.bin"


def a_spooled_file(_directory: Path, content: bytes) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=10)
    file.write(content)
    file.seek(0)
    return file


SOURCES: dict[str, Callable[[Path, bytes], Any]] = {
    "str path": lambda directory, content: str(a_path(directory, content)),
    "Path": a_path,
    "path below a directory called ~": a_path_that_looks_like_home,
    "bytes": lambda _directory, content: content,
    "bytearray": lambda _directory, content: bytearray(content),
    "memoryview": lambda _directory, content: memoryview(content),
    "open file": lambda directory, content: a_path(directory, content).open("rb"),
    "unbuffered file": lambda directory, content: a_path(directory, content).open("rb", buffering=0),
    "file at an offset": a_file_at_an_offset,
    "BytesIO": lambda _directory, content: io.BytesIO(content),
    "SpooledTemporaryFile": a_spooled_file,
    "pipe": a_pipe,
    "list": lambda _directory, content: [content[:3], b"", content[3:]],
    "generator": lambda _directory, content: (content[at : at + 100] for at in range(0, len(content), 100)),
}


@both
@pytest.mark.parametrize("size", [0, 1, 1000, BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, 2 * 1024 * 1024 + 7])
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_arrives_byte_for_byte(
    upload: Upload, source: str, size: int, raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if source == "pipe":
        size = min(size, 1000)  # what fits into a pipe that nobody empties yet
    content = (TREACHEROUS * (size // len(TREACHEROUS) + 1))[:size]
    file = SOURCES[source](tmp_path, content)

    uploaded = upload(raw_server, file, filename="b.bin", checksum=True)

    assert raw_server.requests[0].part()[1] == content
    assert uploaded.size == size
    assert uploaded.sha256 is not None
    if hasattr(file, "closed"):
        assert not file.closed
        file.close()


@both
def test_a_file_is_sent_from_where_it_stands_again_after_a_failure(
    upload: Upload, raw_server: RawServer, tmp_path: Path
) -> None:
    raw_server.script = [answer(503, {}, {"Retry-After": "0"})]
    with a_file_at_an_offset(tmp_path, b"content") as file:
        uploaded = upload(raw_server, file)

    assert uploaded.attempts == 2
    assert [request.part()[1] for request in raw_server.requests] == [b"content", b"content"]


@both
@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("a b.txt", "a b.txt"),
        ('q"uote.txt', "q%22uote.txt"),
        ("naïve – 文件.txt", "naïve – 文件.txt"),
        ("100%.txt", "100%.txt"),
        ("semi;colon='x'.txt", "semi;colon='x'.txt"),
    ],
)
def test_names_are_sent_as_browsers_send_them(upload: Upload, name: str, sent: str, raw_server: RawServer) -> None:
    uploaded = upload(raw_server, b"x", filename=name)

    head, _content = raw_server.requests[0].part()
    assert f'; filename="{sent}"\r\n' in head
    assert "filename*" not in head
    assert uploaded.name == name


@pytest.mark.parametrize(
    ("attributes", "sent"),
    [
        ({"content_type": "image/png"}, "image/png"),
        ({"headers": {"Content-Type": "image/png"}}, "image/png"),
        ({"headers": [("Content-Type", "image/png")]}, "text/plain"),
        ({"content_type": None, "headers": None}, "text/plain"),
        ({"content_type": "none"}, "text/plain"),
        ({"content_type": b"image/png"}, "text/plain"),
    ],
)
def test_the_type_that_an_upload_of_a_web_framework_has_is_kept(
    attributes: dict[str, Any], sent: str, raw_server: RawServer
) -> None:
    file = SimpleNamespace(filename="a.txt", read=io.BytesIO(b"x").read, **attributes)
    assert upload_sync(raw_server, file).content_type == sent


REFUSED: dict[str, tuple[Callable[[Path], tuple[Any, dict[str, Any]]], type[Exception], str]] = {
    "None": (lambda _: (None, {}), SourceError, "is not a file"),
    "a URL that was not entered": (
        lambda _: (fsspec.open("https://127.0.0.1:1/a?signature=s3cret"), {}),
        SourceError,
        r"^the OpenFile that was passed as a file is not a file \(enter it: with",
    ),
    "number": (lambda _: (7, {}), SourceError, "is not a file"),
    "directory": (lambda directory: (directory, {}), SourceError, "is a directory"),
    "missing": (lambda directory: (directory / "none", {}), SourceError, "does not exist"),
    "home": (lambda _: ("~/none", {}), SourceError, "does not exist in .* pass os.path.expanduser"),
    "empty path": (lambda _: ("", {}), SourceError, "does not exist"),
    "text file": (lambda _: (io.StringIO("x"), {"filename": "a"}), SourceError, "mode 'rb'"),
    "texts": (lambda _: (["x"], {"filename": "a"}), SourceError, "gave str where bytes are needed"),
    "closed file": (lambda directory: (closed(directory), {}), SourceError, "cannot be read"),
    "nameless bytes": (lambda _: (b"x", {}), SourceError, "pass filename="),
    "nameless file": (lambda _: (io.BytesIO(b"x"), {}), SourceError, "pass filename="),
    "separator": (lambda _: (b"x", {"filename": "a/b"}), SourceError, "path separator"),
    "backslash": (lambda _: (b"x", {"filename": "a\\b"}), SourceError, "path separator"),
    "dots": (lambda _: (b"x", {"filename": ".."}), SourceError, "not a file's name"),
    "no name": (lambda _: (b"x", {"filename": ""}), SourceError, "not a file's name"),
    "line break in name": (lambda _: (b"x", {"filename": "a\r\nX: y"}), SourceError, "control character"),
    "surrogate": (lambda _: (b"x", {"filename": "a\udcff"}), SourceError, "UTF-8"),
    "line break in type": (
        lambda _: (b"x", {"filename": "a", "content_type": "text/plain\r\nX: y"}),
        SourceError,
        "not a media type",
    ),
    "no subtype": (lambda _: (b"x", {"filename": "a", "content_type": "text"}), SourceError, "not a media type"),
}


def closed(directory: Path) -> Any:
    file = a_path(directory, b"x").open("rb")
    file.close()
    return file


@both
@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_sent_is_refused_before_a_connection_is_made(
    upload: Upload, what: str, raw_server: RawServer, tmp_path: Path
) -> None:
    make, error, text = REFUSED[what]
    file, options = make(tmp_path)

    with pytest.raises(error, match=text):
        upload(raw_server, file, **options)
    assert raw_server.connections == 0


@pytest.mark.parametrize(
    "session_id",
    ["", "..", "none", "3c90c3cc0d444b5088888dd25736052a", f"{{{SESSION}}}", f"urn:uuid:{SESSION}", SESSION + "/"],
)
def test_what_is_no_session_id_is_refused_before_a_connection_is_made(session_id: str, raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        for call in (client.end_session, client.get_session, lambda it: client.upload_file(it, b"", filename="a")):
            with pytest.raises(InvalidArgument, match="UUID"):
                call(session_id)
    assert raw_server.connections == 0


def nested(code: object, message: object) -> object:
    return {"error": {"error": {"code": code, "message": message}}}


def flat(code: object, message: object) -> object:
    return {"error": {"code": code, "message": message}}


@both
@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "message"),
    [
        (400, flat(400, "No file uploaded"), BadRequest, 400, "No file uploaded"),
        (400, flat(400, "File too large"), FileTooLarge, 400, "File too large"),
        (401, flat("unauthorized", "Bad key"), AuthenticationFailed, "unauthorized", "Bad key"),
        (403, b"", AuthenticationFailed, None, None),
        (404, nested(404, "Session not found"), SessionNotFound, 404, "Session not found"),
        (404, flat(404, "Session not found"), SessionNotFound, 404, "Session not found"),
        (413, b"<html>413 Request Entity Too Large</html>", FileTooLarge, None, None),
        (418, flat(True, 7), StatusError, None, None),
        (429, nested(429, "Slow down"), RateLimited, 429, "Slow down"),
        (499, b"null", StatusError, None, None),
        (500, nested(500, "Failed to upload file"), ServerError, 500, "Failed to upload file"),
        (520, b"[]", ServerError, None, None),
        (599, b"[" * 100_000, ServerError, None, None),
        (502, {"error": "upstream"}, ServerError, None, "upstream"),
        (400, {"error": {"code": 7, "message": "No", "error": "Bad Request"}}, BadRequest, 7, "No"),
    ],
)
def test_errors_of_both_envelopes_and_of_none(
    upload: Upload, status: int, body: Any, kind: type, code: object, message: object, raw_server: RawServer
) -> None:
    raw_server.script = [answer(status, body, {"X-Request-Id": "r-1", "Retry-After": "7"})]

    with pytest.raises(StatusError) as caught:
        upload(raw_server, b"x", filename="report.pdf", max_retries=0)
    error = caught.value
    assert type(error) is kind
    assert (error.status_code, error.code, error.message) == (status, code, message)
    assert (error.retry_after, error.request_id) == (7.0, "r-1")
    assert str(error).endswith(" (request r-1)")
    assert "report.pdf" in str(error)
    assert SESSION in str(error)
    assert "\n" not in str(error)


@both
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>Welcome</html>"),
        (200, b"null"),
        (200, b"[]"),
        (204, b""),
        (302, b""),
    ],
)
def test_an_answer_outside_the_contract_is_said_to_be_one(
    upload: Upload, status: int, body: Any, raw_server: RawServer
) -> None:
    raw_server.script = [answer(status, body, {"Location": f"{raw_server.base_url}/elsewhere"})]

    with pytest.raises(UnexpectedResponse) as caught:
        upload(raw_server, b"x", filename="report.pdf")
    assert caught.value.status_code == status
    assert len(raw_server.requests) == 1


@both
@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, None),
        ({"data": {}}, None),
        ({"data": {"message": "Done"}, "more": 1}, None),
        ({"data": {"message": "File saved at report.pdf"}}, None),
        ({"data": {"message": "File saved at /uploads/a b.txt", "more": [1]}}, "/uploads/a b.txt"),
        ({"data": {"message": r"File saved at C:\uploads\a.txt"}}, r"C:\uploads\a.txt"),
        ({"data": {"message": r"File saved at \\server\share\a.txt"}}, r"\\server\share\a.txt"),
        ({"data": {"message": r"File saved at \uploads\a.txt"}}, None),
    ],
)
def test_the_path_is_read_from_the_message_or_is_none(
    upload: Upload, body: Any, path: str | None, raw_server: RawServer
) -> None:
    raw_server.script = [answer(200, body)]

    assert upload(raw_server, b"x", filename="a").path == path


def test_the_key_shows_nowhere(raw_server: RawServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    raw_server.script = [
        answer(200, {"data": {"id": SESSION, "cdp_url": f"ws://h?apiKey={KEY}&sessionId=1"}}),
        answer(401, {}),
    ]
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        session = client.create_session()
        with pytest.raises(AuthenticationFailed) as caught:
            client.upload_file(session.id, b"x", filename="a")
        shown = [repr(client), repr(client.settings), repr(session), repr(caught.value), str(caught.value), caplog.text]

    assert session.cdp_url is not None
    assert KEY in session.cdp_url
    assert not any(KEY in text for text in shown)


SLASHED = "sk/secret/key"


@pytest.mark.parametrize("status", [200, 502])
@pytest.mark.parametrize(
    "form",
    [SLASHED.replace("/", "\\/"), *("".join(f"\\u{ord(c):{width}}" for c in SLASHED) for width in ("04x", "04X"))],
    ids=["escaped slashes", "escaped", "escaped in capitals"],
)
def test_the_key_is_hidden_also_where_json_escapes_it(form: str, status: int, raw_server: RawServer) -> None:
    raw_server.script = [answer(status, f'["{form}"]'.encode())]
    with (
        UploadClient(api_key=SLASHED, base_url=raw_server.base_url, max_retries=0) as client,
        pytest.raises((ServerError, UnexpectedResponse)) as caught,
    ):
        client.upload_file(SESSION, b"x", filename="a")
    assert form not in str(caught.value)
    assert form.encode() not in caught.value.body


def test_sessions_are_created_and_ended(raw_server: RawServer) -> None:
    created = {"data": {"id": SESSION, "cdp_url": "ws://h", "live_view_url": "http://h"}}
    raw_server.script = [answer(200, created), answer(200, {"data": {"status": "ended"}})]
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client, client.session(session={"x": 1}) as session:
        assert attrs.astuple(session) == (SESSION, "ws://h", "http://h")

    first, second = raw_server.requests
    assert (first.request_line, bytes(first.body)) == ("POST /v1/sessions HTTP/1.1", b'{"session": {"x": 1}}')
    assert second.request_line == f"DELETE /v1/sessions/{SESSION} HTTP/1.1"


@pytest.mark.parametrize("settings", ["text", ["list"], {"timeout": 5}, {"x": {1, 2}}, {"x": float("nan")}])
def test_settings_of_a_session_that_cannot_be_sent_are_refused(settings: Any, raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client, pytest.raises(InvalidArgument):
        client.create_session(session=settings)
    assert raw_server.connections == 0


def test_a_session_ends_also_when_the_block_fails_and_that_failure_is_the_one_to_see(raw_server: RawServer) -> None:
    raw_server.script = [answer(200, {"data": {"id": SESSION}}), answer(400, {})]
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        pytest.raises(ZeroDivisionError),
        client.session(),
    ):
        raise ZeroDivisionError
    assert raw_server.requests[1].request_line.startswith("DELETE")


@pytest.mark.anyio
async def test_async_sessions_are_created_and_ended(raw_server: RawServer) -> None:
    raw_server.script = [answer(200, {"data": {"id": SESSION}}), answer(404, {})]
    async with (
        AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        client.session() as session,
    ):
        assert session.id == SESSION
    assert [request.request_line.split()[0] for request in raw_server.requests] == ["POST", "DELETE"]


def test_the_one_line_helpers(raw_server: RawServer) -> None:
    options = {"api_key": KEY, "base_url": raw_server.base_url}
    helpers: list[Callable[..., UploadedFile | Awaitable[UploadedFile]]] = [upload_file, upload_file_async]
    for helper in helpers:
        result = helper(SESSION, b"x", filename="a", **options)
        uploaded = result if isinstance(result, UploadedFile) else asyncio.run(result)  # type: ignore[arg-type]
        assert uploaded.size == 1


def test_a_connection_may_have_a_number_that_select_does_not_take(raw_server: RawServer) -> None:
    if sys.platform == "win32":
        pytest.skip("Windows numbers sockets otherwise")
    import resource

    most, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with ExitStack() as opened:
        if most < 2048:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2048, allowed))
            opened.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (most, allowed))
        while opened.enter_context(open(os.devnull, "rb")).fileno() < 1024:
            continue
        assert upload_sync(raw_server, b"x", filename="a").attempts == 1
