"""Peak memory does not grow with the file, and nothing of it stays when the call is over."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import os
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import Any

import anyio
import httpx
import pytest
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import AnchorUploadsError, AsyncUploadClient, UploadClient
from support.raw_server import Behaviour, Exchange, RawServer, answer, answer_early, reset
from support.twins import KEY, SESSION, abort_what_is_closing

MIB = 1024 * 1024


def peak(twin: str, kind: str, size: int) -> int:
    with RawServer(keep=False) as server:
        process = subprocess.run(
            [sys.executable, "-m", "benchmark.programs.memory", kind, server.base_url, str(size), twin],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
        assert process.returncode == 0, process.stderr
        (request,) = server.requests
        assert request.complete
        assert request.received > size
        return int(json.loads(process.stdout)["memory"])


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_a_gibibyte_from_a_path_takes_no_more_memory_than_a_kibibyte(twin: str) -> None:
    assert abs(peak(twin, "path", 1024 * MIB) - peak(twin, "path", 1024)) < 16 * MIB


@pytest.mark.parametrize("kind", ["pipe", "generator"])
@pytest.mark.parametrize("twin", ["sync", "async"])
def test_what_has_no_length_is_copied_with_bounded_memory(twin: str, kind: str) -> None:
    assert abs(peak(twin, kind, 100 * MIB) - peak(twin, kind, 1024)) < 16 * MIB


class InMemory(bytearray):
    """Bytes of which can be told whether somebody has them still."""


class InFile(io.BytesIO):
    """The same as a file object."""


def refuse_to_go_on(_progress: object) -> None:
    raise ZeroDivisionError


def say_nothing(exchange: Exchange) -> None:
    exchange.read()
    exchange.open = False


ENDS: dict[str, tuple[list[Behaviour], dict[str, Any]]] = {
    "a success": ([answer()], {}),
    "a success in the end": ([answer(503, b"", {"Retry-After": "0"}), answer()], {}),
    "a refusal": ([answer(401, b"{}")], {}),
    "an early refusal": ([answer_early(413, {}, after=1000)] * 3, {}),
    "a failure to the last": ([answer(503, b"", {"Retry-After": "0"})] * 3, {}),
    "a connection that breaks": ([reset(after=1000)] * 3, {}),
    "no answer": ([say_nothing], {}),
    "a caller's error": ([], {"on_progress": refuse_to_go_on}),
}


def hooked() -> httpx.Client:
    return httpx.Client(event_hooks={"response": [httpx.Response.raise_for_status]})


def hooked_async() -> httpx.AsyncClient:
    async def raise_for_status(response: httpx.Response) -> None:
        response.raise_for_status()

    return httpx.AsyncClient(event_hooks={"response": [raise_for_status]})


ENGINES: dict[str, Any] = {
    "sync": None,
    "sync, passed in": httpx.Client,
    "sync, with a hook": hooked,
    "async": None,
    "async, passed in": httpx.AsyncClient,
    "async, with a hook": hooked_async,
    "aiohttp, passed in": HttpxAiohttpClient,
}


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("kind", [InMemory, InFile])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_call_that_is_over_holds_nothing_of_the_file(
    engine: str, end: str, kind: type[InMemory | InFile], raw_server: RawServer
) -> None:
    raw_server.script, options = ENDS[end]
    settings = {"api_key": KEY, "base_url": raw_server.base_url}
    options = {"filename": "a.bin", **options}

    def run() -> bool:
        with ExitStack() as stack:
            http = stack.enter_context(ENGINES[engine]()) if ENGINES[engine] else None
            client = stack.enter_context(UploadClient(**settings, http_client=http))
            file = kind(bytes(3_000_000))
            held = weakref.ref(file)
            with suppress(AnchorUploadsError, ZeroDivisionError):
                client.upload_file(SESSION, file, **options)
            del file
            return held() is not None

    async def run_async() -> bool:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(ENGINES[engine]()) if ENGINES[engine] else None
            client = await stack.enter_async_context(AsyncUploadClient(**settings, http_client=http))
            file = kind(bytes(3_000_000))
            held = weakref.ref(file)
            with suppress(AnchorUploadsError, ZeroDivisionError):
                await client.upload_file(SESSION, file, **options)
            del file
            for _turn in range(100):
                # A thread that has read ahead may be about to let go of it.
                if held() is None:
                    break
                await asyncio.sleep(0.01)
        await abort_what_is_closing()
        return held() is not None

    assert not (run() if engine.startswith("sync") else asyncio.run(run_async()))


async def gone(refs: list[weakref.ref[Any]]) -> bool:
    """Tell whether nobody has any of the files, once a thread that has read ahead has let go of them."""
    for _turn in range(100):
        if all(held() is None for held in refs):
            return True
        await anyio.sleep(0.01)
    return False


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("end", ["a success", "a refusal", "an early refusal", "no answer", "a caller's error"])
@pytest.mark.parametrize("engine", ["sync", "async", "aiohttp, passed in"])
@pytest.mark.parametrize("concurrency", [1, 3])
def test_a_batch_holds_nothing_of_a_file_that_is_done(
    concurrency: int, engine: str, end: str, raw_server: RawServer
) -> None:
    behaviours, options = ENDS[end]
    raw_server.script = behaviours[:1] * 5
    settings = {"api_key": KEY, "base_url": raw_server.base_url, "max_retries": 0}
    refs: list[weakref.ref[Any]] = []
    held_meanwhile: list[int] = []

    def make(number: int) -> tuple[str, InFile]:
        # A thread that is done with a file may be about to let go of it.
        end = time.monotonic() + (1 if engine == "sync" else 0)
        while sum(held() is not None for held in refs) >= concurrency and time.monotonic() < end:
            time.sleep(0.01)
        held_meanwhile.append(sum(held() is not None for held in refs))
        file = InFile(bytes(3_000_000))
        refs.append(weakref.ref(file))
        return f"{number}.bin", file

    async def run_async() -> Any:
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(ENGINES[engine]()) if ENGINES[engine] else None
            client = await stack.enter_async_context(AsyncUploadClient(**settings, http_client=http))
            report = None
            with suppress(ZeroDivisionError):
                report = await client.upload_files(SESSION, map(make, range(4)), concurrency=concurrency, **options)
            assert await gone(refs)
        await abort_what_is_closing()
        return report

    if engine == "sync":
        report: Any = None
        with UploadClient(**settings) as client, suppress(ZeroDivisionError):
            report = client.upload_files(SESSION, map(make, range(4)), concurrency=concurrency, **options)
    else:
        report = asyncio.run(run_async())

    assert [held for held in refs if held() is not None] == []
    assert (report is None) == (end == "a caller's error")
    assert engine != "sync" or max(held_meanwhile) < concurrency


@pytest.mark.usefixtures("_no_collector")
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_batch_that_was_cancelled_holds_nothing_of_the_files(backend: str, raw_server: RawServer) -> None:
    raw_server.script = [answer(delay=5)] * 2
    refs: list[weakref.ref[Any]] = []

    def make(number: int) -> tuple[str, InFile]:
        file = InFile(bytes(3_000_000))
        refs.append(weakref.ref(file))
        return f"{number}.bin", file

    async def run() -> bool:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            with anyio.move_on_after(0.1) as scope:
                await client.upload_files(SESSION, map(make, range(4)), concurrency=2)
            return scope.cancelled_caught and await gone(refs)

    assert anyio.run(run, backend=backend)
    assert len(refs) == 2
