"""Many files: order, failures, collisions, laziness, interruption, and executors that run elsewhere."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from hashlib import sha256
from multiprocessing import get_context
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import attrs
import httpx
import pytest

from anchor_uploads import (
    AnchorUploadsError,
    AsyncUploadClient,
    ConnectionFailed,
    FailedUpload,
    InvalidArgument,
    OutcomeUnknown,
    ServerError,
    SourceError,
    UploadClient,
    UploadedFile,
    UploadProgress,
    UploadReport,
    UploadsFailed,
    UploadsInterrupted,
)
from support.raw_server import Exchange, RawServer, answer, reset
from support.twins import KEY, SESSION, AsyncCall, Call, SyncCall, both, call_sync

both_engines = pytest.mark.parametrize("call", [SyncCall(), AsyncCall()], ids=["sync", "async"])


def names(server: RawServer) -> set[str]:
    return {request.part()[0].split('filename="')[1].split('"')[0] for request in server.requests}


@both
def test_the_report_is_in_order_and_one_failure_stops_nothing(
    call: Call, raw_server: RawServer, tmp_path: Path
) -> None:
    (tmp_path / "b.txt").write_bytes(b"b")
    files = [("a.txt", b"a"), tmp_path / "b.txt", tmp_path / "missing.txt", ("c.txt", io.BytesIO(b"c")), b"nameless"]

    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files)

    assert [uploaded.name for uploaded in report.uploaded] == ["a.txt", "b.txt", "c.txt"]
    assert [(failed.index, failed.name) for failed in report.failed] == [(2, "missing.txt"), (4, None)]
    assert all(isinstance(failed.error, SourceError) for failed in report.failed)
    assert names(raw_server) == {"a.txt", "b.txt", "c.txt"}
    with pytest.raises(UploadsFailed, match=r"2 of 5 files .* number 3: .*missing.txt") as caught:
        report.raise_for_failures()
    assert caught.value.report == report
    other = UploadReport(report.uploaded, (attrs.evolve(report.failed[0], index=1),))
    with pytest.raises(UploadsFailed, match=r"1 of 4 files .* number 2: "):
        other.raise_for_failures()


@both
def test_a_report_without_failures_raises_nothing(call: Call, raw_server: RawServer) -> None:
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, [])
    report.raise_for_failures()
    assert report == UploadReport((), ())


@both
def test_an_error_of_the_service_is_a_failure_of_one_file(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(400, {"error": {"code": 400, "message": "no"}})]
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, [("a", b"a"), ("b", b"b")], concurrency=1)
    assert [failed.name for failed in report.failed] == ["a"]
    assert [uploaded.name for uploaded in report.uploaded] == ["b"]


@both
@pytest.mark.parametrize("kind", [list, tuple])
def test_names_that_collide_are_refused_before_anything_is_sent(
    call: Call, kind: type, raw_server: RawServer, tmp_path: Path
) -> None:
    files = kind([b"nameless", tmp_path / "x" / "a.txt", ("b.txt", b""), tmp_path / "y" / "a.txt"])
    with pytest.raises(SourceError, match=r"files 2 and 4 \('.*x.a.txt' and '.*y.a.txt'\) are both called 'a.txt'"):
        call(raw_server.base_url, "upload_files", SESSION, files)
    assert raw_server.connections == 0


@both
def test_of_names_that_collide_in_a_stream_the_first_is_sent(call: Call, raw_server: RawServer) -> None:
    files = (("a.txt", content) for content in (b"1", b"2"))
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files)
    assert len(report.uploaded) == 1
    assert "both called 'a.txt'" in str(report.failed[0].error)
    assert raw_server.requests[0].part()[1] == b"1"


@both
def test_files_are_drawn_as_they_are_needed(call: Call, raw_server: RawServer) -> None:
    drawn = 0
    most_ahead = 0

    def files() -> Iterator[tuple[str, bytes]]:
        nonlocal drawn, most_ahead
        for index in range(200):
            drawn += 1
            most_ahead = max(most_ahead, drawn - sum(request.complete for request in raw_server.requests))
            yield f"{index}.txt", b"x"

    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files(), concurrency=3)

    assert len(report.uploaded) == 200
    # Three under way and one drawn; that an answered request is counted may lag behind by those under way.
    assert most_ahead <= 8
    assert raw_server.connections <= 3


@pytest.mark.anyio
async def test_the_async_client_also_draws_from_what_has_to_be_awaited(raw_server: RawServer) -> None:
    async def files() -> AsyncIterator[tuple[str, bytes]]:
        for index in range(5):
            await asyncio.sleep(0)
            yield f"{index}.txt", None if index == 3 else b"x"

    async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        report = await client.upload_files(SESSION, files())
    assert [uploaded.name for uploaded in report.uploaded] == [f"{index}.txt" for index in (0, 1, 2, 4)]
    assert [failed.index for failed in report.failed] == [3]


@both
@pytest.mark.parametrize("files", ["report.pdf", b"content", io.BytesIO(b"x"), Path("a")])
def test_one_file_is_no_batch(call: Call, files: Any, raw_server: RawServer) -> None:
    with pytest.raises(InvalidArgument, match="upload_file"):
        call(raw_server.base_url, "upload_files", SESSION, files)


@both
@pytest.mark.parametrize("concurrency", [0, -1, 1.5, True])
def test_a_concurrency_that_is_none_is_refused(call: Call, concurrency: Any, raw_server: RawServer) -> None:
    with pytest.raises(InvalidArgument, match="concurrency"):
        call(raw_server.base_url, "upload_files", SESSION, [], concurrency=concurrency)


@both
def test_progress_comes_one_call_at_a_time_and_ends_at_the_total(call: Call, raw_server: RawServer) -> None:
    calls: list[UploadProgress] = []
    inside = threading.Semaphore(1)

    def on_progress(progress: UploadProgress) -> None:
        assert inside.acquire(blocking=False)
        # Long enough for another thread to come in, if it could.
        time.sleep(0.002)
        calls.append(progress)
        inside.release()

    files = [(f"{index}.bin", bytes(600_000)) for index in range(8)]
    call(raw_server.base_url, "upload_files", SESSION, files, on_progress=on_progress, client={"progress_interval": 0})

    for name, _content in files:
        sent = [progress.sent for progress in calls if progress.name == name]
        assert sent == sorted(sent)
        assert sent[-1] == 600_000
        assert sent.count(600_000) == 1


@both
def test_what_on_progress_raises_ends_the_batch(call: Call, raw_server: RawServer) -> None:
    def on_progress(progress: UploadProgress) -> None:
        if progress.name == "3.bin":
            raise ZeroDivisionError

    files = ((f"{index}.bin", bytes(10)) for index in range(1000))
    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, "upload_files", SESSION, files, on_progress=on_progress, concurrency=2)
    assert len(raw_server.requests) < 10


@both
def test_each_result_is_told_as_it_ends_one_call_at_a_time_also_of_what_is_never_sent(
    call: Call, raw_server: RawServer
) -> None:
    told: list[UploadedFile | FailedUpload] = []
    inside = threading.Semaphore(1)

    def on_result(result: UploadedFile | FailedUpload) -> None:
        assert inside.acquire(blocking=False)
        time.sleep(0.002)
        told.append(result)
        inside.release()

    files = [("a.txt", b"a"), ("bad/name", b"b"), "missing.txt", ("d.txt", b"d")]
    report: UploadReport = call(
        raw_server.base_url, "upload_files", SESSION, iter(files), on_result=on_result, checksum=True
    )
    assert {*report.uploaded, *report.failed} == {*told}
    assert len(told) == 4
    assert [uploaded.sha256 for uploaded in report.uploaded] == [sha256(b"a").hexdigest(), sha256(b"d").hexdigest()]


@both
def test_a_result_is_told_before_the_files_after_it_are_drawn(call: Call, raw_server: RawServer) -> None:
    told: list[str] = []
    known: list[list[str]] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for index in range(3):
            known.append([*told])
            yield str(index), b"x"

    call(
        raw_server.base_url,
        "upload_files",
        SESSION,
        files(),
        on_result=lambda result: told.append(result.name),
        concurrency=1,
    )
    assert known == [[], ["0"], ["0", "1"]]


def test_a_result_is_told_before_the_next_file_is_drawn_also_where_more_may_be_sent_at_once(
    raw_server: RawServer,
) -> None:
    told: list[str] = []
    known: list[list[str]] = []

    def files() -> Iterator[tuple[str, bytes]]:
        for index in range(3):
            known.append([*told])
            yield str(index), b"x"
            # The one thread is free again once all is done with that.
            executor.submit(int).result()

    with ThreadPoolExecutor(1) as executor:
        call_sync(
            raw_server.base_url,
            "upload_files",
            SESSION,
            files(),
            on_result=lambda result: told.append(result.name),
            executor=executor,
        )
    assert "0" in known[2]


@both
def test_what_on_result_raises_ends_the_batch(call: Call, raw_server: RawServer) -> None:
    def on_result(_result: object) -> None:
        raise ZeroDivisionError

    files = ((f"{index}.bin", bytes(10)) for index in range(1000))
    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, "upload_files", SESSION, files, on_result=on_result, concurrency=2)
    assert len(raw_server.requests) < 10


@pytest.mark.anyio
async def test_an_on_result_that_has_to_be_awaited_is_awaited(raw_server: RawServer) -> None:
    told = []

    async def on_result(result: UploadedFile | FailedUpload) -> None:
        await asyncio.sleep(0)
        told.append(result.name)

    async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        await client.upload_files(SESSION, {"a": b"a", "b": b"b"}, on_result=on_result)
    assert sorted(told) == ["a", "b"]
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as blocking,
        pytest.raises(InvalidArgument, match="on_result has to be awaited"),
    ):
        blocking.upload_files(SESSION, {"a": b"a"}, on_result=on_result)


@pytest.mark.anyio
@pytest.mark.parametrize("where", ["on_result", "on_progress", "a file"])
async def test_a_callers_own_cancellation_does_not_pass_for_the_end_of_the_files(
    where: str, raw_server: RawServer
) -> None:
    ended = asyncio.ensure_future(asyncio.sleep(60))
    ended.cancel()

    async def wait_for_what_was_cancelled(_what: object) -> None:
        await ended

    async def content() -> AsyncIterator[bytes]:
        yield b"b"
        await ended

    options = {} if where == "a file" else {where: wait_for_what_was_cancelled}
    files = {"a": b"a", "b": content() if where == "a file" else b"b", "c": b"c", "d": b"d"}
    async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        with pytest.raises(asyncio.CancelledError):
            await client.upload_files(SESSION, files, concurrency=2, **options)
        assert len((await client.upload_files(SESSION, {"e": b"e"})).uploaded) == 1


@both
def test_files_that_fail_to_be_drawn_are_not_drawn_any_further(call: Call, raw_server: RawServer) -> None:
    drawn: list[int] = []

    def draw(number: int) -> Any:
        drawn.append(number)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, "upload_files", SESSION, map(draw, range(9)), concurrency=4)
    assert drawn == [0]


@both
def test_what_the_caller_handles_meanwhile_keeps_its_frames(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(401, b"{}"), *[reset(after=1000)] * 3]
    with pytest.raises(KeyError) as caught:
        try:
            raise KeyError
        except KeyError:
            call(raw_server.base_url, "upload_files", SESSION, {"a": b"a", "b/c": b"b"})
            with pytest.raises(ConnectionFailed):
                call(raw_server.base_url, "upload_file", SESSION, bytes(9_000_000), filename="a", max_retries=0)
            raise
    assert str(caught.traceback[-1].statement).strip() == "raise KeyError"


@both
def test_what_a_file_itself_raises_is_the_failure_of_that_file(call: Call, raw_server: RawServer) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise ZeroDivisionError("half a file")

    report: UploadReport = call(
        raw_server.base_url, "upload_files", SESSION, [("a", b"a"), ("b", broken()), ("c", b"c")]
    )
    assert [uploaded.name for uploaded in report.uploaded] == ["a", "c"]
    text = r"'b' was not uploaded: ZeroDivisionError: half a file \(test_batch\.py, line \d+\)"
    assert re.fullmatch(text, str(report.failed[0].error))
    assert isinstance(report.failed[0].error.__cause__, ZeroDivisionError)


@both_engines
def test_another_process_uploads_paths_and_bytes_and_refuses_what_cannot_go_there(
    call: Call, raw_server: RawServer, tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_bytes(b"a")
    done: list[UploadProgress] = []
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor:
        report: UploadReport = call(
            raw_server.base_url,
            "upload_files",
            SESSION,
            [tmp_path / "a.txt", ("b.txt", b"bb"), ("c.txt", io.BytesIO(b"c")), tmp_path / "missing.txt"],
            executor=executor,
            on_progress=done.append,
            checksum=True,
        )
    assert [uploaded.name for uploaded in report.uploaded] == ["a.txt", "b.txt"]
    assert [uploaded.sha256 for uploaded in report.uploaded] == [sha256(b"a").hexdigest(), sha256(b"bb").hexdigest()]
    assert [failed.index for failed in report.failed] == [2, 3]
    assert "pass paths, URLs or bytes" in str(report.failed[0].error)
    assert "does not exist" in str(report.failed[1].error)
    assert sorted((progress.name, progress.sent, progress.total) for progress in done) == [
        ("a.txt", 1, 1),
        ("b.txt", 2, 2),
    ]


@pytest.mark.parametrize("call", [SyncCall(httpx.Client), AsyncCall(httpx.AsyncClient)], ids=["sync", "async"])
@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_no_executor_goes_past_a_client_that_was_passed_in(
    call: Call, kind: type[Executor], raw_server: RawServer
) -> None:
    http = {"headers": {"X-Team": "billing"}}
    with kind() as executor:
        arguments = (raw_server.base_url, "upload_files", SESSION, {"a": b"a"})
        if isinstance(call, SyncCall) and kind is ThreadPoolExecutor:
            call(*arguments, executor=executor, http=http)
            assert raw_server.requests[0].headers["X-Team"] == "billing"
            return
        with pytest.raises(InvalidArgument, match="not through the http_client"):
            call(*arguments, executor=executor, http=http)
    assert raw_server.connections == 0


class Dying(Executor):
    """Loses its worker with the first file, as `ProcessPoolExecutor` does, and takes no other then."""

    def __init__(self) -> None:
        self._dead = False

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        if self._dead:
            raise BrokenExecutor("its worker has died")
        self._dead = True
        future = Future[Any]()
        future.set_exception(BrokenExecutor("its worker died"))
        return future


@both_engines
def test_what_became_of_a_file_in_a_worker_that_died_is_not_known(call: Call, raw_server: RawServer) -> None:
    files = {"a": b"a", "b": b"b", "c": b"c"}
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files, executor=Dying(), concurrency=1)
    assert isinstance(report.failed[0].error, OutcomeUnknown)
    assert "'a' may have been uploaded: BrokenExecutor: its worker died" in str(report.failed[0].error)
    assert [failed.name for failed in report.failed] == ["a", "b", "c"]
    for refused in report.failed[1:]:
        assert f"{refused.name!r} was not uploaded: BrokenExecutor: its worker has died" in str(refused.error)


class Breaking(Executor):
    """Ends each upload by `error`: Ctrl-C, which reaches all processes of a terminal, or by cancelling it."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def submit(self, function: Any, /, *arguments: Any, **options: Any) -> Future[Any]:
        future = Future[Any]()
        future.set_exception(self._error)
        return future


@both_engines
@pytest.mark.parametrize("error", [KeyboardInterrupt(), CancelledError()], ids=lambda error: type(error).__name__)
def test_what_ends_an_upload_in_another_process_does_not_lose_the_report(
    call: Call, error: BaseException, raw_server: RawServer
) -> None:
    files = {"a": b"a", "b": b"b"}
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files, executor=Breaking(error))
    assert [type(failed.error) for failed in report.failed] == [OutcomeUnknown] * 2
    assert re.search(rf"'a' may have been uploaded: .*{type(error).__name__}", str(report.failed[0].error))
    with pytest.raises(UploadsFailed, match=r"^2 of 2 files failed; the first is number 1: 'a' may have been"):
        report.raise_for_failures()


@both
@pytest.mark.filterwarnings("error")
def test_a_warning_that_is_an_error_does_not_say_that_a_file_is_not_there(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(201)]
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, {"a": b"a", "b": b"b"}, concurrency=1)
    assert "'a' may have been uploaded: ContractDrift" in str(report.failed[0].error)
    assert [uploaded.name for uploaded in report.uploaded] == ["b"]


@both
def test_the_key_is_in_no_text_of_a_report(call: Call, raw_server: RawServer) -> None:
    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, iter([(f"{KEY}/a", b"x")]))
    with pytest.raises(UploadsFailed) as caught:
        report.raise_for_failures()
    assert [KEY in text for text in (str(caught.value), str(report.failed[0].error))] == [False, False]


class NoPath:
    def __fspath__(self) -> str:
        raise LookupError("it is not mounted")


@both
def test_what_can_be_no_file_is_a_failure_of_its_own_among_others_that_are_drawn(
    call: Call, raw_server: RawServer
) -> None:
    def files() -> Iterator[Any]:
        yield "a.txt", b"1"
        yield "b.txt", b"2", 123
        yield 7
        yield NoPath()
        yield "c.txt", b"3"

    report: UploadReport = call(raw_server.base_url, "upload_files", SESSION, files())
    assert [uploaded.name for uploaded in report.uploaded] == ["a.txt", "c.txt"]
    kinds = [(failed.index, type(failed.error)) for failed in report.failed]
    assert kinds == [(1, InvalidArgument), (2, SourceError), (3, AnchorUploadsError)]
    text = r"file 4 was not uploaded: LookupError: it is not mounted \(test_batch\.py, line \d+\)"
    assert re.fullmatch(text, str(report.failed[2].error))


@both
def test_no_option_of_a_batch_is_found_wrong_only_with_its_files(call: Call, raw_server: RawServer) -> None:
    with pytest.raises(InvalidArgument, match="checksum"):
        call(raw_server.base_url, "upload_files", SESSION, {"a": b"a"}, checksum="yes")
    assert raw_server.connections == 0


def test_files_that_have_to_be_awaited_are_refused_by_the_sync_client(raw_server: RawServer) -> None:
    async def files() -> AsyncIterator[Any]:
        yield "a", b"a"

    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        pytest.raises(InvalidArgument, match="AsyncUploadClient"),
    ):
        client.upload_files(SESSION, files())  # type: ignore[arg-type]


def test_a_pool_of_threads_that_is_passed_in_takes_any_source_and_stays_open(raw_server: RawServer) -> None:
    with ThreadPoolExecutor(2) as executor, UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        report = client.upload_files(SESSION, [("a", io.BytesIO(b"a"))], executor=executor)
        assert executor.submit(int).result() == 0
    assert len(report.uploaded) == 1


def test_the_async_client_takes_a_pool_of_threads_and_any_source_in_it(raw_server: RawServer) -> None:
    calls: list[UploadProgress] = []

    async def run() -> UploadReport:
        with ThreadPoolExecutor(2) as executor:
            async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
                files = {"a": io.BytesIO(b"a"), "b": iter([b"b", b"c"])}
                return await client.upload_files(SESSION, files, executor=executor, on_progress=calls.append)

    report = asyncio.run(run())
    assert [uploaded.name for uploaded in report.uploaded] == ["a", "b"]
    assert sorted(request.part()[1] for request in raw_server.requests) == [b"a", b"bc"]
    assert sorted((call.name, call.sent) for call in calls) == [("a", 1), ("b", 2)]


def read_on_and_answer(exchange: Exchange) -> None:
    exchange.read_on()
    answer()(exchange)


def interrupted_once(begun: threading.Event, name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    yield name, content
    assert begun.wait(10)
    # As if Ctrl-C came while the next file is drawn.
    raise KeyboardInterrupt


def test_a_batch_that_is_stopped_ends_what_is_in_its_midst(raw_server: RawServer) -> None:
    begun = threading.Event()

    def read_slowly(exchange: Exchange) -> None:
        exchange.read(1)
        begun.set()
        read_on_and_answer(exchange)

    raw_server.script = [read_slowly]
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        pytest.raises(UploadsInterrupted) as caught,
    ):
        client.upload_files(SESSION, interrupted_once(begun, "a.bin", bytes(50_000_000)), concurrency=2)
    raw_server.settle()
    assert caught.value.report == UploadReport((), ())
    assert not raw_server.requests[0].complete


def test_ctrl_c_while_the_threads_end_does_not_lose_the_report(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutdown = ThreadPoolExecutor.shutdown

    def interrupted(*arguments: Any, **options: Any) -> None:
        shutdown(*arguments, **options)
        raise KeyboardInterrupt

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", interrupted)
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        pytest.raises(UploadsInterrupted) as caught,
    ):
        client.upload_files(SESSION, {"a": b"a"})
    assert [uploaded.name for uploaded in caught.value.report.uploaded] == ["a"]


@pytest.mark.parametrize("waits_for", ["the next attempt", "a pipe"])
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this platform")
def test_a_batch_that_is_stopped_waits_for_nothing_but_answers(
    waits_for: str, raw_server: RawServer, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    begun = threading.Event()

    def refuse(exchange: Exchange) -> None:
        exchange.read()
        exchange.reply(503, b"{}", {"Retry-After": "60"})
        begun.set()

    raw_server.script = [refuse]
    waiting: Any = ("a.bin", b"1") if waits_for == "the next attempt" else ("a.bin", tmp_path / "pipe")

    def files() -> Iterator[Any]:
        yield waiting
        begun.wait(5 if waits_for == "the next attempt" else 0.3)
        raise KeyboardInterrupt

    started = time.monotonic()
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        pytest.raises(UploadsInterrupted) as caught,
    ):
        client.upload_files(SESSION, files(), concurrency=2)
    assert time.monotonic() - started < 15
    # What was tried is told of, as it ended.
    told = [type(failed.error) for failed in caught.value.report.failed]
    assert told == ([ServerError] if waits_for == "the next attempt" else [])


class Hesitant(httpx.HTTPTransport):
    """Sends the body at once, but asks only after a while whether there is more of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = threading.Event()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.stream = Hesitating(request.stream, self.sent)
        return super().handle_request(request)


class Hesitating(httpx.SyncByteStream):
    def __init__(self, blocks: Any, sent: threading.Event) -> None:
        self._blocks = blocks
        self._sent = sent

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            yield block
            self._sent.set()
            time.sleep(0.5)


def test_what_has_left_whole_when_a_batch_is_stopped_is_in_its_report(raw_server: RawServer) -> None:
    transport = Hesitant()
    with (
        httpx.Client(transport=transport) as own,
        UploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own) as client,
        pytest.raises(UploadsInterrupted) as caught,
    ):
        client.upload_files(SESSION, interrupted_once(transport.sent, "a.bin", bytes(1000)), concurrency=2)
    assert [uploaded.name for uploaded in caught.value.report.uploaded] == ["a.bin"]
    assert [request.complete for request in raw_server.requests] == [True]


INTERRUPTED = """
import signal, sys
# In the background, shells start programs that do not hear it.
signal.signal(signal.SIGINT, signal.default_int_handler)
from anchor_uploads import UploadClient, UploadsInterrupted
with UploadClient(api_key="key", base_url=sys.argv[1]) as client:
    files = ((f"{n}.bin", bytes(1000)) for n in range(1_000_000))
    try:
        client.upload_files(sys.argv[2], files)
    except UploadsInterrupted as interrupted:
        print(len(interrupted.report.uploaded), len(interrupted.report.failed))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C cannot be sent to one process on Windows")
def test_ctrl_c_stops_a_batch_and_tells_what_was_done(raw_server: RawServer) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, raw_server.base_url, SESSION], stdout=subprocess.PIPE, text=True
    )
    while len(raw_server.requests) < 20:
        assert process.poll() is None
        threading.Event().wait(0.01)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)

    uploaded, failed = map(int, output.split())
    raw_server.settle()
    assert (uploaded, failed) == (sum(request.complete for request in raw_server.requests), 0)


@pytest.mark.parametrize("what", ["a batch", "a pipe, with a deadline"])
def test_waiting_is_in_short_turns_since_windows_hears_ctrl_c_only_between_them(
    what: str, raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait, waits = threading.Event.wait, list[Any]()

    def noted(event: threading.Event, timeout: float | None = None) -> bool:
        started = sys._getframe(1).f_code is threading.Thread.start.__code__
        if threading.current_thread() is threading.main_thread() and not started:
            waits.append(timeout)
        return wait(event, timeout)

    class Noting(SimpleQueue[Any]):
        def get(self, block: bool = True, timeout: float | None = None) -> Any:
            waits.append(timeout)
            return super().get(block, timeout)

    ours, theirs = os.pipe()
    with (
        UploadClient(api_key=KEY, base_url=raw_server.base_url) as client,
        open(ours, "rb") as pipe,
        open(theirs, "wb") as writer,
    ):
        raw_server.script = [answer(delay=1)]
        closing = threading.Timer(1, writer.close)
        closing.start()
        with monkeypatch.context() as noting:
            noting.setattr(threading.Event, "wait", noted)
            noting.setattr("anchor_uploads._batch.SimpleQueue", Noting)
            if what == "a batch":
                client.upload_files(SESSION, [("a.bin", b"x")])
            else:
                client.upload_file(SESSION, pipe, filename="a.bin", deadline=60)
        closing.join()

    assert len(waits) > 1
    assert all(timeout is not None and timeout <= 1 for timeout in waits)


def test_cancelling_an_async_batch_leaves_the_client_usable(raw_server: RawServer) -> None:
    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            files = ((f"{n}.bin", bytes(1000)) for n in range(1_000_000))
            batch = asyncio.ensure_future(client.upload_files(SESSION, files))
            while len(raw_server.requests) < 20:
                await asyncio.sleep(0.01)
            batch.cancel()
            with pytest.raises(asyncio.CancelledError):
                await batch
            assert (await client.upload_file(SESSION, b"x", filename="after.bin")).size == 1

    asyncio.run(run())


def test_a_dask_cluster_runs_a_batch(raw_server: RawServer, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    paths = [tmp_path / f"{index}.bin" for index in range(6)]
    for path in paths:
        path.write_bytes(path.name.encode() * 1000)
    cluster = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    )
    with cluster, distributed.Client(cluster) as dask, dask.get_executor() as executor:
        report = call_sync_batch(raw_server, [*paths, tmp_path / "missing.bin"], executor)

    assert [uploaded.name for uploaded in report.uploaded] == [path.name for path in paths]
    assert [failed.name for failed in report.failed] == ["missing.bin"]
    sent = {request.part()[1] for request in raw_server.requests}
    assert sent == {path.read_bytes() for path in paths}


def call_sync_batch(server: RawServer, files: Any, executor: Any) -> UploadReport:
    with UploadClient(api_key=KEY, base_url=server.base_url) as client:
        return client.upload_files(SESSION, files, executor=executor)
