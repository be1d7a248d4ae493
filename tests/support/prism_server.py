"""Prism: a mock server that somebody else wrote, and that says what is wrong with a request.

It comes from npm by the lock in `support/prism`, once.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import queue
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from support import node
from support.raw_server import Request

LOCK = Path(__file__).with_name("prism")
START_SECONDS = 30


@dataclass
class Verdict:
    """What Prism answered, and what it found wrong with the request."""

    status: int
    body: Any
    violations: list[str]


class PrismServer:
    """Serves an OpenAPI document on a free port of 127.0.0.1."""

    def __init__(self, specification: Path) -> None:
        self._specification = specification
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader: threading.Thread | None = None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> PrismServer:
        program, prism = _installed()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._process = subprocess.Popen(
            [program, prism, "mock", "--errors", "--host", "127.0.0.1", "--port", str(self._port), self._specification],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            # In "production" it forks, and would leave a child behind.
            env={**os.environ, "NODE_ENV": "development", "NO_COLOR": "1"},
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        if self._process is not None and self._reader is not None and self._process.stdout is not None:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()

    def judge(self, request: Request) -> Verdict:
        """Send the very bytes of a request, and return the verdict. Raises `RuntimeError` if Prism dies of them."""
        try:
            return self._judge(request)
        except ConnectionError as error:
            # What it says last is the reason.
            said = []
            with contextlib.suppress(queue.Empty):
                while (line := self._lines.get(timeout=1)) is not None:
                    said.append(line)
            raise RuntimeError("Prism broke off:\n" + "".join(said[-20:])) from error

    def _judge(self, request: Request) -> Verdict:
        with socket.create_connection(("127.0.0.1", self._port), timeout=30) as connection:
            connection.sendall(request.head + bytes(request.body))
            response = http.client.HTTPResponse(connection, method=request.request_line.split(" ")[0])
            response.begin()
            content = response.read()
            found = json.loads(response.headers["sl-violations"] or "[]")
            violations = [f"{'.'.join(map(str, it['location'][1:]))}: {it['message']}" for it in found]
            return Verdict(response.status, json.loads(content), violations)

    def _read(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        seen = []
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._lines.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            seen.append(line)
            if "listening" in line:
                return
        raise RuntimeError("Prism did not start:\n" + "".join(seen[-20:]))


def _installed() -> tuple[str, str]:
    """The paths of Node and of Prism's program, installed if need be. Raises `NodeMissing`."""
    program, _npm = node.find_node()
    return program, str(node.install_lock(LOCK) / "@stoplight" / "prism-cli" / "dist" / "index.js")
