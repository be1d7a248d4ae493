"""What each connection's stream does besides: it keeps the deadline, and hears an answer that comes early.

A server that refuses an upload answers at once and then closes, or takes the rest without reading it. A client that
looks for the answer only after the last byte sees a broken connection instead, or sends gigabytes for nothing. httpcore
reads the answer as soon as a write fails; so a write is made to fail, in httpcore's own way, once the server spoke.

Streams are reached through httpx's `trace` extension as connections are made; those that a passed-in client made
before, in its pool. Which request a stream serves tells a context variable: httpcore works in its caller's context.
Over HTTP/2, where servers speak all the time, only the deadline is kept.
"""

from __future__ import annotations

import re
import select
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from ipaddress import ip_address
from typing import Any

import anyio
import httpcore

from anchor_uploads._aside import Aside, TimeIsUp
from anchor_uploads._call.body import Sent
from anchor_uploads._call.exchange import Send
from anchor_uploads._call.settings import Deadline

_READ_SIZE = 64 * 1024
# Bytes that a socket takes at once; only what is longer can be answered before it is out.
_SMALL = 64 * 1024
# Bytes for each of which the network has the time of a write anew: it may be slow, as long as it takes something.
_PIECE = 256 * 1024
# Long enough to take in what has come, before a write to a broken connection makes asyncio forget it.
_GLANCE = 0.001
_ANSWERED = "the server answered before it had the whole request"
# 101 is no interim answer: it would end HTTP (RFC 9110 §15.2.2).
_INTERIM = re.compile(rb"HTTP/1\.[01] 1(?!01)\d\d[^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class Watch:
    """What a connection's stream knows of the request that it serves, and notes of it.

    timeouts: those of httpx, by phase; they are changed as the request goes on.
    """

    def __init__(self, send: Send) -> None:
        self.deadline = self._whole = send.deadline
        self.body = send.body
        self.http11 = False
        self.traced = False
        self.sent = Sent.NOTHING
        self.stream: Any = None
        """The stream of a connection that this request has made."""
        self._served: Tapped | AsyncTapped | None = None
        self._head = _Ear()
        self._settings = send.settings.timeouts
        bound = self.deadline.bound
        self.timeouts: dict[str, float | None] = {
            "connect": bound(self._settings.connect),
            "write": bound(self._settings.write),
            # The answer is read only after the last byte has left, so this is the time that the service may take.
            "read": bound(self._settings.answer),
            "pool": bound(None),
        }

    @contextmanager
    def serving(self) -> Iterator[None]:
        token = _current.set(self)
        try:
            yield
        finally:
            _current.reset(token)
            # What aiohttp has begun meanwhile, and keeps for the next request, keeps the context with this in it.
            self.body = None

    def serves(self, tapped: Tapped | AsyncTapped) -> bool:
        """Tell whether it is this request that a stream is used for: a callback may make one of its own meanwhile."""
        self._served = self._served or tapped
        return self._served is tapped

    def hears(self, block: bytes) -> None:
        """Note what came on the connection, and from the answer's first byte on wait only for the rest of it."""
        if self.http11 and not self._head.answered and self._head.hears(block):
            self.answered()

    def answered(self) -> None:
        """Bound the wait for the rest of an answer whose first part is there."""
        self.timeouts["read"] = self._settings.read
        self.deadline = Deadline(self.deadline.bound(self._settings.read))

    def trace(self, event: str, information: dict[str, Any]) -> None:
        """Note how far a request of `httpx.Client` is; httpcore waits as long as `information` says then."""
        if event.endswith("connect_tcp.started"):
            self._resolve(information)
        self._note(event, information, Tapped)

    async def trace_async(self, event: str, information: dict[str, Any]) -> None:
        """Do the same for `httpx.AsyncClient`."""
        self._note(event, information, AsyncTapped)

    def _note(self, event: str, information: dict[str, Any], tapped: Any) -> None:
        protocol, _, moment = event.partition(".")
        self.traced = True
        if moment in ("connect_tcp.started", "connect_unix_socket.started", "send_request_headers.started"):
            # Of an earlier one, an answer came: the client's own `auth` has more to send.
            self.sent, self.deadline, self._head, self.http11 = Sent.NOTHING, self._whole, _Ear(), False
        if moment == "receive_response_headers.complete" and self.http11 and self._served:
            _version, status, *_ = information["return_value"]
            if not self._head.has_heard(status):
                # It began in what came behind the answer before, whose server did not know of this request.
                raise httpcore.RemoteProtocolError("the answer had come before the request was made")
        if "timeout" in information and moment.endswith(".started"):
            information["timeout"] = self.deadline.bound(information["timeout"])
        elif moment in ("connect_tcp.complete", "connect_unix_socket.complete", "start_tls.complete"):
            self.stream = information["return_value"]
            tap(self.stream, tapped)
        if moment == "send_request_headers.started" and information["request"].method != b"CONNECT":
            self.sent, self.http11 = Sent.WHOLE, protocol == "http11"
            # Whoever writes next writes these headers.
            self._served = None
            if not self.http11:
                # While it waits to be allowed to send, HTTP/2 reads.
                self.timeouts["read"] = self._settings.write
        elif moment == "send_request_body.complete":
            # The wait for the answer begins now, not when the request was made.
            self.timeouts["read"] = self._settings.answer

    def _resolve(self, information: dict[str, Any]) -> None:
        """Bound by one time what nothing else does: the name server, and all addresses that it tells together."""
        host, until = information["host"], Deadline(self.deadline.bound(information["timeout"]))
        with suppress(ValueError):
            ip_address(host)
            return
        with suppress(OSError):  # What it means, httpcore says when it asks again.
            look_up = partial(socket.getaddrinfo, host, information["port"], type=socket.SOCK_STREAM)
            try:
                found = {address[:2]: address[3:] for *_, address in Aside(look_up).result(until.left())}
            except TimeIsUp as error:
                raise httpcore.ConnectTimeout(f"the name server did not tell where {host} is") from error
            if len(found) == 1 and not any(map(any, found.values())):
                # So that it need not be looked up again.
                ((information["host"], _port),) = found
            left = until.bound(None)
            # They are tried one after the other, and each is given the time that is said here.
            information["timeout"] = None if left is None else left / len(found)


_current: ContextVar[Watch | None] = ContextVar("anchor_uploads_watch", default=None)


def _watch_over(tapped: Tapped | AsyncTapped) -> Watch | None:
    watch = _current.get()
    return watch if watch and watch.serves(tapped) else None


def tap_pool(client: Any, tapped: type[Tapped] | type[AsyncTapped]) -> None:
    """Do so with the connections that a passed-in client has already; httpx has no public way to them."""
    for transport in (getattr(client, "_transport", None), *getattr(client, "_mounts", {}).values()):
        for connection in getattr(getattr(transport, "_pool", None), "connections", ()):
            inner = connection
            # A connection through a proxy is one within another.
            while (next_one := getattr(inner, "_connection", None)) is not None:
                inner = next_one
            if stream := getattr(inner, "_network_stream", None):
                tap(stream, tapped)


def tap(stream: Any, tapped: type[Tapped] | type[AsyncTapped]) -> None:
    """Have `stream` serve the requests of this package in its own way; those of others it serves as before."""
    if not isinstance(getattr(stream.write, "__self__", None), tapped):
        tapped(stream)


class _Ear:
    """What a server said while the request was being sent, but for interim answers, which are passed over."""

    def __init__(self) -> None:
        self._heard = b""
        self.answered = False

    def take(self) -> bytes:
        """Return what was heard, for whoever reads now."""
        heard, self._heard, self.answered = self._heard, b"", False
        return heard

    def has_heard(self, status: int) -> bool:
        """Tell whether what was heard is the beginning of an answer of this status."""
        return self.answered and str(status).encode().startswith(self._heard[9:12])

    def hears(self, block: bytes) -> bool:
        """Tell whether an answer has begun, now that `block` was read."""
        self._heard += block
        while interim := _INTERIM.match(self._heard):
            self._heard = self._heard[interim.end() :]
        start, status = self._heard[:10], self._heard[9:12]
        may_be_interim = b"HTTP/1.1 1".startswith(start) or b"HTTP/1.0 1".startswith(start)
        self.answered = status == b"101" or not may_be_interim
        return self.answered


class Tapped:
    """A stream of httpcore whose reads and writes keep the deadline, and whose writes fail once the server spoke."""

    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self._read, self._write = stream.read, stream.write
        self._ear = _Ear()
        stream.read, stream.write = self.read, self.write  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _watch_over(self)
        block = self._ear.take() or self._read(max_bytes, watch.deadline.bound(timeout) if watch else timeout)
        if watch:
            watch.hears(block)
        return block

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        watch = _watch_over(self)
        sock = _socket(self._stream)
        if watch is None or sock is None or not watch.http11:
            self._write(buffer, watch.deadline.bound(timeout) if watch else timeout)
            return
        with _cutting(watch, httpcore.WriteError, httpcore.WriteTimeout), _as_write_error():
            self._send(sock, memoryview(buffer), timeout, watch)

    def _send(self, sock: socket.socket, view: memoryview, timeout: float | None, watch: Watch) -> None:
        until = None
        while view:
            if timeout is not None and until is None:
                until = time.monotonic() + timeout
            readable, writable = _wait(sock, watch.deadline.bound(until and max(0.0, until - time.monotonic())))
            sock.settimeout(0)
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                if readable:
                    block = sock.recv(_READ_SIZE)
                    if not block or self._ear.hears(block):
                        raise httpcore.WriteError(_ANSWERED)
                elif not writable:
                    raise httpcore.WriteTimeout("the network took nothing")
                if writable:
                    view = view[sock.send(view) :]
                    until = None


class AsyncTapped:
    """The same for asyncio and trio: while a block is written, a task listens."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._read, self._write = stream.read, stream.write
        self._ear = _Ear()
        stream.read, stream.write = self.read, self.write  # type: ignore[method-assign]

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        watch = _watch_over(self)
        if watch and watch.http11:
            # Over HTTP/2 it would end the connection under all who use it; they are cancelled.
            timeout = watch.deadline.bound(timeout)
        block = self._ear.take() or await self._read(max_bytes, timeout)
        if watch:
            watch.hears(block)
        return block

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            # The end of a body, which httpcore writes, too: all is out by now, and what was heard is no early answer.
            return
        watch = _watch_over(self)
        # A write that timed out may still go on in the event loop's own buffer; one that failed does not.
        with _cutting(watch, httpcore.WriteError), _as_write_error():
            if self._ear.answered:
                raise httpcore.WriteError(_ANSWERED)
            if watch is None or not watch.http11 or len(buffer) < _SMALL:
                await self._write(buffer, timeout)
            elif not await self._written(buffer, timeout):
                raise httpcore.WriteError(_ANSWERED)

    async def _written(self, buffer: bytes, timeout: float | None) -> bool:
        """Write `buffer`, and tell whether it is out; if not, the server spoke before."""
        failure: Exception | None = None
        out = False
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen, group.cancel_scope)
            try:
                if self._stream.get_extra_info("is_readable"):
                    await anyio.sleep(_GLANCE)
                for start in range(0, len(buffer), _PIECE):
                    await self._write(buffer[start : start + _PIECE], timeout)
                out = True
            except Exception as error:
                failure = error
            group.cancel_scope.cancel()
        if failure:
            try:
                raise failure
            finally:
                # See `_call.table.repeated`.
                del failure
        return out

    async def _listen(self, scope: anyio.CancelScope) -> None:
        # Whatever breaks here, httpcore will meet it again.
        with suppress(Exception):
            while (block := await self._read(_READ_SIZE, None)) and not self._ear.hears(block):
                pass
        scope.cancel()


@contextmanager
def _cutting(watch: Watch | None, *errors: type[Exception]) -> Iterator[None]:
    """Note of a write that fails that its block has not left whole."""
    try:
        yield
    except errors:
        if watch and watch.body:
            watch.body.cut_short()
        raise


@contextmanager
def _as_write_error() -> Iterator[None]:
    try:
        yield
    # ValueError: of a socket that somebody closed meanwhile. EndOfStream: of TLS whose end came while nobody read.
    except (OSError, ValueError, anyio.EndOfStream) as error:
        raise httpcore.WriteError(str(error)) from error


def _socket(stream: httpcore.NetworkStream) -> socket.socket | None:
    """Return the socket that `stream` writes to, None if something stands between, such as a second TLS."""
    sock, tls = stream.get_extra_info("socket"), stream.get_extra_info("ssl_object")
    return sock if tls is None or tls is getattr(sock, "_sslobj", None) else None


def _wait(sock: socket.socket, timeout: float | None) -> tuple[bool, bool]:
    """Wait until `sock` can be read or written, and tell which; neither after `timeout` seconds."""
    if sys.platform == "win32" or not hasattr(select, "poll"):
        readable, writable, _ = select.select([sock], [sock], [], timeout)
        return bool(readable), bool(writable)
    poll = select.poll()
    poll.register(sock, select.POLLIN | select.POLLOUT)
    events = poll.poll(None if timeout is None else timeout * 1000)
    happened = events[0][1] if events else 0
    return bool(happened & ~select.POLLOUT), bool(happened & select.POLLOUT)
