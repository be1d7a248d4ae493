"""The async client under trio: what asyncio has, trio has."""

from __future__ import annotations

import io
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from anchor_uploads import AsyncUploadClient
from support.raw_server import Exchange, RawServer, answer
from support.twins import KEY, SESSION

pytestmark = pytest.mark.timeout(20)

CONTENT = bytes(range(256)) * 10_000


async def async_blocks() -> AsyncIterator[bytes]:
    for at in range(0, len(CONTENT), 100_000):
        await anyio.lowlevel.checkpoint()
        yield CONTENT[at : at + 100_000]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "a.bin").write_bytes(CONTENT)
    return tmp_path / "a.bin"


class AsyncFile:
    def __init__(self, path: Path) -> None:
        self._file = io.BytesIO(path.read_bytes())

    async def read(self, size: int = -1, /) -> bytes:
        await anyio.lowlevel.checkpoint()
        return self._file.read(size)


SOURCES: dict[str, Callable[[Path], Any]] = {
    "path": lambda path: path,
    "bytes": lambda _path: CONTENT,
    "file": lambda _path: io.BytesIO(CONTENT),
    "iterable": lambda _path: iter([CONTENT[:1000], CONTENT[1000:]]),
    "async iterable": lambda _path: async_blocks(),
    "async file": AsyncFile,
}


@pytest.mark.parametrize("source", SOURCES)
def test_trio_uploads_what_asyncio_uploads(source: str, raw_server: RawServer, path: Path) -> None:
    async def run() -> None:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            await client.upload_file(SESSION, SOURCES[source](path), filename="a", checksum=True)

    anyio.run(run, backend="trio")
    assert raw_server.requests[0].part()[1] == CONTENT


def test_trio_uploads_a_batch_into_a_session(raw_server: RawServer, path: Path) -> None:
    raw_server.script = [answer(200, {"data": {"id": SESSION}})]

    async def run() -> list[str]:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client, client.session() as session:
            files = [path, *((f"{number}.bin", bytes(number)) for number in range(5))]
            report = await client.upload_files(session.id, files, concurrency=3)
            report.raise_for_failures()
            return [uploaded.name for uploaded in report.uploaded]

    assert anyio.run(run, backend="trio") == ["a.bin", "0.bin", "1.bin", "2.bin", "3.bin", "4.bin"]
    assert raw_server.requests[-1].request_line.startswith("DELETE")


def read_slowly(exchange: Exchange) -> None:
    for position in range(0, exchange.length, exchange.length // 300):
        exchange.read(position)
        if not exchange.open:
            return
        time.sleep(0.01)


def test_a_scope_of_trio_cancels_an_upload_and_leaves_the_client_usable(raw_server: RawServer, path: Path) -> None:
    raw_server.script = [read_slowly]

    async def run() -> float:
        async with AsyncUploadClient(api_key=KEY, base_url=raw_server.base_url) as client:
            started = time.monotonic()
            with trio.move_on_after(0.3) as scope:
                await client.upload_file(SESSION, path)
            took = time.monotonic() - started
            assert scope.cancelled_caught
            assert (await client.upload_file(SESSION, b"x", filename="after.bin")).size == 1
            return took

    assert anyio.run(run, backend="trio") < 1.3
    assert not raw_server.requests[0].complete
