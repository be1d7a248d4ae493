"""Looks at a session's browser without disturbing it: which page it shows, and how that looks."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from contextlib import closing
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from attrs import frozen
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from anchor_uploads.local.clock import monotonic

__all__ = ["View", "Viewer"]

_SECONDS_BETWEEN = 0.5
_SECONDS_TO_LIST = 5.0
_SECONDS_TO_PHOTOGRAPH = 3.0


@frozen
class View:
    """What a browser shows. `jpeg` is empty if the page cannot be photographed, as while a dialog is open."""

    url: str = ""
    title: str = ""
    tabs: int = 0
    jpeg: bytes = b""


class Viewer:
    """Looks at one browser at most twice a second, however many want to see it."""

    def __init__(self, devtools_url: str) -> None:
        url = urlsplit(devtools_url)
        assert url.hostname is not None
        assert url.port is not None
        self._address = (url.hostname, url.port)
        self._lock = asyncio.Lock()
        self._looked = float("-inf")
        self._view = View()

    async def look(self) -> View:
        """Return what the browser shows, or showed half a second ago. Raises `OSError` if it does not answer."""
        async with self._lock:
            if monotonic() - self._looked >= _SECONDS_BETWEEN:
                self._view = await self._look()
                self._looked = monotonic()
            return self._view

    async def _look(self) -> View:
        try:
            targets = await asyncio.wait_for(self._targets(), _SECONDS_TO_LIST)
            pages = [target for target in targets if target["type"] == "page"]
        except (asyncio.IncompleteReadError, asyncio.TimeoutError, KeyError, TypeError, ValueError) as problem:
            raise OSError(f"the browser does not list its pages: {type(problem).__name__}") from problem
        if not pages:
            return View()
        page = pages[0]
        try:
            jpeg = await asyncio.wait_for(self._photograph(page["webSocketDebuggerUrl"]), _SECONDS_TO_PHOTOGRAPH)
        except (asyncio.TimeoutError, KeyError, OSError, WebSocketException):
            jpeg = b""
        # Chromium escapes titles, and nothing else, for pages that show its list.
        return View(page["url"], unescape(page["title"]), len(pages), jpeg)

    async def _targets(self) -> list[dict[str, str]]:
        # Not Target.getTargets, which does not tell which page was used last; this lists it first.
        host, port = self._address
        reader, writer = await asyncio.open_connection(host, port)
        with closing(writer):
            writer.write(f"GET /json/list HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            listed: list[dict[str, str]] = json.loads(await reader.readexactly(length))
            return listed

    async def _photograph(self, page_url: str) -> bytes:
        # With a socket of its own, because websockets would otherwise ask the environment for a proxy.
        connection = socket.socket()
        try:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_connect(connection, self._address)
        except BaseException:
            connection.close()
            raise
        websocket = connect(
            page_url, sock=connection, max_size=None, ping_interval=None, compression=None, close_timeout=1
        )
        async with websocket as page:
            parameters = {"format": "jpeg", "quality": 70, "optimizeForSpeed": True}
            await page.send(json.dumps({"id": 1, "method": "Page.captureScreenshot", "params": parameters}))
            while True:
                message: dict[str, Any] = json.loads(await page.recv())
                if message.get("id") == 1:
                    return base64.b64decode(message["result"]["data"])
