"""Small uploads, many at once, in a process of its own: `python -m benchmark.programs.many CLIENT URL COUNT IN_FLIGHT`.

Prints wall and CPU seconds as JSON. Importing and making a client is not counted, connecting is.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from benchmark.programs.upload import OURS_AIOHTTP, OURS_ASYNC, SESSION, TARGET

CONTENT = bytes(10_000)
Upload = Callable[[], Awaitable[object]]
Times = dict[str, float]


@asynccontextmanager
async def httpx_files(base_url: str, in_flight: int) -> AsyncIterator[Upload]:
    """`httpx.AsyncClient` with `files=`, and as many connections at once as it wants.

    It keeps 20 of them, as it does by default: to keep them all costs it several times the CPU that new ones do.
    """
    import httpx

    limits = httpx.Limits(max_connections=in_flight, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=None, limits=limits) as client:  # noqa: S113 - it cannot hang here

        async def upload() -> None:
            response = await client.post(base_url + TARGET, files={"file": ("a.bin", CONTENT)})
            response.raise_for_status()

        yield upload


@asynccontextmanager
async def aiohttp_form(base_url: str, in_flight: int) -> AsyncIterator[Upload]:
    """`aiohttp.ClientSession` with `FormData`."""
    import aiohttp

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=in_flight)) as client:

        async def upload() -> None:
            form = aiohttp.FormData()
            form.add_field("file", CONTENT, filename="a.bin")
            async with client.post(base_url + TARGET, data=form) as response:
                response.raise_for_status()
                await response.read()

        yield upload


@asynccontextmanager
async def anchor_uploads(base_url: str, _in_flight: int) -> AsyncIterator[Upload]:
    """`AsyncUploadClient`, as it is."""
    from anchor_uploads import AsyncUploadClient

    async with AsyncUploadClient(api_key="k", base_url=base_url) as client:
        yield lambda: client.upload_file(SESSION, CONTENT, filename="a.bin")


@asynccontextmanager
async def anchor_uploads_aiohttp(base_url: str, in_flight: int) -> AsyncIterator[Upload]:
    """`AsyncUploadClient` over aiohttp."""
    import httpx
    from httpx_aiohttp import HttpxAiohttpClient

    from anchor_uploads import AsyncUploadClient

    limits = httpx.Limits(max_connections=in_flight)
    async with HttpxAiohttpClient(limits=limits) as http:
        client = AsyncUploadClient(api_key="k", base_url=base_url, http_client=http)
        yield lambda: client.upload_file(SESSION, CONTENT, filename="a.bin")


BARE, THREADS = "aiohttp", "anchor-uploads, threads"
CONTENDERS: dict[str, Callable[[str, int], AbstractAsyncContextManager[Upload]]] = {
    "httpx": httpx_files,
    BARE: aiohttp_form,
    OURS_ASYNC: anchor_uploads,
    OURS_AIOHTTP: anchor_uploads_aiohttp,
}
NAMES = (*CONTENDERS, THREADS)


async def run(name: str, base_url: str, count: int, in_flight: int) -> Times:
    left = iter(range(count))

    async def work(upload: Upload) -> None:
        for _ in left:
            await upload()

    async with CONTENDERS[name](base_url, in_flight) as upload:
        with measured() as times:
            await asyncio.gather(*(work(upload) for _ in range(in_flight)))
    return times


def run_threads(base_url: str, count: int, in_flight: int) -> Times:
    from anchor_uploads import UploadClient

    left = iter(range(count))
    with UploadClient(api_key="k", base_url=base_url) as client, ThreadPoolExecutor(in_flight) as threads:

        def work() -> None:
            for _ in left:
                client.upload_file(SESSION, CONTENT, filename="a.bin")

        with measured() as times:
            for working in [threads.submit(work) for _ in range(in_flight)]:
                working.result()
    return times


@contextmanager
def measured() -> Iterator[Times]:
    times: Times = {}
    wall, cpu = time.perf_counter(), time.process_time()
    yield times
    times.update(wall=time.perf_counter() - wall, cpu=time.process_time() - cpu)


def main(name: str, base_url: str, count: str, in_flight: str) -> None:
    if name == THREADS:
        result = run_threads(base_url, int(count), int(in_flight))
    else:
        result = asyncio.run(run(name, base_url, int(count), int(in_flight)))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
