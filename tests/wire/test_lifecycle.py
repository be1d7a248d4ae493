"""The life of a client: calls that are cancelled, sessions, closing, and one event loop after the other."""

from __future__ import annotations

import asyncio
import gc
import io
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import fsspec
import httpx
import pytest
from fsspec.implementations.memory import MemoryFile
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import (
    AnchorUploadsError,
    AsyncUploadClient,
    InvalidArgument,
    ServerError,
    UploadClient,
    UploadProgress,
)
from support.raw_server import Behaviour, Exchange, RawServer, answer, answer_early, reset
from support.twins import ANYIO_LOSES_CONNECTIONS, KEY, SESSION, abort_what_is_closing

pytestmark = pytest.mark.timeout(90)

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
CREATED = answer(200, {"data": {"id": SESSION}})


def read_slowly(exchange: Exchange) -> None:
    """Take some seconds to read the body, and then answer."""
    for position in range(0, exchange.length, exchange.length // 300):
        exchange.read(position)
        if not exchange.open:
            return
        time.sleep(0.01)
    answer()(exchange)


def run_alone(script: str, *arguments: object, strict: bool = False, seconds: float = 60) -> str:
    """Run `script` in a process, hold that it ends by itself and without a complaint, and return what it printed."""
    command = [sys.executable, *(["-X", "dev", "-W", "error"] if strict else []), "-c", script, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.stderr == ""
    assert done.returncode == 0
    return done.stdout.strip()


# Cancelling


class SlowFile:
    """A file that does not let a thread go that reads it before it is `released`."""

    def __init__(self, content: bytes = b"content") -> None:
        self._content = io.BytesIO(content)
        self.reading = threading.Event()
        self.released = threading.Event()
        self.tell, self.seek = self._content.tell, self._content.seek

    def read(self, size: int = -1, /) -> bytes:
        if size:
            self.reading.set()
            self.released.wait(3)
        return self._content.read(size)


def slow_file(_patch: pytest.MonkeyPatch) -> tuple[SlowFile, SlowFile]:
    slow = SlowFile()
    return slow, slow


def slow_url(patch: pytest.MonkeyPatch) -> tuple[str, SlowFile]:
    with fsspec.open("memory://bucket/slow.bin", "wb") as file:
        file.write(bytes(5_000_000))
    slow = SlowFile(bytes(5_000_000))
    patch.setattr(MemoryFile, "read", lambda _file, size=-1: slow.read(size))
    return "memory://bucket/slow.bin", slow


@BACKENDS
@pytest.mark.parametrize("make", [slow_file, slow_url])
def test_a_cancelled_call_returns_at_once_and_never_blocks_the_loop(
    backend: str, make: Callable[..., tuple[Any, SlowFile]], raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, slow = make(monkeypatch)
    gaps: list[float] = []
    cancelled: list[float] = []

    async def tick() -> None:
        last = time.monotonic()
        while True:
            await anyio.sleep(0.001)
            gaps.append(time.monotonic() - last)
            last += gaps[-1]

    async def cancel(scope: anyio.CancelScope) -> None:
        while not slow.reading.is_set():
            await anyio.sleep(0.01)
        cancelled.append(time.monotonic())
        scope.cancel()

    async def run() -> float:
        async with anyio.create_task_group() as ticking:
            ticking.start_soon(tick)
            async with (
                AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
                anyio.create_task_group() as uploading,
            ):
                uploading.start_soon(cancel, uploading.cancel_scope)
                await client.upload_file(SESSION, source, filename="a")
            took = time.monotonic() - cancelled[0]
            await anyio.sleep(0.1)
            ticking.cancel_scope.cancel()
        slow.released.set()
        return took

    assert anyio.run(run, backend=backend) < 1
    assert max(gaps) < 0.5
    assert not any(request.complete for request in raw_server.requests)


@pytest.mark.parametrize("turns", range(12))
def test_a_cancellation_while_an_early_answer_comes_in_over_aiohttp_is_its_scope_s(turns: int) -> None:
    async def run() -> None:
        scope, refused = anyio.CancelScope(), asyncio.Event()

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\n{}")
            for _turn in range(turns):
                await asyncio.sleep(0)
            scope.cancel()
            writer.close()
            refused.set()

        server = await asyncio.start_server(refuse, "127.0.0.1")
        url = "http://{}:{}".format(*server.sockets[0].getsockname())
        refusals: list[ServerError] = []
        async with HttpxAiohttpClient() as own, AsyncUploadClient(api_key=KEY, base_url=url, http_client=own) as client:
            with scope:
                try:
                    await client.upload_file(SESSION, ("a.bin", bytes(30_000_000)), max_retries=0)
                except ServerError as error:
                    refusals.append(error)
        assert scope.cancelled_caught != bool(refusals)
        await refused.wait()
        server.close()
        await abort_what_is_closing()

    asyncio.run(run())


LEAVING = f"""
import asyncio, os, sys, anyio
from anchor_uploads import AsyncUploadClient, TimedOut, UploadClient

way, source, fifo = sys.argv[1:]
settings = dict(api_key="k", base_url="http://127.0.0.1:9")
reading, writing = os.pipe()
call = dict(session_id={SESSION!r}, file=fifo if source == "FIFO" else open(reading, "rb"), filename="a")

async def cancelled():
    async with AsyncUploadClient(**settings) as client:
        with anyio.move_on_after(0.3) as scope:
            await client.upload_file(**call)
    print(scope.cancelled_caught)

if way == "asyncio":
    asyncio.run(cancelled())
elif way == "trio":
    anyio.run(cancelled, backend="trio")
else:
    try:
        UploadClient(deadline=0.3, **settings).upload_file(**call)
    except TimedOut:
        print(True)
"""


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
@pytest.mark.parametrize("source", ["FIFO", "pipe"])
@pytest.mark.parametrize("way", ["asyncio", "trio", "deadline"])
def test_a_process_can_end_after_it_gave_up_a_file_that_nobody_writes(way: str, source: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert run_alone(LEAVING, way, source, tmp_path / "fifo") == "True"


STORM = f"""
import asyncio, gc, io, random, sys, time
from anchor_uploads import AnchorUploadsError, AsyncUploadClient

class Slow(io.FileIO):
    def read(self, size=-1, /):
        time.sleep(0.005)
        return super().read(size)

base_url, *paths = sys.argv[1:]
chance = random.Random(7)

async def cancel(uploading):
    upload = asyncio.ensure_future(uploading)
    await asyncio.sleep(chance.uniform(0, 0.03))
    upload.cancel()
    try:
        await upload
    except (asyncio.CancelledError, AnchorUploadsError):
        pass

async def main():
    # A debugging loop would complain of a busy machine.
    asyncio.get_running_loop().slow_callback_duration = 60
    async with AsyncUploadClient(api_key="k", base_url=base_url) as client:
        for number in range(200):
            path = chance.choice(paths)
            # The caller closes what it opened, though a thread may still read it.
            with open(path, "rb") as file, Slow(path) as slow:
                await cancel(client.upload_file({SESSION!r}, (path, file, slow)[number % 3], filename="a"))

asyncio.run(main())
gc.collect()
"""


@pytest.mark.skipif(ANYIO_LOSES_CONNECTIONS, reason="anyio loses connections here")
def test_cancelled_calls_leave_no_complaint_behind(tmp_path: Path) -> None:
    paths = [tmp_path / f"{megabytes}.bin" for megabytes in range(1, 6)]
    for megabytes, path in enumerate(paths, start=1):
        path.write_bytes(bytes(megabytes * 1_000_000))
    with RawServer(keep=False) as server:
        server.script = [read_slowly, answer_early(413, {}, after=300_000), read_slowly, reset(after=300_000)] * 50
        run_alone(STORM, server.base_url, *paths, strict=True)


# The first upload


FIRST_UPLOAD = """
import importlib
import sys
from anchor_uploads import AsyncUploadClient

async def main():
    async with AsyncUploadClient(api_key="key", base_url=sys.argv[1]) as client:
        before = set(sys.modules)
        await client.upload_file(sys.argv[2], sys.argv[3])
        print(*sorted(set(sys.modules) - before))

# Not by anyio, which would import what it needs.
run = importlib.import_module(sys.argv[4]).run
run(main) if sys.argv[4] == "trio" else run(main())
"""


@BACKENDS
@pytest.mark.parametrize("size", [3_000, 3_000_000])
def test_the_first_upload_of_an_async_client_imports_nothing_which_would_stop_the_event_loop(
    backend: str, size: int, raw_server: RawServer, tmp_path: Path
) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(size))
    assert run_alone(FIRST_UPLOAD, raw_server.base_url, SESSION, tmp_path / "a.bin", backend) == ""


# Sessions


async def by_a_scope(client: AsyncUploadClient) -> None:
    with anyio.CancelScope() as scope:
        async with client.session():
            scope.cancel()
            await anyio.sleep(9)


async def by_a_time_out(client: AsyncUploadClient) -> None:
    with anyio.move_on_after(0.5):
        async with client.session():
            await anyio.sleep(9)


async def by_another_task(client: AsyncUploadClient) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    with suppress(BaseException):
        async with anyio.create_task_group() as group, client.session():
            group.start_soon(fail)
            await anyio.sleep(9)


async def by_an_error(client: AsyncUploadClient) -> None:
    with suppress(ZeroDivisionError):
        async with client.session():
            raise ZeroDivisionError


async def by_asyncio(client: AsyncUploadClient) -> None:
    async def hold() -> None:
        async with client.session():
            asyncio.current_task().cancel()  # type: ignore[union-attr]
            await asyncio.sleep(9)

    with suppress(asyncio.CancelledError):
        await asyncio.ensure_future(hold())


LEFT = [by_a_scope, by_a_time_out, by_another_task, by_an_error]


@pytest.mark.parametrize(
    ("backend", "leave"), [("asyncio", by_asyncio), *((name, way) for name in ("asyncio", "trio") for way in LEFT)]
)
def test_a_session_is_ended_however_its_block_is_left(
    backend: str, leave: Callable[[AsyncUploadClient], Awaitable[None]], raw_server: RawServer
) -> None:
    raw_server.script = [CREATED]

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            await leave(client)

    anyio.run(run, backend=backend)
    assert [request.request_line.split()[0] for request in raw_server.requests] == ["POST", "DELETE"]
    assert SESSION in raw_server.requests[1].request_line


@BACKENDS
def test_a_service_that_does_not_end_the_session_delays_a_cancelled_block_by_the_deadline_at_most(
    backend: str, raw_server: RawServer
) -> None:
    raw_server.script = [CREATED, lambda exchange: exchange.wait(6)]

    async def run() -> float:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, deadline=1) as client:
            started = time.monotonic()
            await by_a_scope(client)
            return time.monotonic() - started

    assert anyio.run(run, backend=backend) < 3
    assert raw_server.requests[1].request_line.startswith("DELETE")


@BACKENDS
def test_a_session_that_may_go_on_is_told_where_the_service_does_not_answer_in_time(
    backend: str, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("anchor_uploads.client._FAREWELL_SECONDS", 1)
    raw_server.script = [CREATED, lambda exchange: exchange.wait(20)]

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            await by_an_error(client)

    anyio.run(run, backend=backend)
    assert [record.message for record in caplog.records if record.levelname == "WARNING"] == [
        f"session {SESSION} may go on: no answer came within 1 s"
    ]


@pytest.mark.parametrize("left_by", ["an error", "a cancellation"])
def test_an_on_progress_that_ends_an_upload_at_its_end_leaves_no_connection_behind(
    left_by: str, raw_server: RawServer
) -> None:
    async def tell(progress: UploadProgress) -> None:
        if progress.sent == progress.total:
            # Until the answer is there.
            await asyncio.sleep(0.3)
            if left_by == "an error":
                raise ZeroDivisionError
            await asyncio.sleep(60)

    async def run() -> None:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1)) as one:
            client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=one)
            with pytest.raises((ZeroDivisionError, asyncio.TimeoutError)):
                await asyncio.wait_for(client.upload_file(SESSION, b"x", filename="a", on_progress=tell), 1)
            assert (await one.get(raw_server.base_url, timeout=5)).status_code == 200

    asyncio.run(run())


# Closing


LOOPS = f"""
import asyncio, gc, sys
from anchor_uploads import AsyncUploadClient

client = AsyncUploadClient(api_key="k", base_url=sys.argv[1])

async def main():
    # A debugging loop would complain of a busy machine.
    asyncio.get_running_loop().slow_callback_duration = 60
    print((await client.upload_file({SESSION!r}, bytes(100_000), filename="a")).attempts)

asyncio.run(main())
asyncio.run(main())
asyncio.run(client.close())
gc.collect()
"""


@pytest.mark.parametrize("backends", [("asyncio", "asyncio"), ("asyncio", "trio"), ("trio", "asyncio")])
def test_one_client_serves_one_event_loop_after_the_other(backends: tuple[str, str], raw_server: RawServer) -> None:
    client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)

    async def upload() -> None:
        assert (await client.upload_file(SESSION, b"x", filename="a")).attempts == 1

    for backend in backends:
        anyio.run(upload, backend=backend)
    anyio.run(client.close, backend=backends[-1])
    gc.collect()
    assert len(raw_server.requests) == 2


def test_event_loops_that_came_and_went_leave_no_complaint_behind(raw_server: RawServer) -> None:
    assert run_alone(LOOPS, raw_server.base_url, strict=True).split() == ["1", "1"]
    assert [len(request.part()[1]) for request in raw_server.requests] == [100_000, 100_000]


FORKED = f"""
import gc, os, sys
from anchor_uploads import UploadClient

with UploadClient(api_key="k", base_url=sys.argv[1]) as client:
    upload = lambda: client.upload_file({SESSION!r}, b"x", filename="a").attempts
    print(upload(), flush=True)
    if (child := os.fork()) == 0:
        print(upload(), flush=True)
        client.close()
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    print(upload())
"""


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="fork is not to be had, or not safe, on this platform")
def test_a_forked_child_closes_what_it_was_left_with_and_its_parent_goes_on(raw_server: RawServer) -> None:
    assert run_alone(FORKED, raw_server.base_url, strict=True).split() == ["1", "1", "1"]
    assert raw_server.connections == 2


CALLS: dict[str, Callable[[Any], Any]] = {
    "upload_file": lambda client: client.upload_file(SESSION, b"x", filename="a"),
    "upload_files": lambda client: client.upload_files(SESSION, [("a", b"x")]),
    "create_session": lambda client: client.create_session(),
    "get_session": lambda client: client.get_session(SESSION),
    "end_session": lambda client: client.end_session(SESSION),
    "list_sessions": lambda client: client.list_sessions(),
    "end_all_sessions": lambda client: client.end_all_sessions(),
}


@pytest.mark.parametrize("method", CALLS)
def test_a_closed_client_says_that_it_is_closed(method: str, raw_server: RawServer) -> None:
    client = UploadClient(api_key=KEY, base_url=raw_server.base_url)
    client.close()
    client.close()
    with pytest.raises(InvalidArgument, match="closed"):
        CALLS[method](client)
    assert raw_server.connections == 0


@BACKENDS
@pytest.mark.parametrize("method", CALLS)
def test_a_closed_async_client_says_that_it_is_closed(method: str, backend: str, raw_server: RawServer) -> None:
    async def run() -> None:
        client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)
        await client.close()
        await client.close()
        with pytest.raises(InvalidArgument, match="closed"):
            await CALLS[method](client)

    anyio.run(run, backend=backend)
    assert raw_server.connections == 0


def test_a_client_that_is_passed_in_closed_is_refused(raw_server: RawServer) -> None:
    own = httpx.Client()
    own.close()
    with pytest.raises(InvalidArgument, match="closed"):
        UploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own).get_session(SESSION)


@BACKENDS
def test_an_async_client_that_is_passed_in_closed_is_refused(backend: str, raw_server: RawServer) -> None:
    async def run() -> None:
        own = httpx.AsyncClient()
        await own.aclose()
        with pytest.raises(InvalidArgument, match="closed"):
            await AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own).get_session(SESSION)

    anyio.run(run, backend=backend)


def test_event_loops_that_run_at_once_have_connections_of_their_own(raw_server: RawServer) -> None:
    client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)

    async def upload() -> None:
        for _ in range(30):
            assert (await client.upload_file(SESSION, b"x", filename="a")).status == "success"

    with ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(asyncio.run, upload()) for _ in range(3)]:
            done.result()
    assert raw_server.connections == 3
    asyncio.run(upload())
    # Nothing is kept of those that have ended.
    assert len(client._connections._loops) == 1


def test_an_event_loop_that_was_closed_without_its_generators_keeps_no_connection(raw_server: RawServer) -> None:
    client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)
    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(client.upload_file(SESSION, b"x", filename="a"))
        # Its transports close their sockets when they are collected, and complain.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            loop.close()
            asyncio.run(client.upload_file(SESSION, b"x", filename="a"))
            gc.collect()
    asyncio.run(client.close())
    assert raw_server.settle()


def test_a_client_that_is_closed_in_one_event_loop_closes_its_connections_in_the_others(raw_server: RawServer) -> None:
    client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)

    async def both_loops() -> None:
        other = asyncio.new_event_loop()
        thread = threading.Thread(target=other.run_forever)
        thread.start()
        upload = partial(client.upload_file, SESSION, b"x", filename="a")
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(upload(), other))
        await upload()
        await client.close()
        # While the other loop runs.
        assert await asyncio.to_thread(raw_server.settle)
        other.call_soon_threadsafe(other.stop)
        await asyncio.to_thread(thread.join)
        other.close()

    asyncio.run(both_loops())
    assert raw_server.connections == 2


@pytest.mark.anyio
async def test_two_may_close_an_async_client_at_once(raw_server: RawServer) -> None:
    client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url)
    await client.upload_file(SESSION, b"x", filename="a")
    await asyncio.gather(client.close(), client.close())


# What the server does with the uploads under which a client is closed: between two of them, or in their midst.
CLOSED_UNDER = pytest.mark.parametrize("behaviour", [answer(), read_slowly], ids=["between", "in the midst"])
# httpx by itself forgets a connection that comes to stand while its client is closed.
FORGETFUL = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
PASSED_IN = pytest.mark.parametrize(
    "passed_in", [pytest.param(False, id="own"), pytest.param(True, id="passed in", marks=FORGETFUL)]
)


@CLOSED_UNDER
@PASSED_IN
def test_closing_under_the_uploads_of_threads_ends_each_with_a_result_or_an_error_of_ours(
    passed_in: bool, behaviour: Behaviour, raw_server: RawServer
) -> None:
    raw_server.script = [behaviour] * 8
    own = httpx.Client()
    client = UploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own if passed_in else None)

    def upload() -> None:
        for _time in range(300):
            client.upload_file(SESSION, bytes(1_000_000), filename="a", deadline=9)

    with ThreadPoolExecutor(8) as threads:
        uploads = [threads.submit(upload) for _thread in range(8)]
        while len(raw_server.requests) < 8:
            time.sleep(0.01)
        own.close() if passed_in else client.close()
        errors = [each.exception() for each in uploads]
    own.close()
    gc.collect()
    assert [error for error in errors if not isinstance(error, AnchorUploadsError)] == []


@BACKENDS
@CLOSED_UNDER
@PASSED_IN
def test_closing_under_the_uploads_of_tasks_ends_each_with_a_result_or_an_error_of_ours(
    passed_in: bool, behaviour: Behaviour, backend: str, raw_server: RawServer
) -> None:
    raw_server.script = [behaviour] * 8
    errors: list[AnchorUploadsError] = []

    async def run() -> None:
        own = httpx.AsyncClient()
        client = AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own if passed_in else None)

        async def upload() -> None:
            try:
                for _time in range(300):
                    await client.upload_file(SESSION, bytes(1_000_000), filename="a", deadline=9)
            except AnchorUploadsError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            for _task in range(8):
                group.start_soon(upload)
            while len(raw_server.requests) < 8:
                await anyio.sleep(0.01)
            await (own.aclose() if passed_in else client.close())
        await own.aclose()

    anyio.run(run, backend=backend)
    gc.collect()
    assert len(errors) == 8


@pytest.mark.parametrize("kind", [UploadClient, AsyncUploadClient])
def test_a_client_can_be_shown_whole_and_half_made_and_hides_its_key(kind: Any) -> None:
    # As debuggers and the tracebacks of test runners do, in the midst of a failing constructor.
    assert kind.__name__ in repr(kind.__new__(kind))
    whole = repr(kind(api_key=KEY, base_url="http://127.0.0.1:9"))
    assert "127.0.0.1" in whole and KEY not in whole
