"""An HTTP server that keeps the raw bytes of each request and fails on demand.

It parses just enough of HTTP/1.1 to know where a request ends, so that nothing of the client's bytes is interpreted
before a test has seen them.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import BinaryIO

# What the system is told by SO_LINGER, so that to close resets; Windows has shorter numbers there.
RESETTING = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
SAVED = {"data": {"status": "success", "message": "File saved at /uploads/a.txt"}}


@dataclass
class Request:
    """One request as it came: the head's bytes, and the body's bytes or, if the server keeps none, their digest."""

    head: bytes
    body: bytearray = field(default_factory=bytearray)
    received: int = 0
    complete: bool = False
    connection: int = 0

    @property
    def request_line(self) -> str:
        return self.head.split(b"\r\n", 1)[0].decode()

    @property
    def headers(self) -> Message:
        return BytesParser(policy=HTTP).parsebytes(self.head.split(b"\r\n", 1)[1])

    def part(self) -> tuple[str, bytes]:
        """Return the head and the content of the one part of a multipart body, cut out by hand."""
        boundary = self.headers.get_boundary()
        assert boundary
        opening, closing = f"--{boundary}\r\n".encode(), f"\r\n--{boundary}--\r\n".encode()
        assert self.body.startswith(opening)
        assert self.body.endswith(closing)
        end = self.body.index(b"\r\n\r\n", len(opening))
        with memoryview(self.body) as body:
            return bytes(body[len(opening) : end]).decode(), bytes(body[end + 4 : -len(closing)])


class Exchange:
    """What a behaviour works with: the request, whose body it reads as far as it likes, and the connection."""

    def __init__(
        self, connection: socket.socket, stream: BinaryIO, request: Request, *, keep: bool, settling: threading.Event
    ) -> None:
        self.request = request
        self._connection = connection
        self._stream = stream
        self._keep = keep
        self._settling = settling
        self.open = True

    @property
    def length(self) -> int:
        return int(self.request.headers.get("content-length", "0"))

    def read(self, limit: int | None = None) -> None:
        """Read the body: all of it, or until `limit` bytes of it are there."""
        wanted = self.length if limit is None else min(limit, self.length)
        while self.request.received < wanted:
            block = self._stream.read1(min(1 << 20, wanted - self.request.received))  # type: ignore[attr-defined]
            if not block:
                self.open = False
                return
            self.request.received += len(block)
            if self._keep:
                self.request.body += block
        self.request.complete = self.request.received == self.length

    def read_on(self) -> None:
        """Read the rest of the body, slowly, until it ends or the client closes."""
        while self.open and not self.request.complete:
            self.read(self.request.received + 256 * 1024)
            self.wait(0.01)

    def wait(self, seconds: float = 20) -> None:
        """Do nothing with the connection for so many seconds, or until the server is to settle."""
        self._settling.wait(seconds)

    def send(self, data: bytes) -> None:
        self._connection.sendall(data)

    def reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send(head_of(status, {"Content-Length": str(len(body)), **(headers or {})}) + body)

    def close(self) -> None:
        """Close the connection, as servers do that linger: what was said can be read before it ends.

        To close with bytes unread resets the connection. A reset may overtake what was sent before it, and on Windows
        it also throws away what has arrived and was not read yet.
        """
        if not self.request.complete:
            self.wait(0.5)
        self.open = False

    def reset(self) -> None:
        """Break the connection with a TCP reset instead of closing it."""
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        self.open = False


Behaviour = Callable[[Exchange], None]


def head_of(status: int, headers: dict[str, str]) -> bytes:
    """Return the head of an answer; those of an interim answer (1xx) are all of it."""
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode()


def json_of(body: bytes | object) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body).encode()


def answer(
    status: int = 200, body: bytes | object = SAVED, headers: dict[str, str] | None = None, *, delay: float = 0
) -> Behaviour:
    """Read the request whole and answer it, after `delay` seconds, or once the server is to settle."""
    content = json_of(body)

    def behave(exchange: Exchange) -> None:
        exchange.read()
        if exchange.request.complete:
            exchange.wait(delay)
            exchange.reply(status, content, headers)

    return behave


def answer_early(status: int, body: object, *, after: int, headers: dict[str, str] | None = None) -> Behaviour:
    """Answer when `after` bytes of the body are there, and read no further."""

    def behave(exchange: Exchange) -> None:
        exchange.read(after)
        exchange.reply(status, json_of(body), {"Connection": "close", **(headers or {})})
        exchange.close()

    return behave


@dataclass(frozen=True)
class Flaw:
    """How a body cannot be read whole: what its headers say, what of it is sent, and what shows the flaw then.

    readable: whether a reader gets to know the content nevertheless. then: bytes, or None to send no more of it.
    """

    headers: Callable[[bytes], dict[str, str]]
    sent: Callable[[bytes], bytes] = bytes
    then: bytes | None = b""
    readable: bool = True


def _more_than_there_is(content: bytes) -> dict[str, str]:
    return {"Content-Length": str(len(content) + 100)}


FLAWS: dict[str, Flaw] = {
    "shorter than its length": Flaw(_more_than_there_is),
    "badly chunked": Flaw(
        lambda _: {"Transfer-Encoding": "chunked"}, lambda content: b"%x\r\n%b\r\n" % (len(content), content), b"?!\r\n"
    ),
    # It says that it closes: as HTTP it is whole, and the connection would be used for the next request.
    "not gzip": Flaw(
        lambda content: {"Content-Encoding": "gzip", "Content-Length": str(len(content)), "Connection": "close"},
        readable=False,
    ),
    "stalls": Flaw(_more_than_there_is, then=None),
}


def answer_broken(
    status: int, flaw: str, content: bytes, headers: dict[str, str] | None = None, *, after: int | None = None
) -> Behaviour:
    """Answer with a body that has one of `FLAWS`, when `after` bytes of the request's are there, or all (None)."""
    kind = FLAWS[flaw]

    def behave(exchange: Exchange) -> None:
        exchange.read(after)
        exchange.send(head_of(status, {**kind.headers(content), **(headers or {})}) + kind.sent(content))
        # What can be read is read before the flaw shows.
        exchange.wait(0.25)
        if kind.then is None:
            exchange.wait()
        else:
            exchange.send(kind.then)
        exchange.close()

    return behave


def reset(*, after: int | None) -> Behaviour:
    """Reset the connection when `after` bytes of the body are there, or when all of it is (None)."""

    def behave(exchange: Exchange) -> None:
        exchange.read(after)
        exchange.reset()

    return behave


class _ClosedInTheEnd(ssl.SSLSocket):
    """Python's ssl leaves a socket open, and out of reach, whose client is gone in the midst of wrapping it."""

    def __del__(self) -> None:
        self.close()


class RawServer:
    """Serve on a free port of 127.0.0.1. Each request takes the next of `script`; then `answer()` serves the rest.

    keep: whether requests keep their bodies. narrow: the system takes next to nothing of what is not read here, so that
    a client cannot have sent megabytes before the server has seen them.
    """

    def __init__(self, *, keep: bool = True, tls: ssl.SSLContext | None = None, narrow: bool = False) -> None:
        self.requests: list[Request] = []
        self.script: list[Behaviour] = []
        self.connections = 0
        self._keep = keep
        self._tls = tls
        if tls:
            tls.sslsocket_class = _ClosedInTheEnd
        self._listener = socket.create_server(("127.0.0.1", 0))
        if narrow:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.port: int = self._listener.getsockname()[1]
        self.base_url = f"http://127.0.0.1:{self.port}"
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._closing = False
        self._settling = threading.Event()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> RawServer:
        self._accepting.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing = True
        self._settling.set()
        # Closing a socket does not wake a thread that waits in accept(), a connection does.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._accepting.join()
        self._listener.close()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads:
            thread.join()

    def settle(self) -> bool:
        """Wait until every connection that a client has closed has been read to its end; none waits any more.

        Returns whether no connection is open after that, or after ten seconds.
        """
        self._settling.set()
        deadline = time.monotonic() + 10
        while (self._open or not self.connections) and time.monotonic() < deadline:
            time.sleep(0.005)
        return not self._open

    def _accept(self) -> None:
        while True:
            try:
                connection, _address = self._listener.accept()
            except ConnectionError:
                # How Windows and macOS tell of a client that is gone again.
                continue
            if self._closing:
                connection.close()
                return
            self._open.add(connection)
            self.connections += 1
            thread = threading.Thread(target=self._serve, args=(connection, self.connections), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket, number: int) -> None:
        accepted = connection
        try:
            # As servers do; else what they say last may wait in a buffer that a reset throws away. macOS refuses it
            # where the client is gone already.
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
        except OSError:
            connection.close()
            self._open.discard(accepted)
            return
        with connection, connection.makefile("rb") as stream:
            try:
                while head := self._head(stream):
                    request = Request(head, connection=number)
                    self.requests.append(request)
                    exchange = Exchange(connection, stream, request, keep=self._keep, settling=self._settling)
                    behaviour = self.script.pop(0) if self.script else answer()
                    behaviour(exchange)
                    if not exchange.open:
                        return
            except OSError:
                return
            finally:
                self._open.discard(accepted)

    @staticmethod
    def _head(stream: BinaryIO) -> bytes:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = stream.readline()
            if not line:
                return b""
            head += line
        return head
