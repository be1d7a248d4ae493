"""One upload of `SIZE` bytes from a kind of source: `python -m benchmark.programs.memory KIND URL SIZE [async]`.

Prints the most memory that the process has had, in bytes, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any

from anchor_uploads import AsyncUploadClient, UploadClient
from benchmark.programs.upload import SESSION, peak_memory

BLOCK = bytes(1 << 20)
WRITER = "import sys; n = int(sys.argv[1]); b = bytes(1 << 20)\nwhile n > 0: n -= sys.stdout.buffer.write(b[:n])"


@contextmanager
def path(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.bin")
        with path.open("wb") as file:
            file.truncate(size)
        yield path


@contextmanager
def pipe(size: int) -> Iterator[IO[bytes]]:
    with subprocess.Popen([sys.executable, "-S", "-c", WRITER, str(size)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout
        yield writer.stdout


@contextmanager
def generator(size: int) -> Iterator[Iterator[bytes]]:
    yield (BLOCK[: size - at] for at in range(0, size, len(BLOCK)))


@contextmanager
def url(size: int) -> Iterator[str]:
    with path(size) as file:
        yield file.as_uri()


KINDS: dict[str, Callable[[int], AbstractContextManager[Any]]] = {
    "path": path,
    "pipe": pipe,
    "generator": generator,
    "URL": url,
}


async def upload_async(base_url: str, source: Any) -> int:
    async with AsyncUploadClient(api_key="k", base_url=base_url) as client:
        return (await client.upload_file(SESSION, source, filename="a.bin")).size


def main(kind: str, base_url: str, size: str, twin: str = "sync") -> None:
    with KINDS[kind](int(size)) as source:
        if twin == "async":
            sent = asyncio.run(upload_async(base_url, source))
        else:
            with UploadClient(api_key="k", base_url=base_url) as client:
                sent = client.upload_file(SESSION, source, filename="a.bin").size
    assert sent == int(size), sent
    print(json.dumps({"memory": peak_memory()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
