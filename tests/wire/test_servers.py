"""The servers that the tests speak to bear what clients do to them, as each system tells of it."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.model_server import ModelServer
from support.raw_server import RawServer

REQUEST = b"POST /v1/sessions/s/uploads HTTP/1.1\r\ncontent-length: %d\r\n\r\n"


def connected(server: RawServer | ModelServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(server.base_url).port or 0), timeout=10)


@pytest.mark.parametrize("kind", [RawServer, ModelServer])
@pytest.mark.parametrize(("call", "refusal"), [("accept", errno.ECONNABORTED), ("setsockopt", errno.EINVAL)])
def test_a_client_that_is_gone_again_is_nothing_to_the_next_one(
    kind: type[RawServer | ModelServer], call: str, refusal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    untouched = getattr(socket.socket, call)
    refused: list[str] = []

    def refuse_once(*arguments: Any) -> Any:
        if not refused:
            refused.append(call)
            raise OSError(refusal, os.strerror(refusal))
        return untouched(*arguments)

    server = kind()
    if isinstance(server, ModelServer):
        server.expect("s", b"", ())
    monkeypatch.setattr(socket.socket, call, refuse_once)
    with server:
        connected(server).close()
        with connected(server) as client:
            client.sendall(REQUEST % 0)
            assert client.recv(65536).startswith(b"HTTP/1.1 200 ")
    assert refused == [call]
