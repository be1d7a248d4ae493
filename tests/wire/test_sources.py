"""Every kind of source, sync and async, over a real socket, read by parsers that we did not write."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import fsspec
import pytest
from fsspec.implementations.memory import MemoryFile, MemoryFileSystem

from anchor_uploads import AsyncUploadClient, InvalidArgument, SourceError, TimedOut, UploadProgress
from support import node, parsers
from support.raw_server import RawServer, answer
from support.twins import KEY, SESSION, Call, both, call_async, call_sync

# Each line would end the part under a boundary that some client uses or that could be guessed.
TREACHEROUS = b"start\r\n--+++\r\n--+++--\r\n\r\n--\r\n----\r\n--boundary--\r\n" + bytes(range(256)) * 3
CONTENT = TREACHEROUS * 1000 + b"end"
MIB = 1024 * 1024
WRITER = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"


def path_of(directory: Path) -> Path:
    path = directory / "content.bin"
    path.write_bytes(CONTENT)
    return path


def at_an_offset(directory: Path) -> Any:
    file = (directory / "offset.bin").open("w+b")
    file.write(b"skipped" + CONTENT)
    file.seek(7)
    return file


def spooled(_directory: Path) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=1000)
    file.write(CONTENT)
    file.seek(0)
    return file


def output_of_a_process(directory: Path) -> Any:
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path_of(directory))], stdout=subprocess.PIPE)
    assert process.stdout
    # So that the process does not outlive the test.
    process.stdout.process = process  # type: ignore[attr-defined]
    return process.stdout


def in_memory_url(_directory: Path) -> str:
    with fsspec.open("memory://bucket/content.bin", "wb") as file:
        file.write(CONTENT)
    return "memory://bucket/content.bin"


def blocks() -> Iterator[bytes]:
    for at in range(0, len(CONTENT), 100_000):
        yield CONTENT[at : at + 100_000]


class Unsized(io.BytesIO):
    """Says at every place that it is at the start, as some wrappers of streams do."""

    def tell(self) -> int:
        return 0


async def async_blocks() -> AsyncIterator[bytes]:
    for block in blocks():
        await asyncio.sleep(0)
        yield block


class AsyncFile:
    """What aiofiles and the web frameworks hand out."""

    filename = "content.bin"

    def __init__(self) -> None:
        self._file = io.BytesIO(CONTENT)

    async def read(self, size: int = -1) -> bytes:
        return self._file.read(size)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "str": lambda directory: str(path_of(directory)),
    "PathLike": path_of,
    "bytes": lambda _directory: CONTENT,
    "bytearray": lambda _directory: bytearray(CONTENT),
    "memoryview": lambda _directory: memoryview(CONTENT),
    "open file": lambda directory: path_of(directory).open("rb"),
    "file at an offset": at_an_offset,
    "BytesIO": lambda _directory: io.BytesIO(CONTENT),
    "SpooledTemporaryFile": spooled,
    "Popen.stdout": output_of_a_process,
    "file that does not know its size": lambda _directory: Unsized(CONTENT),
    "generator": lambda _directory: blocks(),
    "list": lambda _directory: list(blocks()),
    "file URL": lambda directory: path_of(directory).as_uri(),
    "memory URL": in_memory_url,
}
ASYNC_SOURCES: dict[str, Callable[[Path], Any]] = {
    "async generator": lambda _directory: async_blocks(),
    "async file": lambda _directory: AsyncFile(),
}
CASES = [
    *(
        pytest.param(call, make, id=f"{name}-{twin}")
        for name, make in SOURCES.items()
        for twin, call in (("sync", call_sync), ("async", call_async))
    ),
    *(pytest.param(call_async, make, id=f"{name}-async") for name, make in ASYNC_SOURCES.items()),
]


@pytest.mark.parametrize(("call", "make"), CASES)
def test_two_independent_parsers_read_what_was_handed_in(
    call: Call, make: Callable[[Path], Any], raw_server: RawServer, tmp_path: Path
) -> None:
    file = make(tmp_path)

    call(raw_server.base_url, "upload_file", SESSION, file, filename='na"me é.bin')

    (request,) = raw_server.requests
    content_type = request.headers["content-type"]
    as_sent = parsers.Part("file", "na%22me é.bin", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert parsers.python_multipart(content_type, bytes(request.body)) == [as_sent]
    try:
        assert parsers.busboy(content_type, bytes(request.body)) == [as_sent]
    except node.NodeMissing as missing:
        pytest.skip(f"read by one parser only: {missing}")
    finally:
        if hasattr(file, "close"):
            assert not getattr(file, "closed", False)
            file.close()
        if hasattr(file, "process"):
            file.process.wait()


@both
def test_a_url_gives_its_name(call: Call, raw_server: RawServer) -> None:
    with fsspec.open("memory://bucket/re%20port.pdf", "wb") as file:
        file.write(b"x")
    uploaded = call(raw_server.base_url, "upload_file", SESSION, "memory://bucket/re%20port.pdf")
    assert (uploaded.name, uploaded.content_type) == ("re%20port.pdf", "application/pdf")


@both
@pytest.mark.parametrize("size", ["known", "not known"])
def test_what_is_behind_a_url_is_sent_again_from_its_start(
    call: Call, size: str, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fsspec.open("memory://bucket/again.bin", "wb") as file:
        file.write(CONTENT)
    if size == "not known":
        information = MemoryFileSystem.info
        monkeypatch.setattr(MemoryFileSystem, "info", lambda *given, **_: {**information(*given), "size": None})
    raw_server.script = [answer(503, b"", {"Retry-After": "0"})]

    uploaded = call(raw_server.base_url, "upload_file", SESSION, "memory://bucket/again.bin")

    assert (uploaded.attempts, uploaded.size) == (2, len(CONTENT))
    assert [request.part()[1] for request in raw_server.requests] == [CONTENT, CONTENT]


@both
@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("memory://bucket/none.bin", "does not exist"),
        ("nosuch://bucket/a.bin", "nosuch"),
        ("sftp://user:s3cret@host/a.bin", "needs a package that is not there: .*paramiko"),
        ("http://user:s3cret@127.0.0.1:1/a.bin?signature=s3cret", "cannot be fetched: .*127.0.0.1:1"),
    ],
)
def test_a_url_that_cannot_be_read_says_why_and_shows_no_secret(
    call: Call, url: str, text: str, raw_server: RawServer
) -> None:
    with pytest.raises(SourceError, match=text) as caught:
        call(raw_server.base_url, "upload_file", SESSION, url)
    assert "s3cret" not in "".join(traceback.format_exception(caught.value))
    assert raw_server.connections == 0


SIGNED = "https://bucket/a.bin?signature=s3cret"
MISTAKEN: dict[str, tuple[str, tuple[Any, ...]]] = {
    "for a session": ("upload_file", (SIGNED, SESSION)),
    "for a name": ("upload_file", (SESSION, (SIGNED, b"x"))),
    "for files": ("upload_files", (SESSION, SIGNED)),
}


@both
@pytest.mark.parametrize("row", MISTAKEN)
def test_a_url_that_was_taken_for_something_else_shows_no_secret(call: Call, row: str, raw_server: RawServer) -> None:
    method, arguments = MISTAKEN[row]
    with pytest.raises((InvalidArgument, SourceError), match=r"https://bucket/a\.bin'") as caught:
        call(raw_server.base_url, method, *arguments)
    assert "s3cret" not in str(caught.value)
    assert raw_server.connections == 0


@both
def test_the_cause_of_a_url_that_cannot_be_read_is_kept_where_it_shows_no_secret(
    call: Call, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryFileSystem, "info", lambda *_: 1 / 0)
    with pytest.raises(SourceError, match="cannot be fetched: division by zero") as caught:
        call(raw_server.base_url, "upload_file", SESSION, "memory://bucket/a.bin")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


class Web(BaseHTTPRequestHandler):
    """A server of the web whose `/changes` becomes another file once a part of it was given.

    Parts are given of that one only; `/none` says so, and `/ignored` gives all whatever is asked for.
    """

    protocol_version = "HTTP/1.1"
    content = b""
    changed = False
    asked = 0

    def do_HEAD(self) -> None:
        self.answer_with(b"", len(Web.content))

    def do_GET(self) -> None:
        Web.asked += 1
        part = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if part and self.path == "/changes":
            first, last = int(part[1]), min(int(part[2]), len(Web.content) - 1)
            content = (Web.content.upper() if Web.changed else Web.content)[first : last + 1]
            self.answer_with(content, len(content), 206, f"bytes {first}-{last}/{len(Web.content)}")
            Web.changed = True
        else:
            self.answer_with(Web.content, len(Web.content))

    def answer_with(self, content: bytes, length: int, status: int = 200, of: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.send_header("ETag", f'"{Web.changed}"')
        if of:
            self.send_header("Content-Range", of)
        if self.path == "/none":
            self.send_header("Accept-Ranges", "none")
        self.end_headers()
        with suppress(OSError):
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(Web, "content", b"abc" * 3_000_000)
    monkeypatch.setattr(Web, "changed", False)
    monkeypatch.setattr(Web, "asked", 0)
    with ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@both
def test_a_file_of_the_web_that_changes_while_it_is_read_is_not_said_to_be_saved(
    call: Call, raw_server: RawServer, web: str
) -> None:
    with pytest.raises(SourceError, match="was modified while it was read"):
        call(raw_server.base_url, "upload_file", SESSION, f"{web}/changes")


@both
@pytest.mark.parametrize("size", [1, 3, 4 * MIB, 4 * MIB + 1, 9 * MIB])
@pytest.mark.parametrize("ranges", ["none", "ignored"])
def test_a_file_of_a_web_server_that_gives_no_parts_is_sent_and_sent_again(
    call: Call, ranges: str, size: int, raw_server: RawServer, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Web, "content", os.urandom(size))
    raw_server.script = [answer(503, b"", {"Retry-After": "0"})]
    assert call(raw_server.base_url, "upload_file", SESSION, f"{web}/{ranges}").attempts == 2
    assert [request.part()[1] for request in raw_server.requests] == [Web.content, Web.content]


@both
def test_a_small_file_of_the_web_is_asked_for_once(
    call: Call, raw_server: RawServer, web: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Web, "content", b"abc")
    assert call(raw_server.base_url, "upload_file", SESSION, f"{web}/ignored").status == "success"
    assert Web.asked == 1


@both
def test_when_a_file_behind_a_url_was_read_last_is_no_change_of_it(
    call: Call, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fsspec.open("memory://bucket/read.bin", "wb") as file:
        file.write(CONTENT)
    information = MemoryFileSystem.info
    # As SFTP and SMB tell it.
    monkeypatch.setattr(
        MemoryFileSystem, "info", lambda *given, **_: {**information(*given), "mtime": 1, "time": time.monotonic()}
    )
    assert call(raw_server.base_url, "upload_file", SESSION, "memory://bucket/read.bin").status == "success"


class Forgetful(MemoryFile):
    """Cannot be closed, as a connection that was lost, and tells of each time that somebody tries."""

    tried = 0

    def close(self) -> None:
        Forgetful.tried += 1
        raise OSError("connection lost")


@both
@pytest.mark.parametrize("goes_wrong", ["nothing else", "what tells one state from another", "the time"])
def test_what_cannot_be_closed_changes_nothing(
    call: Call, goes_wrong: str, raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fsspec.open("memory://bucket/lost.bin", "wb") as file:
        file.write(CONTENT)

    def opened(*_arguments: Any, **_options: Any) -> Forgetful:
        if goes_wrong == "the time":
            time.sleep(0.6)
        return Forgetful(None, "/bucket/lost.bin", CONTENT)

    monkeypatch.setattr(Forgetful, "tried", 0)
    monkeypatch.setattr(MemoryFileSystem, "open", opened)
    arguments = (raw_server.base_url, "upload_file", SESSION, "memory://bucket/lost.bin")
    if goes_wrong == "nothing else":
        assert call(*arguments).status == "success"
    elif goes_wrong == "the time":
        with pytest.raises(TimedOut):
            call(*arguments, deadline=0.2)
        # The thread that was left behind is there for others.
        time.sleep(0.8)
        assert call(raw_server.base_url, "upload_file", SESSION, path_of(tmp_path)).status == "success"
    else:
        monkeypatch.setattr(MemoryFileSystem, "ukey", lambda *_: 1 / 0)
        with pytest.raises(SourceError, match="cannot be fetched"):
            call(*arguments)
    assert Forgetful.tried


def temporary(path: Path, mode: str) -> Any:
    """What `tempfile.NamedTemporaryFile` returns, of a file that is there."""
    return tempfile._TemporaryFileWrapper(path.open(mode), str(path), delete=False)


class Framework:
    """An upload as Django hands it over: what reads it is a file in its `file`."""

    def __init__(self, path: Path, mode: str) -> None:
        self.file = temporary(path, mode)
        self.name = path.name

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


@both
@pytest.mark.parametrize("kind", [open, temporary, Framework])
def test_an_open_file_that_is_written_to_while_it_is_read_is_not_said_to_be_saved(
    call: Call, kind: Callable[[Path, str], Any], raw_server: RawServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(bytes(5_000_000))

    def overwrite(progress: UploadProgress) -> None:
        if 0 < progress.sent < progress.total:
            with path.open("r+b") as other:
                other.write(b"x" * 5_000_000)

    with closing(kind(path, "rb")) as file, pytest.raises(SourceError, match="was modified"):
        call(raw_server.base_url, "upload_file", SESSION, file, on_progress=overwrite, client={"progress_interval": 0})


def detached(directory: Path) -> Any:
    file = path_of(directory).open("rb")
    file.detach().close()
    return file


def released(_directory: Path) -> Any:
    view = memoryview(b"x")
    view.release()
    return view


@both
@pytest.mark.parametrize("make", [detached, released])
def test_what_is_no_file_any_more_is_refused(
    call: Call, make: Callable[[Path], Any], raw_server: RawServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="cannot be read"):
        call(raw_server.base_url, "upload_file", SESSION, make(tmp_path), filename="a")
    with pytest.raises(SourceError):
        call(raw_server.base_url, "upload_file", SESSION, make(tmp_path))
    assert raw_server.connections == 0


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_async_generator_that_gives_something_else_is_closed_at_once(backend: str, raw_server: RawServer) -> None:
    closed: list[bool] = []

    async def blocks() -> AsyncIterator[Any]:
        try:
            yield "text"
        finally:
            closed.append(True)

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            source = blocks()
            with pytest.raises(SourceError):
                await client.upload_file(SESSION, source, filename="a")
            assert closed == [True]

    anyio.run(run, backend=backend)


def test_without_fsspec_a_url_says_what_to_install(raw_server: RawServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(SourceError, match=r"pip install 'anchor-uploads\[fsspec\]'"):
        call_sync(raw_server.base_url, "upload_file", SESSION, "memory://bucket/a.bin")


@pytest.mark.parametrize("make", ASYNC_SOURCES.values(), ids=ASYNC_SOURCES)
def test_what_has_to_be_awaited_is_refused_by_the_sync_client(
    make: Callable[[Path], Any], raw_server: RawServer, tmp_path: Path
) -> None:
    with pytest.raises(SourceError, match="AsyncUploadClient"):
        call_sync(raw_server.base_url, "upload_file", SESSION, make(tmp_path), filename="a")
    assert raw_server.connections == 0


@both
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this platform")
def test_a_named_pipe_is_read_to_its_end(call: Call, raw_server: RawServer, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code = "import sys; open(sys.argv[1], 'wb').write(open(sys.argv[2], 'rb').read())"
    with subprocess.Popen([sys.executable, "-c", code, str(pipe), str(path_of(tmp_path))]):
        uploaded = call(raw_server.base_url, "upload_file", SESSION, pipe)
    assert uploaded.size == len(CONTENT)
    assert raw_server.requests[0].part()[1] == CONTENT


@both
def test_what_the_callers_own_iterable_raises_is_what_the_caller_sees(
    call: Call, raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * 2_000_000
        raise ZeroDivisionError

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, "upload_file", SESSION, broken(), filename="a")
    assert raw_server.connections == 0
    assert not list(tmp_path.iterdir())
