"""The table in `anchor_uploads.retry`, row by row, against a server that fails for real."""

from __future__ import annotations

import asyncio
import io
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anyio
import httpcore
import httpx
import pytest
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import (
    AnchorUploadsError,
    AsyncUploadClient,
    AuthenticationFailed,
    ConnectionFailed,
    FileTooLarge,
    InvalidArgument,
    OutcomeUnknown,
    RateLimited,
    ServerError,
    SourceError,
    StatusError,
    TimedOut,
    UnexpectedResponse,
    UploadClient,
    UploadedFile,
    UploadProgress,
)
from support.raw_server import Behaviour, Exchange, RawServer, answer, answer_early, reset
from support.twins import KEY, NOBODY_TRUSTED, SESSION, Call, both

# More than the buffers between two sockets hold, so that a reset in its middle is noticed in its middle.
CONTENT = b"0123456789abcdef" * 1_500_000
# More than one block, where a server reads all there is.
BLOCKS = CONTENT[:300_000]
AT_ONCE = {"Retry-After": "0"}
LARGE = {"filename": "a.bin"}


def now(status: int, body: Any = b"{}") -> Behaviour:
    return answer(status, body, AT_ONCE)


REPEATED: dict[str, Behaviour] = {
    "reset before the body": reset(after=0),
    "reset in the body": reset(after=1_000_000),
    "408": now(408),
    "429": now(429),
    "500": now(500),
    "502": now(502, b"<html>Bad Gateway</html>"),
    "503": now(503, b""),
    "504": now(504),
}


@both
@pytest.mark.parametrize("row", REPEATED)
def test_what_cannot_have_been_saved_is_sent_again_whole(call: Call, row: str, raw_server: RawServer) -> None:
    raw_server.script = [REPEATED[row], REPEATED[row]]
    content = CONTENT if row.startswith("reset") else BLOCKS

    uploaded: UploadedFile = call(raw_server.base_url, "upload_file", SESSION, content, **LARGE)

    assert uploaded.attempts == 3
    assert len(raw_server.requests) == 3
    assert raw_server.requests[-1].part()[1] == content
    # Nothing that was taken for a whole request was anything but the file.
    assert all(request.part()[1] == content for request in raw_server.requests if request.complete)


@both
@pytest.mark.parametrize(
    ("status", "kind"), [(429, RateLimited), (500, ServerError), (503, ServerError), (408, StatusError)]
)
def test_after_the_last_attempt_the_last_error_is_raised(
    call: Call, status: int, kind: type[Exception], raw_server: RawServer
) -> None:
    raw_server.script = [now(status)] * 5

    with pytest.raises(kind):
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"max_retries": 1}, **LARGE)
    assert len(raw_server.requests) == 2


NOT_REPEATED: dict[str, tuple[Behaviour, type[Exception]]] = {
    "400": (now(400), StatusError),
    "401": (now(401), AuthenticationFailed),
    "404": (now(404), StatusError),
    "413": (now(413), FileTooLarge),
    "501": (now(501), ServerError),
    "520": (now(520), ServerError),
    "a success without JSON": (now(200, b"<html>"), UnexpectedResponse),
    "a redirect": (answer(307, b"", {"Location": "http://127.0.0.1:9/"}), UnexpectedResponse),
    "reset after the body": (reset(after=None), OutcomeUnknown),
}


@both
@pytest.mark.parametrize("row", NOT_REPEATED)
def test_what_would_come_again_or_may_have_been_saved_is_not_sent_again(
    call: Call, row: str, raw_server: RawServer
) -> None:
    behaviour, kind = NOT_REPEATED[row]
    raw_server.script = [behaviour]

    with pytest.raises(kind):
        call(raw_server.base_url, "upload_file", SESSION, BLOCKS, **LARGE)
    assert len(raw_server.requests) == 1


@both
def test_an_unknown_outcome_is_repeated_where_the_caller_wants_it(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [reset(after=None)]

    uploaded = call(raw_server.base_url, "upload_file", SESSION, BLOCKS, retry_unknown=True, **LARGE)

    assert uploaded.attempts == 2


@both
def test_no_answer_in_time_is_an_unknown_outcome(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, delay=1)]

    with pytest.raises(OutcomeUnknown, match="retry_unknown") as caught:
        call(raw_server.base_url, "upload_file", SESSION, b"x", timeout=0.2, **LARGE)
    assert "'a.bin'" in str(caught.value)
    raw_server.settle()
    assert len(raw_server.requests) == 1


@both
def test_no_connection_is_tried_again_and_then_said_in_one_line(call: Call) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(ConnectionFailed, match="nothing was saved") as caught:
        call(f"http://127.0.0.1:{port}", "upload_file", SESSION, b"x", client={"max_retries": 1}, **LARGE)
    assert "\n" not in str(caught.value)


@both
def test_a_network_that_takes_nothing_times_out_and_says_that_nothing_was_saved(
    call: Call, raw_server: RawServer
) -> None:
    def stall(exchange: Any) -> None:
        exchange.wait(2)
        exchange.open = False

    raw_server.script = [stall]
    with pytest.raises(TimedOut, match=r"WriteTimeout.*nothing was saved"):
        call(
            raw_server.base_url,
            "upload_file",
            SESSION,
            bytes(50_000_000),
            client={"timeout": 0.3, "max_retries": 0},
            **LARGE,
        )


@both
@pytest.mark.parametrize(("status", "kind"), [(413, FileTooLarge), (401, AuthenticationFailed)])
def test_an_answer_that_comes_before_the_body_is_finished_is_the_one_to_see(
    call: Call, status: int, kind: type[Exception], raw_server: RawServer
) -> None:
    # A reset that overtakes the answer loses it now and then; the client then asks again, and hears it again.
    raw_server.script = [answer_early(status, {"error": {"code": status, "message": "enough"}}, after=1000)] * 3

    with pytest.raises(kind, match="enough"):
        call(raw_server.base_url, "upload_file", SESSION, bytes(50_000_000), **LARGE)


@both
def test_an_early_answer_is_seen_though_the_server_neither_reads_on_nor_closes(
    call: Call, raw_server: RawServer
) -> None:
    def refuse_and_wait(exchange: Any) -> None:
        exchange.reply(413, b"{}")
        exchange.wait(1)

    raw_server.script = [refuse_and_wait]
    started = time.monotonic()
    with pytest.raises(FileTooLarge):
        call(raw_server.base_url, "upload_file", SESSION, bytes(50_000_000), client={"timeout": 0.5}, **LARGE)
    assert time.monotonic() - started < 3


@both
def test_an_early_answer_ends_the_sending_to_a_server_that_throws_the_rest_away(
    call: Call, raw_server: RawServer
) -> None:
    def refuse_and_read(exchange: Any) -> None:
        exchange.reply(401, b"{}")
        for position in range(0, exchange.length, 1_000_000):
            exchange.read(position)
            if not exchange.open:
                return
            time.sleep(0.01)

    raw_server.script = [refuse_and_read]
    with pytest.raises(AuthenticationFailed):
        call(raw_server.base_url, "upload_file", SESSION, bytes(200_000_000), **LARGE)
    raw_server.settle()
    assert raw_server.requests[0].received < 100_000_000


class Unhurried(httpcore.AnyIOBackend):
    """An event loop that has run others, by the time it goes on with whose last bytes the system has taken."""

    async def connect_tcp(self, *arguments: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        stream = await super().connect_tcp(*arguments, **options)
        write = stream.write

        async def written(buffer: bytes, timeout: float | None = None) -> None:
            await write(buffer, timeout)
            if buffer.endswith(b"--\r\n"):
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.1)

        stream.write = written  # type: ignore[method-assign]
        return stream


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_answer_to_all_that_was_sent_is_not_early(backend: str, raw_server: RawServer) -> None:
    async def run() -> UploadedFile:
        transport = httpx.AsyncHTTPTransport()
        transport._pool = httpcore.AsyncConnectionPool(network_backend=Unhurried())
        async with (
            httpx.AsyncClient(transport=transport) as own,
            AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own) as client,
        ):
            return await client.upload_file(SESSION, bytes(100_000), **LARGE)

    assert anyio.run(run, backend=backend).attempts == 1
    assert len(raw_server.requests[0].part()[1]) == 100_000


@both
def test_retry_after_is_waited_for(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(503, b"", {"Retry-After": "1"})]

    started = time.monotonic()
    call(raw_server.base_url, "upload_file", SESSION, b"x", **LARGE)
    # Windows counts in steps of 16 ms.
    assert time.monotonic() - started > 0.9


@both
def test_a_deadline_ends_the_waiting_between_attempts(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(503, b"", {"Retry-After": "30"})] * 3

    started = time.monotonic()
    with pytest.raises(ServerError):
        call(raw_server.base_url, "upload_file", SESSION, b"x", deadline=5, **LARGE)
    assert time.monotonic() - started < 3
    assert len(raw_server.requests) == 1


@both
def test_a_connection_that_breaks_is_no_timeout(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [reset(after=1_000_000)]

    with pytest.raises(ConnectionFailed, match="the connection failed before all was sent") as caught:
        call(raw_server.base_url, "upload_file", SESSION, bytes(50_000_000), max_retries=0, **LARGE)
    assert type(caught.value) is ConnectionFailed


@both
def test_a_deadline_ends_the_sending(call: Call, raw_server: RawServer) -> None:
    def read_slowly(exchange: Any) -> None:
        for position in range(0, exchange.length, 1_000_000):
            exchange.read(position)
            exchange.wait(0.05)

    raw_server.script = [read_slowly]
    with pytest.raises(TimedOut, match="nothing was saved"):
        call(raw_server.base_url, "upload_file", SESSION, bytes(100_000_000), deadline=1, **LARGE)
    assert len(raw_server.requests) == 1


@both
def test_a_deadline_ends_the_waiting_for_the_answer(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, delay=3)]

    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        call(raw_server.base_url, "upload_file", SESSION, b"x", deadline=0.5, **LARGE)
    assert time.monotonic() - started < 2.9


@both
def test_a_file_at_an_offset_is_sent_again_from_there(call: Call, raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"skipped" + CONTENT)
    raw_server.script = [reset(after=1_000_000)]
    with (tmp_path / "a.bin").open("rb") as file:
        file.seek(7)
        call(raw_server.base_url, "upload_file", SESSION, file)
        assert not file.closed
    assert raw_server.requests[-1].part()[1] == CONTENT


@both
def test_a_stream_without_a_length_is_sent_again_from_its_copy(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [now(503), reset(after=1_000_000)]
    blocks = (CONTENT[at : at + 100_000] for at in range(0, len(CONTENT), 100_000))

    uploaded = call(raw_server.base_url, "upload_file", SESSION, blocks, **LARGE)

    assert uploaded.attempts == 3
    assert raw_server.requests[-1].part()[1] == CONTENT


class Once(io.BytesIO):
    """A file that can be read from where it stands, but not a second time."""

    rewound = 0

    def seek(self, position: int, whence: int = 0, /) -> int:
        if position == 0 and whence == 0:
            self.rewound += 1
            if self.rewound > 1:  # the first is for measuring
                raise OSError("this stream cannot go back")
        return super().seek(position, whence)


@both
def test_what_cannot_be_read_again_is_tried_once_and_the_error_says_so(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [now(503)]

    again = r"failed with 503.* attempt 1 failed and the file cannot be sent again\. .*cannot go back"
    with pytest.raises(ServerError, match=again) as caught:
        call(raw_server.base_url, "upload_file", SESSION, Once(b"content"), **LARGE)
    assert isinstance(caught.value.__cause__, SourceError)
    assert len(raw_server.requests) == 1


@both
def test_a_file_that_changes_between_two_attempts_is_not_sent_again(
    call: Call, raw_server: RawServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    # More than the async client reads while it opens a file.
    path.write_bytes(bytes(600_000))

    def write(exchange: Exchange) -> None:
        exchange.read()
        path.write_bytes(bytes(600_001))
        answer(503, b"")(exchange)

    raw_server.script = [write]
    with pytest.raises(ServerError, match=r"failed with 503.* was modified between two attempts to send it"):
        call(raw_server.base_url, "upload_file", SESSION, path)
    assert len(raw_server.requests) == 1


class SlowFile:
    """A file object that is opened at once, but then takes long to be read, or to go back to its start."""

    def __init__(self, what: str, released: threading.Event) -> None:
        # More than the async client reads while it opens a file.
        self._content = io.BytesIO(bytes(600_000))
        self._what = what
        self._released = released
        self._begun = False
        self.tell = self._content.tell

    def read(self, size: int = -1, /) -> bytes:
        self._begun = self._begun or bool(size)
        if size and self._what == "read":
            self._released.wait(6)
        return self._content.read(size)

    def seek(self, position: int, whence: int = 0, /) -> int:
        if self._begun and self._what == "go back":
            self._released.wait(6)
        return self._content.seek(position, whence)


@both
@pytest.mark.parametrize(("what", "error"), [("read", TimedOut), ("go back", ServerError)])
def test_a_deadline_ends_the_waiting_for_a_file_in_each_attempt(
    call: Call, what: str, error: type[AnchorUploadsError], raw_server: RawServer
) -> None:
    raw_server.script = [now(503)]
    released = threading.Event()

    started = time.monotonic()
    try:
        with pytest.raises(error, match=r"not done within the deadline of 0\.6 s; nothing was saved"):
            call(raw_server.base_url, "upload_file", SESSION, SlowFile(what, released), deadline=0.6, **LARGE)
        assert time.monotonic() - started < 4
    finally:
        released.set()
    assert len(raw_server.requests) <= 1


@both
@pytest.mark.parametrize("change", ["grow", "shrink", "rewrite"])
def test_a_file_that_changes_while_it_is_sent_is_not_saved(
    call: Call, change: str, raw_server: RawServer, tmp_path: Path
) -> None:
    path = tmp_path / "moving.bin"
    path.write_bytes(bytes(8_000_000))

    def disturb(progress: Any) -> None:
        if progress.sent < 2_000_000:
            with path.open("r+b") as file:
                if change == "grow":
                    file.seek(0, 2)
                    file.write(b"more")
                elif change == "shrink":
                    file.truncate(4_000_000)
                else:
                    file.write(b"other")

    with pytest.raises(SourceError, match="while it was read"):
        call(
            raw_server.base_url,
            "upload_file",
            SESSION,
            path,
            on_progress=disturb,
            client={"progress_interval": 0},
        )
    raw_server.settle()
    (request,) = raw_server.requests
    assert not request.complete
    assert not request.body.rstrip().endswith(b"--")


@both
def test_sessions_are_not_created_twice(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [reset(after=None)]
    with pytest.raises(OutcomeUnknown):
        call(raw_server.base_url, "create_session")
    assert len(raw_server.requests) == 1


IDEMPOTENT: dict[str, tuple[Any, ...]] = {
    "get_session": (SESSION,),
    "end_session": (SESSION,),
    "list_sessions": (),
    "end_all_sessions": (),
}


@both
@pytest.mark.parametrize("method", IDEMPOTENT)
def test_what_is_idempotent_is_repeated_though_no_answer_came(call: Call, method: str, raw_server: RawServer) -> None:
    raw_server.script = [reset(after=None), answer(200, {"data": {"status": "ended", "items": []}})]
    call(raw_server.base_url, method, *IDEMPOTENT[method])
    assert len(raw_server.requests) == 2


@both
def test_settings_of_one_call_are_checked_like_those_of_a_client(call: Call, raw_server: RawServer) -> None:
    for options in ({"timeout": -1}, {"max_retries": -1}, {"deadline": 0}):
        with pytest.raises(InvalidArgument):
            call(raw_server.base_url, "upload_file", SESSION, b"x", **options, **LARGE)
    assert raw_server.connections == 0


@both
def test_a_repeat_that_fails_by_its_file_does_not_hide_that_the_first_may_have_been_saved(
    call: Call, raw_server: RawServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(BLOCKS)
    raw_server.script = [reset(after=None)]

    def lengthen(progress: UploadProgress) -> None:
        if progress.attempt == 2:
            with path.open("ab") as file:
                file.write(b"more")

    with pytest.raises(OutcomeUnknown, match=r"That may have taken effect; the last attempt: .*became longer"):
        call(raw_server.base_url, "upload_file", SESSION, path, on_progress=lengthen, retry_unknown=True)
    assert raw_server.requests[0].complete


def test_what_waited_for_a_connection_of_a_full_pool_until_the_deadline_was_not_sent(raw_server: RawServer) -> None:
    one: dict[str, Any] = {"limits": httpx.Limits(max_connections=1), "verify": NOBODY_TRUSTED}
    settings: dict[str, Any] = {"api_key": KEY, "base_url": raw_server.base_url, "deadline": 0.5}

    async def wait() -> None:
        async with httpx.AsyncClient(**one) as own, own.stream("GET", raw_server.base_url):
            await AsyncUploadClient(**settings, http_client=own).create_session()

    with httpx.Client(**one) as own, own.stream("GET", raw_server.base_url), pytest.raises(TimedOut):
        UploadClient(**settings, http_client=own).create_session()
    with pytest.raises(TimedOut):
        asyncio.run(wait())
    assert [request.request_line.split()[0] for request in raw_server.requests] == ["GET", "GET"]


def test_what_aiohttp_could_not_connect_for_was_not_sent() -> None:
    async def create(base_url: str) -> None:
        async with HttpxAiohttpClient(verify=NOBODY_TRUSTED) as own:
            client = AsyncUploadClient(api_key=KEY, base_url=base_url, http_client=own, deadline=0.5, max_retries=0)
            await client.create_session()

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, ExitStack() as waiting:
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        with pytest.raises(TimedOut):
            asyncio.run(create("http://127.0.0.1:{1}".format(*full.getsockname())))
