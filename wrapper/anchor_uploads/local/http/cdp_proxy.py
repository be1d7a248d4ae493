"""CDP clients reach a session's browser through the server's own port.

Once the handshake is made, bytes pass both ways as they come. WebSocket frames are not taken apart, so that a message
may have any size and takes no memory here, each end answers the other's pings, and who sends too fast for the other
end is stopped by TCP.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import quote, unquote, urlsplit

from anchor_uploads.local.http.hosts import Hosts
from anchor_uploads.local.sessions import Session, SessionEnded, Sessions

__all__ = ["CdpProxy", "Gate", "cdp_url"]

_BUFFER = 1024 * 1024
_FLUSH_SECONDS = 2.0
_CONNECT_SECONDS = 10.0


def cdp_url(base_url: str, api_key: str, session_id: str) -> str:
    """Where CDP clients find a session: the form in which official clients build it, too."""
    return f"ws{base_url.removeprefix('http')}?apiKey={quote(api_key, safe='')}&sessionId={session_id}"


class _Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Gate:
    """Knows who may go to which browser."""

    def __init__(self, sessions: Sessions, *, api_key: str, hosts: Hosts) -> None:
        self._sessions = sessions
        self._api_key = api_key
        self._hosts = hosts

    def may_pass(self, query: str, header: str | None) -> bool:
        """Tell whether the API key is in the query, or in the header `anchor-api-key`."""
        given = parameters(query).get("apiKey", "")
        # In a query a plus sign is a space to some clients, and to others, such as official ones, itself.
        readings = [header] if header is not None else [given, parameters(query.replace("+", " ")).get("apiKey", "")]
        return any(hmac.compare_digest(it.encode("utf-8", "replace"), self._api_key.encode()) for it in readings)

    def admit(self, head: bytes) -> tuple[Session, bytes]:
        """Return the session that a handshake asks for, and the one to make with its browser. Raises `_Refused`."""
        request_line, *header_lines = head.decode("latin-1").split("\r\n")
        _method, target, _version = request_line.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in header_lines)}
        problem = self._hosts.problem(headers.get("host", ""))
        if problem is not None:
            raise _Refused(421, problem)
        # What strangers ask for need not be a part of any URL.
        path, _, query = target.partition("?")
        if not self.may_pass(query, headers.get("anchor-api-key")):
            raise _Refused(401, "the API key is missing or not the one of this server: pass ?apiKey=…&sessionId=…")
        if path not in ("", "/"):
            raise _Refused(404, f"no WebSocket is at {path}: connect to the session's cdp_url")
        session_id = parameters(query).get("sessionId", "")
        session = self._sessions.get(session_id)
        if session is None:
            raise _Refused(404, self._sessions.why_not(session_id))
        if session.browser is None:
            raise _Refused(404, f"session {session.id} has no browser: the server was started without")
        return session, _handshake(session.browser.devtools_url, headers.get("sec-websocket-key", ""))


def parameters(query: str) -> dict[str, str]:
    """Return the parameters of a URL's query, where a plus sign is one."""
    pairs = (pair.partition("=") for pair in query.split("&"))
    return {unquote(name): unquote(value) for name, _, value in pairs}


def _handshake(devtools_url: str, key: str) -> bytes:
    if not re.fullmatch(r"[A-Za-z0-9+/]{22}==", key):
        raise _Refused(400, "the request is not a WebSocket handshake: its Sec-WebSocket-Key is missing or not valid")
    url = urlsplit(devtools_url)
    # Without the client's Origin, which the browser would refuse, and without compression, which costs both ends time
    # on a connection that never leaves the machine.
    lines = [
        f"GET {url.path} HTTP/1.1",
        f"Host: {url.netloc}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


class _End(asyncio.Protocol):
    """One of two connections; what it receives goes out at the other."""

    transport: asyncio.Transport
    other: _End
    touch: Callable[[], None]
    _lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_write_buffer_limits(high=_BUFFER)

    def data_received(self, data: bytes) -> None:
        self.touch()
        if not self.other.transport.is_closing():
            self.other.transport.write(data)

    def pause_writing(self) -> None:
        self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        self.other.transport.resume_reading()

    def close(self) -> None:
        """Send what is waiting, and close."""
        self.transport.close()
        # Who reads no more must not keep the server from stopping.
        asyncio.get_running_loop().call_later(_FLUSH_SECONDS, self._abort)

    def _abort(self) -> None:
        # A transport of asyncio that has sent all and closed fails to abort.
        if not self._lost:
            self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost = True


class _BrowserEnd(_End):
    def __init__(self, client: CdpProxy) -> None:
        self.other = client
        self.touch = client.touch
        self._closed = client.closed

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._closed.set()


class CdpProxy(_End):
    """The client's end of a proxied connection; uvicorn makes one for each WebSocket handshake.

    The lifespan's state must have a `Gate` as "gate".
    """

    def __init__(self, *, server_state: Any, app_state: dict[str, Any], **_config: Any) -> None:
        self._server_state = server_state
        self._gate: Gate = app_state["gate"]
        self._task: asyncio.Task[None] | None = None
        self.closed: asyncio.Event = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._server_state.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._task is not None:
            super().data_received(data)
            return
        # uvicorn hands over the whole head in one piece.
        self.transport.pause_reading()
        self._task = asyncio.ensure_future(self._run(data))
        self._server_state.tasks.add(self._task)
        self._task.add_done_callback(self._server_state.tasks.discard)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._server_state.connections.discard(self)
        self.closed.set()

    def shutdown(self) -> None:
        """uvicorn's way to say that the server stops."""
        self.closed.set()

    async def _run(self, head: bytes) -> None:
        browser: _BrowserEnd | None = None
        try:
            session, handshake = self._gate.admit(head)
            self.touch: Callable[[], None] = session.touch
            self.touch()
            with session.work():
                browser = await self._connect(session)
                self.other: _End = browser
                browser.transport.write(handshake)
                self.transport.resume_reading()
                await self.closed.wait()
        except _Refused as refused:
            self._refuse(refused.status, str(refused))
        except SessionEnded as ended:
            # Later it would land between two frames, or within one.
            if browser is None:
                self._refuse(404, str(ended))
        except (OSError, asyncio.TimeoutError) as problem:
            self._refuse(500, f"the session's browser does not answer: {str(problem) or 'no connection in time'}")
        finally:
            if browser is not None:
                browser.close()
            self.close()

    async def _connect(self, session: Session) -> _BrowserEnd:
        assert session.browser is not None
        url = urlsplit(session.browser.devtools_url)
        assert url.hostname is not None
        assert url.port is not None
        connecting = asyncio.get_running_loop().create_connection(lambda: _BrowserEnd(self), url.hostname, url.port)
        _transport, browser = await asyncio.wait_for(connecting, _CONNECT_SECONDS)
        return browser

    def _refuse(self, status: int, message: str) -> None:
        body = json.dumps({"error": {"code": status, "message": message}}).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
