"""An HTTP server that plays a script for each request and knows what it has read itself: a model of what it holds.

What lies in the buffers between the two sockets is not held: the server has taken the head and the body of a request
byte by byte as far as its script says, and no further. It waits `PATIENCE` seconds for anything, so all of it ends.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Literal, NamedTuple

from support.raw_server import RESETTING

PATIENCE = 5.0
"""Seconds after which the server closes a connection on which nothing happens."""


class Read(NamedTuple):
    """Read the body up to there, as a slice's end says it: None for all of it, -1 for all but the last byte."""

    until: int | None


class Pause(NamedTuple):
    """Do nothing for so long."""

    seconds: float


class Interim(NamedTuple):
    """Send an answer that is not the final one, or several, a tenth of a second after one another."""

    status: int
    count: int = 1


class Answer(NamedTuple):
    """Send the final answer, or its first `cut` bytes."""

    status: int
    body: Body = "reply"
    cut: int | None = None


Body = Literal["reply", "nothing", "no JSON", "other JSON", "bad chunk", "bad gzip", "drip"]
# To keep a connection is to read what is left of the request; to stop is to leave it open and read no more.
Ending = Literal["keep", "stop", "close", "reset"]


class Script(NamedTuple):
    """What is done with one request."""

    steps: tuple[Read | Pause | Interim | Answer, ...]
    ending: Ending = "keep"


HONEST = Script((Read(None), Answer(200)))


@dataclass
class Request:
    """One request as far as the server has read it, and what the server has said to it.

    holds: every byte has been read, the closing boundary among them, and they are the file. answer: the final one, once
    its head is out. unread: how many bytes of the body were not read yet when the answer began. answered_after: seconds
    from the head of the request to that of the answer. reset: a reset follows, and may overtake the answer.
    """

    tag: str
    head: bytes
    expected: bytes = field(repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    received: int = 0
    holds: bool = False
    answer: Answer | None = None
    unread: int = 0
    answered_after: float = 0.0
    reset: bool = False
    over: threading.Event = field(default_factory=threading.Event, repr=False)

    def __post_init__(self) -> None:
        self.began = time.monotonic()
        self.headers: Message = BytesParser(policy=HTTP).parsebytes(self.head.split(b"\r\n", 1)[1])
        self.length = int(self.headers["content-length"])

    @property
    def status(self) -> int | None:
        return self.answer.status if self.answer else None

    def __str__(self) -> str:
        holds = ", which is the file" if self.holds else ""
        said = f"answered {self.status} with {self.unread} bytes unread" if self.status else "not answered"
        return f"{self.tag}: read {self.received} of {self.length} bytes{holds}; {said}"

    def finish(self) -> None:
        """Compare what has come with the file, and keep only what came of it."""
        boundary = str(self.headers.get_boundary()).encode()
        head, _, rest = bytes(self.body).partition(b"\r\n\r\n")
        self.holds = head.startswith(b"--" + boundary) and rest == self.expected + b"\r\n--" + boundary + b"--\r\n"
        self.body.clear()


class ModelServer:
    """Serve on a free port of 127.0.0.1. The requests of each session take that session's scripts, then `HONEST`."""

    def __init__(self) -> None:
        self.requests: dict[str, list[Request]] = defaultdict(list)
        self._uploads: dict[str, tuple[bytes, list[Script]]] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # Connections inherit it. What a client can send without being read must be less than the largest file.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.base_url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._released = threading.Event()
        self._closing = False

    def __enter__(self) -> ModelServer:
        self._threads[0].start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._closing = True
        # Closing a socket does not wake a thread that waits in accept(), a connection does.
        socket.create_connection(self._listener.getsockname()).close()
        self._threads[0].join()
        self._listener.close()
        self.release()

    def expect(self, session: str, content: bytes, scripts: tuple[Script, ...]) -> None:
        """Lay down what is uploaded to `session` and what is done with each request of it."""
        self._uploads[session] = content, list(scripts)

    def settle(self, session: str) -> None:
        """Wait until every request to `session` has had its script played to the end."""
        for request in self.requests[session]:
            assert request.over.wait(3 * PATIENCE), f"the server is not done with {request}"

    def release(self) -> None:
        """Close all connections, and wait until they are closed."""
        self._released.set()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads[1:]:
            thread.join()
        self._released.clear()

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
            connection.settimeout(PATIENCE)
            self._open.add(connection)
            self._threads.append(threading.Thread(target=self._serve, args=(connection,), daemon=True))
            self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        request = None
        with connection:
            try:
                # As servers do; else what they say last may wait in a buffer that a reset throws away. macOS refuses it
                # where the client is gone already.
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while head := _read_head(connection):
                    request, script = self._begin(head)
                    if not self._play(connection, request, script):
                        return
                    request.over.set()
            except OSError:
                return
            finally:
                self._open.discard(connection)
                if request:
                    request.over.set()

    def _begin(self, head: bytes) -> tuple[Request, Script]:
        session = head.split(b"/", 4)[3].decode()
        content, scripts = self._uploads[session]
        request = Request(f"{session}.{len(self.requests[session])}", head, content)
        self.requests[session].append(request)
        return request, scripts.pop(0) if scripts else HONEST

    def _play(self, connection: socket.socket, request: Request, script: Script) -> bool:
        """Play the script; tell whether the connection is kept for another request."""
        for step in script.steps:
            if isinstance(step, Read):
                _read_body(connection, request, step.until)
            elif isinstance(step, Pause):
                self._released.wait(step.seconds)
            elif isinstance(step, Interim):
                message = f"HTTP/1.1 {step.status} Interim\r\nLink: </a>\r\n\r\n".encode()
                connection.sendall(message)
                self._drip(connection, [message] * (step.count - 1))
            else:
                self._answer(connection, request, step)
        if script.ending == "keep":
            _read_body(connection, request, None)
            return True
        if script.ending == "stop":
            request.over.set()
            self._released.wait(PATIENCE)
        elif script.ending == "reset":
            request.reset = True
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESETTING)
        else:
            # The system resets a connection that is closed with something unread.
            request.reset = request.received < request.length
        return False

    def _answer(self, connection: socket.socket, request: Request, answer: Answer) -> None:
        head, body = _message(answer, request)
        request.unread = request.length - request.received
        request.answered_after = time.monotonic() - request.began
        first, rest = (head, body) if answer.body == "drip" else (head + body, b"")
        connection.sendall(first[: answer.cut])
        if answer.cut is None or answer.cut >= len(head):
            request.answer = answer
            self._drip(connection, [bytes([byte]) for byte in rest[: answer.cut and answer.cut - len(head)]])

    def _drip(self, connection: socket.socket, pieces: list[bytes]) -> None:
        end = time.monotonic() + PATIENCE
        for piece in pieces:
            if self._released.wait(0.1) or time.monotonic() > end:
                return
            connection.sendall(piece)


def _read_head(connection: socket.socket) -> bytes:
    """Read one head and not a byte of what follows; return nothing at the end of the connection."""
    head = b""
    while block := connection.recv(65536, socket.MSG_PEEK):
        seen = len(head)
        end = (head + block).find(b"\r\n\r\n")
        head += connection.recv(len(block) if end < 0 else end + 4 - seen)
        if end >= 0:
            return head
    return b""


def _read_body(connection: socket.socket, request: Request, until: int | None) -> None:
    end = range(request.length)[:until].stop
    while request.received < end:
        block = connection.recv(min(1 << 20, end - request.received))
        if not block:
            raise ConnectionAbortedError("the client closed the connection")
        request.body += block
        request.received += len(block)
        if request.received == request.length:
            request.finish()


def _message(answer: Answer, request: Request) -> tuple[bytes, bytes]:
    """Return head and body of an answer that tells which request it answers."""
    tag, path = request.tag, request.head.split(b" ")[1].decode()
    if answer.status < 300:
        reply: object = {"data": {"status": "success", "message": f"File saved at /uploads/{tag}"}}
    else:
        reply = {"error": {"code": answer.status, "message": tag}}
    body = {
        "nothing": b"",
        "no JSON": f"<html>{tag}</html>".encode(),
        "other JSON": json.dumps({"data": [tag], "error": [tag]}).encode(),
        "bad chunk": b'5\r\n{"dat\r\nxyz\r\n',
    }.get(answer.body, json.dumps(reply).encode())
    framing = "Transfer-Encoding: chunked" if answer.body == "bad chunk" else f"Content-Length: {len(body)}"
    encoding = "Content-Encoding: gzip\r\n" if answer.body == "bad gzip" else ""
    head = (
        f"HTTP/1.1 {answer.status} Final\r\nContent-Type: application/json\r\n{encoding}{framing}\r\n"
        f"X-Request-Id: {tag}\r\nRetry-After: 0\r\nLocation: {path}\r\n\r\n"
    )
    return head.encode(), body
