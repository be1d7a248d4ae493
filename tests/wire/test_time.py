"""A deadline ends the call whatever the network, the service or the file does, and the error tells the truth."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.lowlevel
import fsspec
import httpx
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import (
    AnchorUploadsError,
    AsyncUploadClient,
    FileTooLarge,
    InvalidArgument,
    OutcomeUnknown,
    ServerError,
    TimedOut,
    Timeouts,
    UnexpectedResponse,
    UploadClient,
    UploadProgress,
)
from support.raw_server import Behaviour, Exchange, RawServer, answer
from support.twins import KEY, NOBODY_TRUSTED, SESSION, Call, abort_what_is_closing, both

pytestmark = pytest.mark.timeout(20)

DEADLINE = 0.6
# The rule grants one second more than the deadline; another is for a busy machine.
BOUND = DEADLINE + 2
# How long what delays a call goes on if the call does not end.
PATIENCE = 5.0
MORE_THAN_BUFFERS_HOLD = 50_000_000
NAMED = {"filename": "a.bin"}

# Set once the call that is measured has ended, so that nothing goes on delaying it.
OVER = threading.Event()


@pytest.fixture(autouse=True)
def _over() -> Iterator[None]:
    OVER.clear()
    yield
    OVER.set()


def beats(seconds: float = 0.1) -> Iterator[None]:
    """Beat every so many seconds until the call has ended, but not for ever."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and not OVER.wait(seconds):
        yield


@dataclass
class Outcome:
    """How a call ended: with which error of ours, if any, and after how many seconds."""

    error: AnchorUploadsError | None = None
    seconds: float = 0.0

    def must_be(self, *kinds: type[AnchorUploadsError]) -> None:
        """Hold that the call ended in time, with one of `kinds`, and with a text that says what the error says."""
        assert self.seconds < BOUND, f"{self.seconds:.1f} s: {self.error!r}"
        assert isinstance(self.error, kinds), f"not one of {kinds}: {self.error!r}"
        assert isinstance(self.error, TimedOut) == ("nothing was saved" in str(self.error))


@contextmanager
def measured() -> Iterator[Outcome]:
    outcome, started = Outcome(), time.monotonic()
    try:
        yield outcome
    except AnchorUploadsError as error:
        outcome.error = error
    finally:
        outcome.seconds = time.monotonic() - started
        OVER.set()


PASSED_IN: dict[str, Callable[..., Any]] = {
    "sync, passed in": httpx.Client,
    "async, passed in": httpx.AsyncClient,
    "aiohttp, passed in": HttpxAiohttpClient,
}
OWN = ["sync", "async", "trio"]
ENGINES = [*OWN, *PASSED_IN]


def outcome_of(
    engine: str, base_url: str, method: str, *arguments: Any, http: dict[str, Any] | None = None, **options: Any
) -> Outcome:
    """Call `method` of a client with a deadline; only the call is measured, not what is done around it.

    An event loop, for one, ends only when its threads have ended.
    """
    settings = {"api_key": KEY, "base_url": base_url, "deadline": DEADLINE}
    passed_in = PASSED_IN[engine](**{"verify": NOBODY_TRUSTED, **(http or {})}) if engine in PASSED_IN else None
    around = passed_in or nullcontext()
    if engine.startswith("sync"):
        with around, UploadClient(http_client=passed_in, **settings) as client, measured() as outcome:
            getattr(client, method)(*arguments, **options)
        return outcome

    async def run() -> Outcome:
        async with around, AsyncUploadClient(http_client=passed_in, **settings) as client:
            with measured() as outcome:
                await getattr(client, method)(*arguments, **options)
        if engine.startswith("aiohttp"):
            await abort_what_is_closing()
        return outcome

    return anyio.run(run, backend="trio" if engine == "trio" else "asyncio")


def beats_of(exchange: Exchange, seconds: float = 0.1) -> Iterator[None]:
    """Beat as `beats` does, and leave the connection then: what was not read of a body is no further request."""
    yield from beats(seconds)
    exchange.open = False


def say_nothing(exchange: Exchange) -> None:
    for _beat in beats_of(exchange):
        continue


def drip(data: bytes, *, after: bytes = b"", read: bool = True, seconds: float = 0.1) -> Behaviour:
    """Say `after`, then `data` again and again; `read` the body before, or not at all."""

    def behave(exchange: Exchange) -> None:
        if read:
            exchange.read()
        exchange.send(after)
        for _beat in beats_of(exchange, seconds):
            exchange.send(data)

    return behave


def interim_throughout(exchange: Exchange) -> None:
    for _beat in beats_of(exchange, 0.05):
        exchange.read(exchange.request.received + 2_000_000)
        exchange.send(INTERIM)


def interim_in_pieces(exchange: Exchange) -> None:
    for _beat in beats_of(exchange, 0.05):
        exchange.read(exchange.request.received + 2_000_000)
        exchange.send(INTERIM[:12])
        # Until it has come.
        time.sleep(0.05)
        exchange.send(INTERIM[12:])


def read_bytewise(exchange: Exchange) -> None:
    for _beat in beats_of(exchange, 0.05):
        exchange.read(exchange.request.received + 1)


INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
HEAD = b"HTTP/1.1 %d Reason\r\nContent-Length: 100000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
# A success that is cut short may be either; that it was saved, nobody knows.
UNKNOWN = (OutcomeUnknown, UnexpectedResponse)

# What the server does, to a body of how many bytes, and the error that is true then.
SERVICE: dict[str, tuple[Behaviour, int, tuple[type[AnchorUploadsError], ...]]] = {
    "nothing is read": (say_nothing, 200_000_000, (TimedOut,)),
    "one byte is read at a time": (read_bytewise, MORE_THAN_BUFFERS_HOLD, (TimedOut,)),
    "102s, and nothing is read": (drip(INTERIM, read=False), MORE_THAN_BUFFERS_HOLD, (TimedOut,)),
    "102s during and after the body": (interim_throughout, 6_000_000, (OutcomeUnknown,)),
    "102s in pieces": (interim_in_pieces, 6_000_000, (OutcomeUnknown,)),
    "102s after the body": (drip(INTERIM), 1, (OutcomeUnknown,)),
    "a head that drips": (drip(b"x", after=b"HTTP/1.1 200 OK\r\nX-Long: "), 1, (OutcomeUnknown,)),
    "a body of 200 that drips": (drip(b" ", after=HEAD % 200), 1, UNKNOWN),
    "chunks of one byte": (drip(b"1\r\n \r\n", after=CHUNKED), 1, UNKNOWN),
    "a body of 500 that drips": (drip(b" ", after=HEAD % 500), 1, (ServerError,)),
    "a body of an early 413 that drips": (
        drip(b" ", after=HEAD % 413, read=False),
        MORE_THAN_BUFFERS_HOLD,
        (FileTooLarge,),
    ),
}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", SERVICE)
def test_a_deadline_ends_the_call_whatever_the_service_does(engine: str, row: str, raw_server: RawServer) -> None:
    behaviour, size, kinds = SERVICE[row]
    raw_server.script = [behaviour] * 3

    outcome = outcome_of(engine, raw_server.base_url, "upload_file", SESSION, bytes(size), **NAMED)

    outcome.must_be(*kinds)
    assert len(raw_server.requests) == 1


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if not engine.startswith("sync")])
def test_between_two_blocks_of_a_body_others_have_their_turn(engine: str, raw_server: RawServer) -> None:
    turns, told = 0, []

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async def run() -> None:
        passed_in = PASSED_IN[engine]() if engine in PASSED_IN else None
        client = AsyncUploadClient(
            api_key=KEY, base_url=raw_server.base_url, http_client=passed_in, progress_interval=0
        )
        async with passed_in or nullcontext(), client, anyio.create_task_group() as group:
            group.start_soon(take_turns)
            # Memory, which needs no other thread, and a network that takes the first blocks at once.
            await client.upload_file(SESSION, bytes(8 << 20), on_progress=lambda _it: told.append(turns), **NAMED)
            group.cancel_scope.cancel()

    anyio.run(run, backend="trio" if engine == "trio" else "asyncio")
    blocks = told[:-1]
    assert len(blocks) >= 8
    assert sorted(set(blocks)) == blocks


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("size", "kind"), [(1, OutcomeUnknown), (MORE_THAN_BUFFERS_HOLD, TimedOut)])
def test_a_deadline_holds_also_where_no_time_out_does(
    engine: str, size: int, kind: type[AnchorUploadsError], raw_server: RawServer
) -> None:
    raw_server.script = [say_nothing]
    for_ever = Timeouts(None, None, None, None)
    outcome = outcome_of(
        engine, raw_server.base_url, "upload_file", SESSION, bytes(size), filename="a.bin", timeout=for_ever
    )
    outcome.must_be(kind)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("at", [0, 3_000_000])
def test_a_deadline_ends_an_on_progress_that_is_awaited(backend: str, at: int, raw_server: RawServer) -> None:
    async def wait(progress: UploadProgress) -> None:
        if progress.sent == at:
            await anyio.sleep(60)

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, deadline=0.5) as client:
            with pytest.raises(AnchorUploadsError if at else TimedOut):
                await client.upload_file(SESSION, bytes(3_000_000), on_progress=wait, **NAMED)

    anyio.run(run, backend=backend)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadline_ends_a_tls_handshake_that_never_comes(engine: str, raw_server: RawServer) -> None:
    base_url = f"https://127.0.0.1:{raw_server.port}"
    outcome_of(engine, base_url, "upload_file", SESSION, b"x", **NAMED).must_be(TimedOut)


@pytest.mark.parametrize("engine", PASSED_IN)
def test_a_deadline_ends_a_proxy_whose_answer_drips(engine: str, raw_server: RawServer) -> None:
    raw_server.script = [drip(b"x", after=b"HTTP/1.1 200 OK\r\nX-Long: ", read=False)] * 3
    http = {"proxy": raw_server.base_url}

    outcome = outcome_of(engine, "https://api.example", "upload_file", SESSION, b"x", http=http, **NAMED)

    outcome.must_be(TimedOut)
    assert raw_server.requests[0].request_line.startswith("CONNECT api.example:443")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadline_ends_a_slow_resolution_of_the_name(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo

    def resolve_slowly(host: Any, *arguments: Any, **options: Any) -> Any:
        flags = options.get("flags", arguments[4] if len(arguments) > 4 else 0)
        # What is but an address is looked up nowhere.
        if host not in ("slow.example", b"slow.example") or flags & socket.AI_NUMERICHOST:
            return resolve(host, *arguments, **options)
        OVER.wait(4)
        raise socket.gaierror(socket.EAI_NONAME, "no such name")

    monkeypatch.setattr(socket, "getaddrinfo", resolve_slowly)
    outcome = outcome_of(engine, "http://slow.example:9", "upload_file", SESSION, b"x", **NAMED)
    outcome.must_be(TimedOut)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_time_out_of_writing_holds_also_where_the_server_said_something_meanwhile(
    engine: str, raw_server: RawServer
) -> None:
    def speak_and_fall_silent(exchange: Exchange) -> None:
        for beat, _ in enumerate(beats_of(exchange)):
            if beat < 6:
                exchange.send(INTERIM)

    raw_server.script = [speak_and_fall_silent]
    options = {"timeout": Timeouts(write=0.4), "deadline": None, "max_retries": 0}
    outcome = outcome_of(
        engine, raw_server.base_url, "upload_file", SESSION, bytes(MORE_THAN_BUFFERS_HOLD), **options, **NAMED
    )
    outcome.must_be(TimedOut)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere this machine has one address only")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_deadline_bounds_all_addresses_of_a_name_together(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve = socket.getaddrinfo
    with ExitStack() as waiting:
        full = [waiting.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))]
        port = full[0].getsockname()[1]
        full += [waiting.enter_context(socket.create_server((f"127.0.0.{n}", port), backlog=0)) for n in range(2, 9)]
        for server in full * 4:
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(server.getsockname())

        def resolve_to_all(host: Any, *arguments: Any, **options: Any) -> Any:
            if host not in ("many.example", b"many.example"):
                return resolve(host, *arguments, **options)
            kind = socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, ""
            return [(*kind, server.getsockname()) for server in full]

        monkeypatch.setattr(socket, "getaddrinfo", resolve_to_all)
        outcome = outcome_of(engine, f"http://many.example:{port}", "upload_file", SESSION, b"x", **NAMED)
    outcome.must_be(TimedOut)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if "aiohttp" not in engine])
def test_the_time_for_the_rest_of_an_answer_begins_with_its_first_byte(engine: str, raw_server: RawServer) -> None:
    raw_server.script = [drip(b"X-A: b\r\n", after=b"HTTP/1.1 200 OK\r\n")]
    timeout = Timeouts(answer=60, read=0.5)
    outcome = outcome_of(
        engine, raw_server.base_url, "upload_file", SESSION, b"x", filename="a", timeout=timeout, deadline=None
    )
    outcome.must_be(OutcomeUnknown)


@pytest.mark.parametrize(
    ("engine", "transport"),
    [("sync, passed in", httpx.HTTPTransport), ("async, passed in", httpx.AsyncHTTPTransport)],
)
def test_a_network_may_be_slow_as_long_as_it_takes_something(engine: str, transport: Callable[..., Any]) -> None:
    def take_slowly(exchange: Exchange) -> None:
        while exchange.open and not exchange.request.complete:
            exchange.read(exchange.request.received + 100_000)
            time.sleep(0.1)
        answer()(exchange)

    # Else the systems take much at once, and then nothing for as long as that lasts.
    narrow = transport(socket_options=[(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * 1024)])
    with RawServer(keep=False, narrow=True) as server:
        server.script = [take_slowly]
        outcome = outcome_of(
            engine,
            server.base_url,
            "upload_file",
            SESSION,
            bytes(3_000_000),
            http={"transport": narrow},
            # Enough for a quarter of a MiB, but not for a whole one.
            timeout=Timeouts(write=0.7),
            max_retries=0,
            deadline=None,
            **NAMED,
        )
    assert outcome.error is None


class Slow:
    """A file each of whose reads takes long."""

    name = "slow.bin"

    def __init__(self, *, opening: float = 0.0, reading: float = 0.0) -> None:
        self._position = 0
        self._opening = opening
        self._reading = reading

    def read(self, size: int = -1, /) -> bytes:
        OVER.wait(self._reading)
        block = b"content"[self._position :][: None if size < 0 else size]
        self._position += len(block)
        return block

    def tell(self) -> int:
        OVER.wait(self._opening)
        return self._position

    def seek(self, position: int, whence: int = 0, /) -> int:
        self._position = position + {0: 0, 1: self._position, 2: len(b"content")}[whence]
        return self._position


@contextmanager
def at_last(release: Callable[[], object]) -> Iterator[None]:
    """Call `release` when the call has ended, or has failed to: no thread may be left waiting for a pipe."""

    def wait() -> None:
        OVER.wait(PATIENCE)
        release()

    waiting = threading.Thread(target=wait)
    waiting.start()
    try:
        yield
    finally:
        OVER.set()
        waiting.join()


@contextmanager
def fifo_without_writer(directory: Path) -> Iterator[Path]:
    path = directory / "fifo"
    os.mkfifo(path)

    def write_nothing() -> None:
        with suppress(OSError):  # nobody is waiting
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))

    with at_last(write_nothing):
        yield path


@contextmanager
def pipe_nobody_writes_to(_directory: Path) -> Iterator[Any]:
    reading, writing = os.pipe()
    with open(reading, "rb") as file, at_last(lambda: os.close(writing)):
        yield file


@contextmanager
def url_slow_to_open(_directory: Path) -> Iterator[str]:
    with fsspec.open("memory://bucket/slow.bin", "wb") as file:
        file.write(b"content")
    with pytest.MonkeyPatch.context() as patch:
        opened = MemoryFileSystem._open

        def open_slowly(*arguments: Any, **options: Any) -> Any:
            OVER.wait(4)
            return opened(*arguments, **options)

        patch.setattr(MemoryFileSystem, "_open", open_slowly)
        yield "memory://bucket/slow.bin"


def endless() -> Iterator[bytes]:
    for _beat in beats(0.01):
        yield bytes(1000)


async def never_yields() -> AsyncIterator[bytes]:
    await anyio.sleep(PATIENCE)
    yield b"too late"


class NeverRead:
    """An asynchronous file whose data never come."""

    async def read(self, _size: int = -1, /) -> bytes:
        await anyio.sleep(PATIENCE)
        return b""


SOURCES: dict[str, Callable[[Path], AbstractContextManager[Any]]] = {
    "a file slow to read": lambda _directory: nullcontext(Slow(reading=4)),
    "a FIFO without a writer": fifo_without_writer,
    "a pipe that nobody writes to": pipe_nobody_writes_to,
    "a URL slow to open": url_slow_to_open,
    "an endless generator": lambda _directory: nullcontext(endless()),
    "an async generator that never yields": lambda _directory: nullcontext(never_yields()),
    "an async file that is never read": lambda _directory: nullcontext(NeverRead()),
}


@pytest.mark.parametrize("engine", OWN)
@pytest.mark.parametrize("row", SOURCES)
def test_a_deadline_ends_the_call_whatever_the_file_does(
    engine: str, row: str, raw_server: RawServer, tmp_path: Path
) -> None:
    if engine == "sync" and "async" in row:
        pytest.skip("has to be awaited")
    if "FIFO" in row and not hasattr(os, "mkfifo"):
        pytest.skip("needs FIFOs")
    with SOURCES[row](tmp_path) as source:
        outcome = outcome_of(engine, raw_server.base_url, "upload_file", SESSION, source, **NAMED)

    outcome.must_be(TimedOut)
    assert not any(request.complete for request in raw_server.requests)


@pytest.mark.parametrize("engine", OWN)
def test_what_was_left_behind_ends_at_its_next_block(engine: str, raw_server: RawServer) -> None:
    drawn = 0

    def counted() -> Iterator[bytes]:
        nonlocal drawn
        for _block in range(1000):
            drawn += 1
            time.sleep(0.01)
            yield bytes(1000)

    outcome_of(engine, raw_server.base_url, "upload_file", SESSION, counted(), **NAMED).must_be(TimedOut)
    time.sleep(0.2)
    before = drawn
    time.sleep(0.3)
    assert drawn == before > 0


@pytest.mark.parametrize("engine", OWN)
def test_the_clock_of_a_deadline_starts_when_the_method_is_called(engine: str, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, delay=0.7 * DEADLINE)]
    file = Slow(opening=0.7 * DEADLINE)
    outcome = outcome_of(engine, raw_server.base_url, "upload_file", SESSION, file, **NAMED)
    outcome.must_be(OutcomeUnknown, TimedOut)


METHODS: dict[str, tuple[Any, ...]] = {
    "create_session": (),
    "get_session": (SESSION,),
    "end_session": (SESSION,),
    "list_sessions": (),
    "end_all_sessions": (),
}
DELAYS: dict[str, Behaviour] = {
    "no answer": say_nothing,
    "102s": drip(INTERIM),
    "a body that drips": drip(b" ", after=HEAD % 200),
}


@pytest.mark.parametrize("engine", ["sync", "async"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("row", DELAYS)
def test_a_deadline_of_a_client_ends_what_has_no_file(
    engine: str, method: str, row: str, raw_server: RawServer
) -> None:
    raw_server.script = [DELAYS[row]] * 3
    outcome_of(engine, raw_server.base_url, method, *METHODS[method]).must_be(*UNKNOWN)


@both
@pytest.mark.parametrize("place", ["client", "call"])
@pytest.mark.parametrize(
    "seconds", [2_200_000, 9e8, float("inf"), 10**400], ids=["25 days", "28 years", "inf", "10**400"]
)
@pytest.mark.parametrize("option", ["timeout", "deadline"])
def test_a_time_beyond_what_clocks_count_is_for_ever_or_an_invalid_argument(
    call: Call, option: str, seconds: float, place: str, raw_server: RawServer
) -> None:
    options: dict[str, Any] = {option: seconds} if place == "call" else {"client": {option: seconds}}
    with suppress(InvalidArgument):
        assert call(raw_server.base_url, "upload_file", SESSION, b"x", **options, **NAMED).attempts == 1


@both
def test_a_deadline_of_a_client_can_be_lifted_for_one_call(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, delay=1)]
    call(raw_server.base_url, "upload_file", SESSION, b"x", client={"deadline": 0.5}, deadline=None, **NAMED)
    assert len(raw_server.requests) == 1


@both
def test_a_deadline_of_a_client_holds_where_a_call_does_not_mention_one(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(200, delay=1)]
    with pytest.raises(OutcomeUnknown):
        call(raw_server.base_url, "upload_file", SESSION, b"x", client={"deadline": 0.5}, **NAMED)
