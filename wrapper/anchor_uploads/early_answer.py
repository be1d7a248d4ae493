"""Notice an answer that comes while the body is still being sent, such as a 401 or 413 for a large file.

A server that refuses an upload answers at once and then closes, or takes the rest without reading it. A client that
looks for the answer only after the last byte sees a broken connection instead, or sends gigabytes for nothing. httpcore
reads the answer as soon as a write fails; so a write is made to fail, in httpcore's own way, once the server spoke.

The streams are reached through the `trace` extension of httpx, so this works with a client that was passed in, too.
Only HTTP/1.1 needs it: over HTTP/2 servers speak all the time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpcore

_READ_SIZE = 64 * 1024
# Bytes that a socket takes at once; only what is longer can be answered before it is out.
_SMALL = 64 * 1024
# Long enough to take what has come in, short enough not to slow down the sending where that was no part of an answer
# (TLS session tickets).
_GLANCE = 0.001
_ANSWERED = "the server answered before it had the whole request"

Trace = Callable[[str, dict[str, Any]], None]
AsyncTrace = Callable[[str, dict[str, Any]], Awaitable[None]]


def watch() -> Trace:
    """Return a `trace` extension for a request of `httpx.Client`."""
    connected: list[Any] = []

    def trace(event: str, information: dict[str, Any]) -> None:
        _note(event, information, connected, _Watched)

    return trace


def async_watch() -> AsyncTrace:
    """Return a `trace` extension for a request of `httpx.AsyncClient`."""
    connected: list[Any] = []

    async def trace(event: str, information: dict[str, Any]) -> None:
        _note(event, information, connected, _AsyncWatched)

    return trace


def _note(event: str, information: dict[str, Any], connected: list[Any], watched: Callable[[Any], object]) -> None:
    """Remember the stream of a new connection, and watch it once HTTP/1.1 is spoken on it."""
    if event.endswith((".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")):
        connected[:] = [information["return_value"]]
    elif event == "http11.send_request_headers.started" and connected:
        watched(connected.pop())


class _Watched:
    """A stream whose `write` fails as soon as there is something to read, which `read` then returns."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._read = stream.read
        self._write = stream.write
        self._early: bytes | None = None
        stream.read, stream.write = self.read, self.write  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._early is None:
            return self._read(max_bytes, timeout)
        early, self._early = self._early, None
        return early

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._fail_if_answered()
        try:
            self._write(buffer, timeout)
        except httpcore.WriteTimeout:
            self._fail_if_answered()
            raise

    def _fail_if_answered(self) -> None:
        if self._early is None and self._stream.get_extra_info("is_readable"):
            try:
                self._early = self._read(_READ_SIZE, _GLANCE)
            except httpcore.ReadTimeout:
                return
            except httpcore.ReadError as error:
                raise httpcore.WriteError(str(error)) from error
        if self._early is not None:
            raise httpcore.WriteError(_ANSWERED)


class _AsyncWatched:
    """The same for asyncio. It reads while it writes: asyncio drops what was not read when a write fails.

    A reset that follows the answer within a fraction of a millisecond can still win. The upload then counts as broken
    off, and is repeated.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._read = stream.read
        self._write = stream.write
        self._close = stream.aclose
        self._reading: asyncio.Task[bytes] | None = None
        stream.read, stream.write, stream.aclose = self.read, self.write, self.aclose  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if self._reading is None:
            return await self._read(max_bytes, timeout)
        reading, self._reading = self._reading, None
        try:
            return await asyncio.wait_for(reading, timeout)
        except asyncio.TimeoutError as error:
            raise httpcore.ReadTimeout(str(error)) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._reading is None:
            if len(buffer) < _SMALL:
                return await self._write(buffer, timeout)
            self._reading = asyncio.ensure_future(self._read(_READ_SIZE, None))
        if self._stream.get_extra_info("is_readable"):
            # Give the reading its turn: a write to a broken connection would drop what has come in.
            await asyncio.wait((self._reading,), timeout=_GLANCE)
        if self._reading.done():
            raise httpcore.WriteError(_ANSWERED)
        writing = asyncio.ensure_future(self._write(buffer, timeout))
        try:
            await asyncio.wait((writing, self._reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not writing.done():
                writing.cancel()
                await asyncio.wait((writing,))
        if writing.cancelled():
            raise httpcore.WriteError(_ANSWERED)
        return writing.result()

    async def aclose(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait((self._reading,))
            self._reading = None
        await self._close()
