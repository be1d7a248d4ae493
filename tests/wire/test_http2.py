"""HTTP/2 through a client that is passed in: an upload arrives whole, and whatever ends a stream ends the call."""

from __future__ import annotations

import json
import os
import socketserver
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import httpx
import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, StreamEnded
from h2.exceptions import ProtocolError

from anchor_uploads import (
    AsyncUploadClient,
    ConnectionFailed,
    StatusError,
    TimedOut,
    Timeouts,
    UploadClient,
    UploadedFile,
)
from support.raw_server import SAVED
from support.twins import KEY, SESSION

pytestmark = pytest.mark.timeout(20)

# Far less than the wait for an answer and than the deadline, which is a belt here.
AT_ONCE = 3.0
LARGE = 20_000_000


class Connection:
    """One connection of a client: its state, and what came of the body of its one stream."""

    def __init__(self) -> None:
        self.state = H2Connection(H2Configuration(client_side=False))
        self.state.initiate_connection()
        self.body = bytearray()
        self.over = False

    def respond(self, stream: int, status: int, content: object) -> None:
        self.state.send_headers(stream, [(":status", str(status)), ("content-type", "application/json")])
        self.state.send_data(stream, json.dumps(content).encode(), end_stream=True)


Behaviour = Callable[[Connection, Event], None]


class Http2Server(socketserver.ThreadingTCPServer):
    """Serve HTTP/2 over TLS; the behaviour is told each event of each connection."""

    def __init__(self, tls: ssl.SSLContext, behave: Behaviour) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.base_url = f"https://localhost:{self.server_address[1]}"
        self.connections: list[Connection] = []
        self.tls = tls
        self.behave = behave


class Handler(socketserver.BaseRequestHandler):
    server: Http2Server

    def handle(self) -> None:
        connection = Connection()
        self.server.connections.append(connection)
        with suppress(OSError), self.server.tls.wrap_socket(self.request, server_side=True) as stream:
            stream.sendall(connection.state.data_to_send())
            while data := stream.recv(65536):
                # After GOAWAY, the state takes nothing more: the rest is read and thrown away.
                with suppress(ProtocolError):
                    for event in connection.state.receive_data(data):
                        self.server.behave(connection, event)
                stream.sendall(connection.state.data_to_send())


@contextmanager
def serving(tls: ssl.SSLContext, behave: Behaviour) -> Iterator[Http2Server]:
    with Http2Server(tls, behave) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def server_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.set_alpn_protocols(["h2"])
    authority.issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_tls(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def upload(engine: str, base_url: str, tls: ssl.SSLContext, content: bytes, **settings: Any) -> UploadedFile:
    """Upload `content` once, through a client that speaks HTTP/2."""
    settings = {"api_key": KEY, "base_url": base_url, "deadline": 5, "max_retries": 0, **settings}
    if engine == "sync":
        with (
            httpx.Client(http2=True, verify=tls) as own,
            UploadClient(http_client=own, **settings) as client,
        ):
            return client.upload_file(SESSION, content, filename="a")

    async def run() -> UploadedFile:
        async with (
            httpx.AsyncClient(http2=True, verify=tls) as own,
            AsyncUploadClient(http_client=own, **settings) as client,
        ):
            return await client.upload_file(SESSION, content, filename="a")

    return anyio.run(run, backend="trio" if engine == "trio" else "asyncio")


ENGINES = pytest.mark.parametrize("engine", ["sync", "async", "trio"])


def take(connection: Connection, event: Event) -> None:
    if isinstance(event, DataReceived):
        connection.body += event.data
        connection.state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)


def save(connection: Connection, event: Event) -> None:
    take(connection, event)
    if isinstance(event, StreamEnded):
        connection.respond(event.stream_id, 200, SAVED)


def in_the_midst(act: Callable[[Connection, int], None]) -> Behaviour:
    """Take the first million bytes, do `act`, and take no more."""

    def behave(connection: Connection, event: Event) -> None:
        if connection.over:
            return
        take(connection, event)
        if len(connection.body) > 1_000_000:
            connection.over = True
            act(connection, event.stream_id)

    return behave


def reset(code: ErrorCodes) -> Behaviour:
    return in_the_midst(lambda connection, stream: connection.state.reset_stream(stream, code))


def go_away(code: ErrorCodes) -> Behaviour:
    return in_the_midst(lambda connection, _stream: connection.state.close_connection(code, last_stream_id=0))


def refuse(status: int) -> Behaviour:
    """Answer early, as RFC 9113 8.1 wants it: a whole answer, then a reset without an error."""

    def act(connection: Connection, stream: int) -> None:
        connection.respond(stream, status, {"error": {"code": status, "message": "enough"}})
        connection.state.reset_stream(stream, ErrorCodes.NO_ERROR)

    return in_the_midst(act)


@ENGINES
def test_an_upload_over_http2_arrives_whole(
    engine: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    content = os.urandom(1_000_000)
    with serving(server_tls, save) as server:
        uploaded = upload(engine, server.base_url, client_tls, content)
    (connection,) = server.connections
    assert content in connection.body
    assert (uploaded.size, uploaded.attempts) == (1_000_000, 1)


@ENGINES
def test_a_window_that_is_never_opened_is_bounded_by_the_time_to_write(
    engine: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    timeout = Timeouts(write=0.5, answer=300)
    with serving(server_tls, lambda _connection, _event: None) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut, match="nothing was saved"):
            upload(engine, server.base_url, client_tls, bytes(LARGE), timeout=timeout)
        assert time.monotonic() - started < AT_ONCE


BROKEN: dict[str, Behaviour] = {
    "CANCEL": reset(ErrorCodes.CANCEL),
    "REFUSED_STREAM": reset(ErrorCodes.REFUSED_STREAM),
    "GOAWAY": go_away(ErrorCodes.ENHANCE_YOUR_CALM),
    "GOAWAY without an error": go_away(ErrorCodes.NO_ERROR),
}


@ENGINES
@pytest.mark.parametrize("row", BROKEN)
def test_a_stream_that_is_broken_in_the_midst_ends_the_upload_at_once(
    engine: str, row: str, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with serving(server_tls, BROKEN[row]) as server:
        started = time.monotonic()
        with pytest.raises(ConnectionFailed, match="nothing was saved"):
            upload(engine, server.base_url, client_tls, bytes(LARGE))
        assert time.monotonic() - started < AT_ONCE


@ENGINES
@pytest.mark.parametrize("status", [401, 413])
def test_an_answer_in_the_midst_ends_the_upload_at_once(
    engine: str, status: int, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
) -> None:
    with serving(server_tls, refuse(status)) as server:
        started = time.monotonic()
        # The reset may hide the answer, but it may not turn into anything else.
        with pytest.raises((StatusError, ConnectionFailed)) as caught:
            upload(engine, server.base_url, client_tls, bytes(LARGE))
        assert time.monotonic() - started < AT_ONCE
    assert getattr(caught.value, "status_code", status) == status
