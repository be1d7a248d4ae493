"""One client, once, in a process of its own: `python -m benchmark.programs.upload CLIENT URL PATH COUNT`.

The whole process is what is measured, so nothing is imported that the client does not need. Certificates are found
through SSL_CERT_FILE and its like.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TARGET = f"/v1/sessions/{SESSION}/uploads"
OURS, OURS_ASYNC, OURS_AIOHTTP = "anchor-uploads", "anchor-uploads, async", "anchor-uploads, async, aiohttp"
HEAD = b'--bench\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: text/plain\r\n\r\n'
TAIL = b"\r\n--bench--\r\n"


def sendfile(url: str, path: Path, count: int) -> None:
    """A socket and `sendfile`: what no HTTP client can beat."""
    import socket
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    size = path.stat().st_size
    head = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=bench\r\n"
    head += f"Content-Length: {len(HEAD) + size + len(TAIL)}\r\n\r\n"
    for _ in range(count):
        with path.open("rb") as file:
            connection.sendall(head.encode() + HEAD)
            connection.sendfile(file)
            connection.sendall(TAIL)
        assert b" 200 " in connection.recv(65536)


def http_client(url: str, path: Path, count: int) -> None:
    """The standard library, in blocks of 1 MiB."""
    import http.client
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, blocksize=1 << 20)
    size = path.stat().st_size
    for _ in range(count):
        connection.putrequest("POST", TARGET)
        connection.putheader("Content-Type", "multipart/form-data; boundary=bench")
        connection.putheader("Content-Length", str(len(HEAD) + size + len(TAIL)))
        connection.endheaders(HEAD)
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                connection.send(block)
        connection.send(TAIL)
        response = connection.getresponse()
        assert response.status == 200
        response.read()


def _by_files(client: Any, url: str, path: Path, count: int, **options: object) -> None:
    for _ in range(count):
        with path.open("rb") as file:
            client.post(url + TARGET, files={"file": ("a.bin", file)}, **options).raise_for_status()


def httpx(url: str, path: Path, count: int) -> None:
    """`httpx.Client` with `files=`."""
    import httpx

    with httpx.Client(timeout=None) as client:  # noqa: S113 - it cannot hang on a server of our own
        _by_files(client, url, path, count)


def httpx2(url: str, path: Path, count: int) -> None:
    """`httpx2.Client` with `files=`."""
    import httpx2  # pyright: ignore[reportMissingImports]

    with httpx2.Client(timeout=None) as client:
        _by_files(client, url, path, count)


def requests(url: str, path: Path, count: int) -> None:
    """`requests.Session` with `files=`."""
    import requests

    with requests.Session() as client:
        _by_files(client, url, path, count, timeout=600)


def niquests(url: str, path: Path, count: int) -> None:
    """`niquests.Session` with `files=`."""
    import niquests  # pyright: ignore[reportMissingImports]

    with niquests.Session() as client:
        _by_files(client, url, path, count, timeout=600)


def requests_toolbelt(url: str, path: Path, count: int) -> None:
    """requests with requests-toolbelt's `MultipartEncoder`."""
    import requests
    from requests_toolbelt import MultipartEncoder  # pyright: ignore[reportMissingImports]

    with requests.Session() as client:
        for _ in range(count):
            with path.open("rb") as file:
                form = MultipartEncoder({"file": ("a.bin", file)})
                headers = {"Content-Type": form.content_type}
                client.post(url + TARGET, data=form, headers=headers, timeout=600).raise_for_status()


def generated(url: str, path: Path, count: int) -> None:
    """The generated client alone."""
    from uuid import UUID

    from anchor_browser_api_client import AuthenticatedClient
    from anchor_browser_api_client.api.uploads import upload_file
    from anchor_browser_api_client.models import UploadForm
    from anchor_browser_api_client.types import File

    session = UUID(SESSION)
    with AuthenticatedClient(url, token="k", prefix="", auth_header_name="anchor-api-key") as client:  # noqa: S106
        for _ in range(count):
            with path.open("rb") as file:
                form = UploadForm(file=File(payload=file, file_name="a.bin"))
                assert upload_file.sync_detailed(session, client=client, body=form).status_code == 200


def anchor_uploads(url: str, path: Path, count: int) -> None:
    """`UploadClient.upload_file`."""
    from anchor_uploads import UploadClient

    with UploadClient(api_key="k", base_url=url) as client:
        for _ in range(count):
            client.upload_file(SESSION, path)


def official_sdk_file(url: str, path: Path, count: int) -> None:
    """The official SDK, given an open file."""
    from anchorbrowser import Anchorbrowser  # pyright: ignore[reportMissingImports]

    with Anchorbrowser(api_key="k", base_url=url) as client:
        for _ in range(count):
            with path.open("rb") as file:
                client.sessions.upload_file(SESSION, file=file)


def official_sdk_path(url: str, path: Path, count: int) -> None:
    """The official SDK, given a path."""
    from anchorbrowser import Anchorbrowser  # pyright: ignore[reportMissingImports]

    with Anchorbrowser(api_key="k", base_url=url) as client:
        for _ in range(count):
            client.sessions.upload_file(SESSION, file=path)


async def aiohttp(url: str, path: Path, count: int) -> None:
    """`aiohttp.ClientSession` with `FormData`."""
    import aiohttp

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout()) as client:
        for _ in range(count):
            with path.open("rb") as file:
                form = aiohttp.FormData()
                form.add_field("file", file, filename="a.bin")
                async with client.post(url + TARGET, data=form) as response:
                    response.raise_for_status()
                    await response.read()


async def anchor_uploads_async(url: str, path: Path, count: int) -> None:
    """`AsyncUploadClient.upload_file`."""
    from anchor_uploads import AsyncUploadClient

    async with AsyncUploadClient(api_key="k", base_url=url) as client:
        for _ in range(count):
            await client.upload_file(SESSION, path)


async def anchor_uploads_aiohttp(url: str, path: Path, count: int) -> None:
    """The same over aiohttp."""
    from httpx_aiohttp import HttpxAiohttpClient

    from anchor_uploads import AsyncUploadClient

    async with HttpxAiohttpClient() as http:
        client = AsyncUploadClient(api_key="k", base_url=url, http_client=http)
        for _ in range(count):
            await client.upload_file(SESSION, path)


SYNC: dict[str, Callable[[str, Path, int], None]] = {
    "sendfile": sendfile,
    "http.client": http_client,
    "httpx": httpx,
    "httpx2": httpx2,
    "requests": requests,
    "requests-toolbelt": requests_toolbelt,
    "niquests": niquests,
    "generated client": generated,
    "official SDK, file": official_sdk_file,
    "official SDK, path": official_sdk_path,
    OURS: anchor_uploads,
}
ASYNC: dict[str, Callable[[str, Path, int], Coroutine[Any, Any, None]]] = {
    "aiohttp": aiohttp,
    OURS_ASYNC: anchor_uploads_async,
    OURS_AIOHTTP: anchor_uploads_aiohttp,
}


def peak_memory() -> int:
    """Return the most memory that this process has had, in bytes."""
    if sys.platform == "win32":
        import psutil

        return int(psutil.Process().memory_info().peak_wset)
    if sys.platform == "linux":
        # What getrusage tells there is at least what the parent had when it started this process.
        status = Path("/proc/self/status").read_text("ascii").split()
        return int(status[status.index("VmHWM:") + 1]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


async def _ticking(upload: Coroutine[Any, Any, None]) -> float:
    """Return the longest that a ticker of 1 ms was kept waiting during the upload, in seconds."""
    import asyncio
    import gc
    import time

    worst = 0.0

    async def tick() -> None:
        nonlocal worst
        # All is imported by now. To look through that takes Python's collector 15 ms, once, wherever chance has it.
        gc.freeze()
        last = time.perf_counter()
        while True:
            await asyncio.sleep(0.001)
            now = time.perf_counter()
            worst, last = max(worst, now - last - 0.001), now

    ticker = asyncio.ensure_future(tick())
    await upload
    ticker.cancel()
    return worst


def main(client: str, url: str, path: str, count: str, *ticking: str) -> None:
    result: dict[str, float] = {}
    if client in SYNC:
        SYNC[client](url, Path(path), int(count))
    else:
        import asyncio

        upload = ASYNC[client](url, Path(path), int(count))
        if ticking:
            result["gap"] = asyncio.run(_ticking(upload))
        else:
            asyncio.run(upload)
    if sys.platform == "win32":
        import time

        result["cpu"] = time.process_time()
    import json

    print(json.dumps({**result, "memory": peak_memory()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
