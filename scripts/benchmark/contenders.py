"""One contender, once, in a process of its own: `python -m benchmark.contenders NAME PORT PATH COUNT`.

Prints wall seconds, CPU seconds and peak memory in bytes as JSON. Importing is not counted, connecting is.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path

SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
TARGET = f"/v1/sessions/{SESSION}/uploads"
HEAD = b'--bench\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\nContent-Type: text/plain\r\n\r\n'
TAIL = b"\r\n--bench--\r\n"
Upload = Callable[[], None]


def raw_sendfile(port: int, path: Path) -> Upload:
    """Send by a socket and `sendfile`: what no HTTP client can beat."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    size = path.stat().st_size
    head = f"POST {TARGET} HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=bench\r\n"
    head += f"Content-Length: {len(HEAD) + size + len(TAIL)}\r\n\r\n"

    def upload() -> None:
        with path.open("rb") as file:
            connection.sendall(head.encode() + HEAD)
            connection.sendfile(file)
            connection.sendall(TAIL)
        assert b" 200 " in connection.recv(65536)

    return upload


def http_client(port: int, path: Path) -> Upload:
    """Send by the standard library, in blocks of 1 MiB."""
    connection = http.client.HTTPConnection("127.0.0.1", port, blocksize=1 << 20)
    size = path.stat().st_size

    def upload() -> None:
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

    return upload


def httpx_files(port: int, path: Path) -> Upload:
    """httpx with `files=`, as the generated client uses it."""
    import httpx

    client = httpx.Client(timeout=None)  # noqa: S113 - it cannot hang on a server of our own

    def upload() -> None:
        with path.open("rb") as file:
            client.post(f"http://127.0.0.1:{port}{TARGET}", files={"file": ("a.bin", file)}).raise_for_status()

    return upload


def anchor_uploads_sync(port: int, path: Path) -> Upload:
    """`UploadClient.upload_file`."""
    from anchor_uploads import UploadClient

    client = UploadClient(api_key="k", base_url=f"http://127.0.0.1:{port}")

    def upload() -> None:
        client.upload_file(SESSION, path)

    return upload


def anchor_uploads_async(port: int, path: Path) -> Upload:
    """`AsyncUploadClient.upload_file`."""
    from anchor_uploads import AsyncUploadClient

    client = AsyncUploadClient(api_key="k", base_url=f"http://127.0.0.1:{port}")
    loop = asyncio.new_event_loop()

    def upload() -> None:
        loop.run_until_complete(client.upload_file(SESSION, path))

    return upload


def requests_files(port: int, path: Path) -> Upload:
    """requests with `files=`."""
    import requests

    client = requests.Session()

    def upload() -> None:
        with path.open("rb") as file:
            url = f"http://127.0.0.1:{port}{TARGET}"
            client.post(url, files={"file": ("a.bin", file)}, timeout=600).raise_for_status()

    return upload


def official_sdk(port: int, path: Path) -> Upload:
    """The official SDK, given a path."""
    from anchorbrowser import Anchorbrowser  # pyright: ignore[reportMissingImports]

    client = Anchorbrowser(api_key="k", base_url=f"http://127.0.0.1:{port}")

    def upload() -> None:
        client.sessions.upload_file(SESSION, file=path)

    return upload


def official_sdk_file(port: int, path: Path) -> Upload:
    """The official SDK, given an open file."""
    from anchorbrowser import Anchorbrowser  # pyright: ignore[reportMissingImports]

    client = Anchorbrowser(api_key="k", base_url=f"http://127.0.0.1:{port}")

    def upload() -> None:
        with path.open("rb") as file:
            client.sessions.upload_file(SESSION, file=file)

    return upload


CONTENDERS: dict[str, Callable[[int, Path], Upload]] = {
    "sendfile": raw_sendfile,
    "http.client": http_client,
    "httpx files=": httpx_files,
    "anchor-uploads": anchor_uploads_sync,
    "anchor-uploads async": anchor_uploads_async,
    "requests files=": requests_files,
    "official SDK, file": official_sdk_file,
    "official SDK, path": official_sdk,
}
PEERS = ("requests files=", "official SDK, file", "official SDK, path")
"""Those that live in an environment of their own."""


def peak_memory() -> int:
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


def main(name: str, port: str, path: str, count: str) -> None:
    upload = CONTENDERS[name](int(port), Path(path))
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(int(count)):
        upload()
    result = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "memory": peak_memory()}
    print(json.dumps(result), flush=True)
    os._exit(0)  # clients that were kept open are not what is measured


if __name__ == "__main__":
    main(*sys.argv[1:])
