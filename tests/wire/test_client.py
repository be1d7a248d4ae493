"""The clients around an upload: progress, cancellation, threads, forks, other transports, TLS, and the log."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import ssl
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from anyio.streams.tls import TLSStream

from anchor_uploads import (
    AsyncUploadClient,
    FileTooLarge,
    InvalidArgument,
    SourceError,
    TimedOut,
    UnexpectedResponse,
    UploadClient,
    UploadedFile,
    UploadProgress,
)
from support.raw_server import Exchange, RawServer, answer, answer_early
from support.tunnel import Tunnel
from support.twins import KEY, SESSION, AsyncCall, Call, SyncCall, both, call_async


@both
def test_progress_is_monotone_and_ends_exactly_at_the_total_in_each_attempt(call: Call, raw_server: RawServer) -> None:
    raw_server.script = [answer(503, b"", {"Retry-After": "0"})]
    calls: list[UploadProgress] = []

    call(
        raw_server.base_url,
        "upload_file",
        SESSION,
        bytes(5_000_000),
        filename="a.bin",
        on_progress=calls.append,
        client={"progress_interval": 0},
    )

    for attempt in (1, 2):
        sent = [progress.sent for progress in calls if progress.attempt == attempt]
        assert len(sent) == len(set(sent)) > 2
        assert sent == sorted(sent)
        assert sent[-1] == 5_000_000
    assert {(progress.name, progress.total) for progress in calls} == {("a.bin", 5_000_000)}


@both
def test_progress_comes_seldom_unless_asked(call: Call, raw_server: RawServer) -> None:
    calls: list[UploadProgress] = []
    started = time.monotonic()
    call(raw_server.base_url, "upload_file", SESSION, bytes(50_000_000), filename="a", on_progress=calls.append)
    assert 2 <= len(calls) <= 20 * (time.monotonic() - started) + 3


@both
def test_an_empty_file_has_progress_too(call: Call, raw_server: RawServer) -> None:
    calls: list[UploadProgress] = []
    call(raw_server.base_url, "upload_file", SESSION, b"", filename="a", on_progress=calls.append)
    assert calls == [UploadProgress("a", 0, 0, 1), UploadProgress("a", 0, 0, 1)]


@both
@pytest.mark.parametrize("method", ["upload_file", "upload_files"])
def test_what_on_progress_raises_at_once_keeps_all_of_a_small_file_from_being_sent(
    method: str, call: Call, raw_server: RawServer
) -> None:
    def refuse(_progress: UploadProgress) -> None:
        raise ZeroDivisionError

    file: Any = ("a", b"one block") if method == "upload_file" else {"a": b"one block"}
    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, method, SESSION, file, on_progress=refuse)
    assert raw_server.connections == 0


@both
@pytest.mark.parametrize("method", ["upload_file", "upload_files"])
def test_an_on_progress_that_has_to_be_awaited_is_awaited_or_refused(
    method: str, call: Call, raw_server: RawServer
) -> None:
    heard: list[int] = []

    async def on_progress(progress: UploadProgress) -> None:
        heard.append(-progress.sent)
        await asyncio.sleep(0.01)
        heard.append(progress.sent)

    file: Any = ("a", b"12345") if method == "upload_file" else dict.fromkeys(map(str, range(30)), b"12345")
    if isinstance(call, SyncCall):
        with pytest.raises(InvalidArgument, match="use AsyncUploadClient"):
            call(raw_server.base_url, method, SESSION, file, on_progress=on_progress)
        assert raw_server.connections == 0
    else:
        call(raw_server.base_url, method, SESSION, file, on_progress=on_progress)
        # One call at a time, also of several files.
        assert sorted(heard[::2]) == sorted(-sent for sent in heard[1::2])
        assert [-sent for sent in heard[::2]] == heard[1::2]
        assert heard[-1] == 5
        # Nor does it cost a connection.
        assert raw_server.connections <= 4


WRONG = {
    "upload_file": {
        "filename": [5, b"a"],
        "content_type": [5],
        "on_progress": ["x", 5],
        "checksum": ["x", None],
        "timeout": ["x", -1, (1, 2)],
        "deadline": ["x", 0, [], -(10**400)],
        "max_retries": [1.5, -1, "x"],
        "retry_unknown": ["x", 1],
    },
    "upload_files": {"concurrency": [0, "x", 10**400, True], "on_progress": ["x"], "executor": [5], "files": [5, None]},
    "client": {
        "http_client": [5, httpx],
        "progress_interval": ["x", -1],
        "base_url": ["", 5, b"http://h"],
        "api_key": [5, b"k"],
        "timeout": ["x"],
    },
}


@both
@pytest.mark.parametrize(
    ("method", "argument", "value"),
    [
        pytest.param(method, argument, value, id=f"{method}-{argument}-{value!r:.20}")
        for method, arguments in WRONG.items()
        for argument, values in arguments.items()
        for value in values
    ],
)
def test_an_argument_of_a_wrong_kind_is_refused_by_its_name(
    method: str, argument: str, value: Any, call: Call, raw_server: RawServer
) -> None:
    options: dict[str, Any] = {argument: value}
    with pytest.raises(InvalidArgument, match=r"api_key=|API key" if argument == "api_key" else argument):
        if method == "client":
            kind = UploadClient if isinstance(call, SyncCall) else AsyncUploadClient
            kind(**{"api_key": KEY, "base_url": raw_server.base_url, **options})
        elif method == "upload_file":
            call(raw_server.base_url, method, SESSION, b"x", **{"filename": "a", **options})
        else:
            call(raw_server.base_url, method, SESSION, options.pop("files", {"a": b"x"}), **options)
    assert raw_server.connections == 0


@both
def test_times_without_end_are_for_ever(call: Call, raw_server: RawServer) -> None:
    client = {"timeout": 10**400, "deadline": 10**400, "progress_interval": 10**400}
    assert call(raw_server.base_url, "upload_file", SESSION, b"x", filename="a", client=client).size == 1


def test_a_client_of_the_other_kind_is_refused() -> None:
    with httpx.Client() as own, pytest.raises(InvalidArgument, match=r"httpx\.AsyncClient, not Client"):
        AsyncUploadClient(api_key=KEY, http_client=own)  # type: ignore[arg-type]


@both
def test_what_on_progress_raises_aborts_the_upload_and_nothing_is_saved(call: Call, raw_server: RawServer) -> None:
    def give_up(progress: UploadProgress) -> None:
        if progress.sent:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(raw_server.base_url, "upload_file", SESSION, bytes(50_000_000), filename="a", on_progress=give_up)
    raw_server.settle()
    assert not any(request.complete for request in raw_server.requests)


def test_on_progress_of_the_async_client_runs_on_the_event_loop(raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(1_000_000))
    threads = set()

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url, progress_interval=0) as client:
            await client.upload_file(
                SESSION, tmp_path / "a.bin", on_progress=lambda _progress: threads.add(threading.get_ident())
            )

    asyncio.run(run())
    assert threads == {threading.get_ident()}


def test_cancelling_an_upload_closes_file_and_connection_and_leaves_the_client_usable(
    raw_server: RawServer, tmp_path: Path
) -> None:
    def stall(exchange: Exchange) -> None:
        while exchange.open and exchange.request.received < exchange.length:
            exchange.read(exchange.request.received + 1_000_000)
            time.sleep(0.01)

    raw_server.script = [stall]
    (tmp_path / "a.bin").write_bytes(bytes(50_000_000))

    def open_files() -> set[str]:
        directory = Path("/proc/self/fd")
        return {os.readlink(each) for each in directory.iterdir() if each.exists()} if directory.exists() else set()

    async def closed() -> None:
        while str(tmp_path / "a.bin") in open_files():
            await asyncio.sleep(0.01)

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            upload = asyncio.ensure_future(client.upload_file(SESSION, tmp_path / "a.bin"))
            while not raw_server.requests or raw_server.requests[0].received < 1_000_000:
                await asyncio.sleep(0.01)
            upload.cancel()
            with pytest.raises(asyncio.CancelledError):
                await upload
            # A thread may be in the midst of the block that is read ahead; it closes the file then.
            await asyncio.wait_for(closed(), 10)
            assert (await client.upload_file(SESSION, b"x", filename="after.bin")).size == 1

    asyncio.run(run())
    assert not raw_server.requests[0].complete


def test_cancelling_while_a_stream_is_copied_leaves_no_temporary_file(
    raw_server: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless() -> Any:
        while True:
            yield bytes(1_000_000)
            await asyncio.sleep(0)

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(client.upload_file(SESSION, endless(), filename="a"), 0.2)

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asyncio.run(run())
    assert not list(tmp_path.iterdir())
    assert raw_server.connections == 0


def test_one_client_serves_many_threads(raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client, ThreadPoolExecutor(8) as threads:
        contents = [str(number).encode() * 1000 for number in range(100)]
        list(threads.map(lambda content: client.upload_file(SESSION, content, filename="a"), contents))
    assert {request.part()[1] for request in raw_server.requests} == set(contents)
    assert raw_server.connections <= 8


def upload_in_child(client: UploadClient) -> None:
    client.upload_file(SESSION, b"from the child", filename="child.txt")


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="fork is not to be had, or not safe, on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_client_may_be_used_on_both_sides_of_a_fork(raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        client.upload_file(SESSION, b"before", filename="before.txt")
        child = multiprocessing.get_context("fork").Process(target=upload_in_child, args=(client,))
        child.start()
        client.upload_file(SESSION, b"from the parent", filename="parent.txt")
        child.join(20)
        assert child.exitcode == 0
        client.upload_file(SESSION, b"after", filename="after.txt")

    by_content = {request.part()[1]: request.connection for request in raw_server.requests}
    assert by_content[b"before"] == by_content[b"from the parent"] == by_content[b"after"]
    assert by_content[b"from the child"] != by_content[b"before"]


def upload_what_is_read_in_a_thread(client: UploadClient, content: bytes) -> None:
    client.upload_file(SESSION, iter([content]), filename="a", deadline=10)


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="fork is not to be had, or not safe, on this platform")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_what_is_read_in_a_thread_is_read_in_a_forked_process_too(raw_server: RawServer) -> None:
    with UploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
        upload_what_is_read_in_a_thread(client, b"parent")
        child = multiprocessing.get_context("fork").Process(
            target=upload_what_is_read_in_a_thread, args=(client, b"child")
        )
        child.start()
        child.join(20)
        assert child.exitcode == 0
    assert [request.part()[1] for request in raw_server.requests] == [b"parent", b"child"]


def test_a_cancelled_block_does_not_wait_for_ever_for_a_service_that_does_not_end_its_session(
    raw_server: RawServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("anchor_uploads.client._FAREWELL_SECONDS", 0.3)
    raw_server.script = [answer(200, {"data": {"id": SESSION}}), lambda exchange: exchange.wait(25)]

    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(hold(client), 0.1)

    async def hold(client: AsyncUploadClient) -> None:
        async with client.session():
            await asyncio.sleep(25)

    started = time.monotonic()
    asyncio.run(run())
    assert time.monotonic() - started < 15
    assert raw_server.requests[1].request_line.startswith("DELETE")


def test_a_client_that_was_passed_in_is_used_and_not_closed(raw_server: RawServer) -> None:
    with httpx.Client(headers={"x-own": "1"}, follow_redirects=True) as own:
        with UploadClient(api_key=KEY, base_url=raw_server.base_url, http_client=own) as client:
            client.upload_file(SESSION, b"x", filename="a")
            raw_server.script = [answer(307, b"", {"Location": raw_server.base_url + "/elsewhere"})]
            with pytest.raises(UnexpectedResponse, match="redirect"):
                client.upload_file(SESSION, b"x", filename="a")
        assert not own.is_closed
    assert len(raw_server.requests) == 2


def test_an_upload_can_go_through_a_proxy(raw_server: RawServer) -> None:
    with (
        httpx.Client(proxy=raw_server.base_url) as own,
        UploadClient(api_key=KEY, base_url="http://api.example", http_client=own) as client,
    ):
        client.upload_file(SESSION, b"x", filename="a")
    assert raw_server.requests[0].request_line == f"POST http://api.example/v1/sessions/{SESSION}/uploads HTTP/1.1"


def refuse_and_keep_open(exchange: Exchange) -> None:
    exchange.reply(413, b"{}")
    exchange.wait(5)
    exchange.open = False


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_an_early_answer_is_seen_on_a_connection_to_a_proxy_that_its_owner_made(
    twin: str, raw_server: RawServer
) -> None:
    raw_server.script = [answer(), refuse_and_keep_open]
    settings = {"api_key": KEY, "base_url": "http://api.example", "timeout": 1, "max_retries": 0}
    upload = {"session_id": SESSION, "file": bytes(50_000_000), "filename": "a"}

    async def run() -> None:
        async with (
            httpx.AsyncClient(proxy=raw_server.base_url) as own,
            AsyncUploadClient(http_client=own, **settings) as client,
        ):
            await own.get("http://api.example/x")
            await client.upload_file(**upload)

    with pytest.raises(FileTooLarge):
        if twin == "async":
            asyncio.run(run())
        else:
            with (
                httpx.Client(proxy=raw_server.base_url) as own,
                UploadClient(http_client=own, **settings) as client,
            ):
                own.get("http://api.example/x")
                client.upload_file(**upload)
    assert raw_server.connections == 1


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls_server(authority: trustme.CA) -> Any:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with RawServer(tls=context) as server:
        yield server


def upload_over_tls(twin: str, server: RawServer, authority: trustme.CA, *contents: Any) -> list[UploadedFile]:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    base_url = f"https://localhost:{server.port}"
    if twin == "sync":
        with (
            httpx.Client(verify=context) as own,
            UploadClient(api_key=KEY, base_url=base_url, http_client=own) as client,
        ):
            return [client.upload_file(SESSION, content, filename="a") for content in contents]

    async def run() -> list[UploadedFile]:
        async with (
            httpx.AsyncClient(verify=context) as own,
            AsyncUploadClient(api_key=KEY, base_url=base_url, http_client=own) as client,
        ):
            return [await client.upload_file(SESSION, content, filename="a") for content in contents]

    return asyncio.run(run())


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_uploads_over_tls_arrive_whole_on_one_connection(
    twin: str, tls_server: RawServer, authority: trustme.CA
) -> None:
    # TLS 1.3 servers send session tickets unasked, which must not be taken for an answer.
    contents = [bytes(20_000_000), b"", os.urandom(3_000_000)]
    upload_over_tls(twin, tls_server, authority, *contents)
    assert [request.part()[1] for request in tls_server.requests] == contents
    assert tls_server.connections == 1


@pytest.fixture(params=[False, True], ids=["http proxy", "https proxy"])
def tunnelled(
    request: pytest.FixtureRequest, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> Iterator[RawServer]:
    """The server of api.example, to which a proxy leads."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "api.example").configure_cert(context)
    with (
        RawServer(tls=context) as server,
        Tunnel(server.port, context if request.param else None) as tunnel,
        authority.cert_pem.tempfile() as trusted,
    ):
        monkeypatch.setenv("HTTPS_PROXY", tunnel.url)
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        yield server
        server.settle()
    assert set(tunnel.asked) == {"CONNECT api.example:443 HTTP/1.1"}


default_engines = pytest.mark.parametrize("call", [SyncCall(), call_async], ids=["sync", "async"])


@default_engines
def test_uploads_go_through_a_tunnel_and_an_early_answer_comes_back(call: Call, tunnelled: RawServer) -> None:
    tunnelled.script = [answer(), *[answer_early(413, {}, after=1000)] * 3]
    content = os.urandom(3_000_000)
    call("https://api.example", "upload_file", SESSION, content, filename="a")
    assert tunnelled.requests[0].part()[1] == content
    with pytest.raises(FileTooLarge):
        call("https://api.example", "upload_file", SESSION, bytes(50_000_000), filename="a")


def read_and_then_stop(exchange: Exchange) -> None:
    for _ in range(25):
        exchange.read(exchange.request.received + 1_000_000)
        exchange.wait(0.1)
    exchange.wait()


@default_engines
def test_a_deadline_counts_from_the_start_also_for_what_a_tunnel_takes_no_more(
    call: Call, tunnelled: RawServer
) -> None:
    tunnelled.script = [read_and_then_stop]
    started = time.monotonic()
    with pytest.raises(TimedOut):
        call("https://api.example", "upload_file", SESSION, bytes(100_000_000), filename="a", deadline=3)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("twin", ["sync", "async"])
@pytest.mark.parametrize("before", [0, 1], ids=["new connection", "used connection"])
def test_an_early_answer_over_tls_is_the_one_to_see(
    twin: str, before: int, tls_server: RawServer, authority: trustme.CA
) -> None:
    # A reset that overtakes the answer loses it now and then; the client then asks again, and hears it again.
    tls_server.script = [answer()] * before + [answer_early(413, {}, after=1000)] * 3
    with pytest.raises(FileTooLarge):
        upload_over_tls(twin, tls_server, authority, *[b"x"] * before, bytes(50_000_000))


def test_a_tls_connection_that_ends_in_the_midst_of_a_block_is_made_anew(
    tls_server: RawServer, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = TLSStream.send
    blocks = []

    async def send_after_the_end(stream: TLSStream, item: bytes) -> None:
        blocks.append(item)
        if len(blocks) == 3:
            # As anyio does once the listening task has met an end that came unannounced.
            stream._read_bio.write_eof()
            stream._write_bio.write_eof()
        await send(stream, item)

    monkeypatch.setattr(TLSStream, "send", send_after_the_end)
    with authority.cert_pem.tempfile() as path:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        url = f"https://localhost:{tls_server.port}"
        uploaded = call_async(url, "upload_file", SESSION, bytes(5_000_000), filename="a")
    assert uploaded.attempts == 2


@both
def test_one_line_is_logged_for_each_attempt_and_no_secret(
    call: Call, raw_server: RawServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="anchor_uploads")
    raw_server.script = [answer(503, b"", {"Retry-After": "0"})]
    started = time.monotonic()
    call(raw_server.base_url, "upload_file", SESSION, b"x", filename="a.bin")
    seconds = time.monotonic() - started

    lines = [record.getMessage() for record in caplog.records if record.name == "anchor_uploads"]
    assert [line for line in lines if "attempt 1: answered with 503" in line]
    assert [line for line in lines if "attempt 2: answered with 200" in line]
    logged = [float(line.split(" after ")[1].removesuffix(" s")) for line in lines if "answered" in line]
    assert sum(logged) < seconds + 0.01
    assert KEY not in caplog.text


@both
def test_an_upload_that_fails_leaves_no_file_open(call: Call, raw_server: RawServer, tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"x")
    raw_server.script = [answer(400, {})]
    with pytest.raises(Exception, match="400"):
        call(raw_server.base_url, "upload_file", SESSION, tmp_path / "a.bin")
    (tmp_path / "a.bin").unlink()


@both
def test_a_directory_and_a_device_say_what_they_are(call: Call, raw_server: RawServer, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is a directory"):
        call(raw_server.base_url, "upload_file", SESSION, f"{tmp_path}{os.sep}")
    if Path("/dev/zero").exists():
        with pytest.raises(SourceError, match="device"):
            call(raw_server.base_url, "upload_file", SESSION, "/dev/zero")


def test_what_a_hook_of_a_passed_in_client_raises_of_this_package_goes_on_as_it_is(raw_server: RawServer) -> None:
    refused = InvalidArgument("not to this service")

    def refuse(_request: httpx.Request) -> None:
        raise refused

    async def refuse_async(_request: httpx.Request) -> None:
        raise refused

    calls: list[tuple[Call, Any]] = [
        (SyncCall(httpx.Client), refuse),
        (AsyncCall(httpx.AsyncClient), refuse_async),
    ]
    for call, hook in calls:
        with pytest.raises(InvalidArgument) as caught:
            call(
                raw_server.base_url,
                "upload_file",
                SESSION,
                b"x",
                filename="a",
                http={"event_hooks": {"request": [hook]}},
            )
        assert caught.value is refused
    assert raw_server.connections == 0


def test_an_answer_that_is_not_read_to_its_end_leaves_the_pool_of_a_passed_in_client_free(
    raw_server: RawServer,
) -> None:
    long = answer(200, b" " * 300_000)
    raw_server.script = [long, answer(), long, answer()]
    one: dict[str, Any] = {"limits": httpx.Limits(max_connections=1), "timeout": 5}
    settings: dict[str, Any] = {"api_key": KEY, "base_url": raw_server.base_url}

    async def run() -> None:
        async with httpx.AsyncClient(**one) as own:
            with pytest.raises(UnexpectedResponse):
                await AsyncUploadClient(**settings, http_client=own).upload_file(SESSION, b"x", filename="a")
            assert (await own.get(raw_server.base_url)).status_code == 200

    with httpx.Client(**one) as own:
        with pytest.raises(UnexpectedResponse):
            UploadClient(**settings, http_client=own).upload_file(SESSION, b"x", filename="a")
        assert own.get(raw_server.base_url).status_code == 200
    asyncio.run(run())
