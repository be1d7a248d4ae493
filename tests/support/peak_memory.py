"""Upload one source in a fresh process and print the most memory it ever had, in bytes.

python -m support.peak_memory BASE_URL sync|async path|pipe|generator SIZE
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anchor_uploads import AsyncUploadClient, UploadClient

SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
BLOCK = bytes(1024 * 1024)
WRITER = "import sys; n = int(sys.argv[1]); b = bytes(1 << 20)\nwhile n > 0: n -= sys.stdout.buffer.write(b[:n])"


def peak() -> int:
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def source(kind: str, size: int) -> Iterator[Any]:
    if kind == "path":
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory, "large.bin")
            with path.open("wb") as file:
                file.truncate(size)
            yield path
    elif kind == "pipe":
        with subprocess.Popen([sys.executable, "-c", WRITER, str(size)], stdout=subprocess.PIPE) as writer:
            yield writer.stdout
    else:
        yield (BLOCK[: size - at] for at in range(0, size, len(BLOCK)))


async def upload_async(base_url: str, file: Any) -> int:
    async with AsyncUploadClient(api_key="key", base_url=base_url) as client:
        return (await client.upload_file(SESSION, file, filename="large.bin")).size


def main(base_url: str, twin: str, kind: str, size: str) -> None:
    with source(kind, int(size)) as file:
        if twin == "async":
            sent = asyncio.run(upload_async(base_url, file))
        else:
            with UploadClient(api_key="key", base_url=base_url) as client:
                sent = client.upload_file(SESSION, file, filename="large.bin").size
    assert sent == int(size), sent
    print(peak())


if __name__ == "__main__":
    os.environ.pop("ANCHORBROWSER_API_KEY", None)
    main(*sys.argv[1:])
