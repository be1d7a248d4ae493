"""Connections: an httpx client for each, the warm ones first, so that an upload costs the same alone or among many.

httpcore's pool looks at all its connections and all who wait, each time; and httpx throws most of them away. Clients of
one connection on a stack need no such looking. A client that was passed in is used as it is, with its own pool.
"""

from __future__ import annotations

import asyncio
import math
import os
import ssl
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from typing import Any, Generic, TypeVar

import anyio
import httpcore
import httpx

from anchor_uploads import __version__
from anchor_uploads._aside import Aside, TimeIsUp, event_loop
from anchor_uploads._call import contract
from anchor_uploads._call.body import Sent
from anchor_uploads._call.exchange import Answer, NoAnswer, Pause, Send, Work
from anchor_uploads._net.environment import Proxy, proxy_for, tls_context
from anchor_uploads._net.stream import AsyncTapped, Tapped, Watch, tap_pool
from anchor_uploads.errors import AnchorUploadsError, InvalidArgument

HttpClient = TypeVar("HttpClient", httpx.Client, httpx.AsyncClient)

_USER_AGENT = f"anchor-uploads/{__version__}"
# As httpx's own default: servers close what is idle for longer.
_KEEP_ALIVE_SECONDS = 5.0
# aiohttp waits for the rest of a request when its answer is closed.
_CLOSING_SECONDS = 1.0
_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE_SECONDS)
# Causes of a ConnectTimeout that is one.
_OF_TIME = (TimeoutError, asyncio.TimeoutError, httpcore.TimeoutException, type(None))
# Errors that come before the first byte of a request leaves, whoever raises them.
_NOTHING_SENT = (httpx.ConnectError, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
# Not all that breaks in a connection is translated by httpcore: ssl.SSLError is an OSError.
_OF_THE_NETWORK = (httpx.HTTPError, httpx.StreamError, OSError, EOFError, anyio.BrokenResourceError)


class _Exchange:
    """One request on one connection: how it is made, and what comes of it. The two senders add the waiting.

    foreign: the client was passed in, and what its transport raises can be anything. proxy: what it goes through.
    """

    def __init__(self, send: Send, *, foreign: bool, proxy: Proxy | None) -> None:
        self._send = send
        self._foreign = foreign
        self._proxy = proxy
        self._watch = Watch(send)
        self._client: httpx.Client | httpx.AsyncClient | None = None
        self._response: httpx.Response | None = None
        self._body = bytearray()
        self._problem: Exception | None = TimeIsUp()
        self.whole = False
        """Whether the answer was read to its end, and so is closed."""

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request, made by `client`, so that its own headers, cookies and parameters are in it."""
        operation, body = self._send.operation, self._send.body
        headers = {
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
            contract.API_KEY_HEADER: self._send.settings.api_key,
        }
        if body:
            headers |= {"Content-Type": body.content_type, "Content-Length": str(body.content_length)}
        elif operation.json is not None:
            headers["Content-Type"] = "application/json"
        self._client = client
        trace = self._watch.trace_async if isinstance(client, httpx.AsyncClient) else self._watch.trace
        extensions = {"timeout": self._watch.timeouts, "trace": trace}
        request = client.build_request(
            operation.method,
            _url(self._send.url),
            headers=headers,
            content=body or operation.json,
            extensions=extensions,
        )
        if body:
            # As httpx's own bodies are: for both kinds of client, and able to begin anew.
            request.stream = body
        return request

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Note what goes wrong with the network; what the source or the caller's own code raises goes on."""
        try:
            with self._watch.serving():
                yield
            self._problem = None
        except Exception as error:
            self._problem = self._noted(error)
        finally:
            if self._send.body:
                self._send.body.abandon()

    def bound_writes(self, scope: anyio.CancelScope) -> None:
        """Cancel `scope` when the network takes no block for too long; aiohttp's transport has no time-out for that."""
        seconds = self._send.settings.timeouts.write

        def bound(waiting: bool) -> None:
            bounded = waiting and seconds is not None and self._watch.stream is None
            scope.deadline = anyio.current_time() + (seconds or 0) if bounded else math.inf

        if self._foreign and self._send.body:
            self._send.body.on_handed_over = bound

    def began(self, response: httpx.Response) -> httpx.Response:
        """Note the answer's status and headers: whatever comes now, they are in hand."""
        self._response = response
        self._watch.answered()
        return response

    def adds(self, block: bytes) -> bool:
        """Keep a block of the answer's body, and tell whether there is room for more."""
        self._body += block
        return len(self._body) < self._send.operation.keep

    def left(self) -> float:
        """Return the seconds that may be waited for what comes next."""
        left = self._watch.deadline.left()
        return math.inf if left is None else left

    def left_open(self) -> Any:
        """Return the stream of a connection that nobody else will close, None if there is none."""
        # httpcore forgets a connection that was given up before it was made, such as in the midst of a TLS handshake.
        lost = self._watch.sent is Sent.NOTHING or (self._client and self._client.is_closed)
        return self._watch.stream if self._problem and lost else None

    def outcome(self) -> Answer | NoAnswer:
        body = self._send.body
        if self._response is not None:
            sent = body.sent if body else Sent.WHOLE
            content = bytes(self._body[: self._send.operation.keep])
            return Answer(self._response.status_code, self._response.headers, content, sent, self._problem)
        problem = self._problem or TimeIsUp()
        if body:
            sent = body.sent
        elif self._watch.traced:
            sent = self._watch.sent
        else:
            sent = Sent.NOTHING if isinstance(problem, _NOTHING_SENT) else Sent.WHOLE
        return NoAnswer(problem, sent, through=str(self._proxy) if self._proxy else None)

    def _noted(self, error: Exception) -> Exception:
        raised = self._send.body.raised if self._send.body else None
        if raised is not None:
            # Whatever the transport made of it: this is what happened.
            if isinstance(raised, TimeIsUp):
                return raised
            raise raised
        if isinstance(error, httpx.HTTPStatusError):
            # An event hook of the caller's own client.
            self.began(error.response)
        elif not isinstance(error, _OF_THE_NETWORK) and (not self._foreign or isinstance(error, AnchorUploadsError)):
            raise error
        if isinstance(error, httpx.ConnectTimeout) and not isinstance(error.__cause__, _OF_TIME):
            # What aiohttp's transport makes of any connection that breaks.
            broken = httpx.NetworkError(str(error))
            broken.__cause__ = error.__cause__
            error = broken
        if hasattr(error, "request_info"):
            # aiohttp's own, which shows the request with its headers.
            error = httpx.RemoteProtocolError(str(error))
        late = isinstance(error, (httpx.TimeoutException, TimeoutError)) and self._send.deadline.passes_within(0.001)
        return TimeIsUp() if late else _bare(error)


@lru_cache(maxsize=256)
def _url(text: str) -> httpx.URL:
    """Return the URL; to read one costs httpx as much as to send a small request."""
    return httpx.URL(text)


def _bare(error: Exception) -> Exception:
    """Return `error` without what shows the key: the request, and the frames whose variables hold its headers."""
    link: BaseException | None = error
    while link is not None:
        link.__traceback__ = None
        if isinstance(link, httpx.RequestError):
            link._request = None
        below = link.__cause__ or link.__context__
        if hasattr(below, "request_info"):
            link.__cause__ = link.__context__ = below = None
        link = below
    return error


class _Warm(Generic[HttpClient]):
    """Clients whose connection is idle, the last used on top."""

    def __init__(self) -> None:
        self._clients: deque[tuple[float, HttpClient]] = deque()
        self.process = os.getpid()

    def take(self) -> HttpClient | None:
        try:
            return self._clients.pop()[1]
        except IndexError:
            return None

    def give(self, client: HttpClient) -> list[HttpClient]:
        """Keep `client`, and return those that were idle for too long."""
        now = time.monotonic()
        self._clients.append((now, client))
        late = []
        with suppress(IndexError):
            while self._clients[0][0] < now - _KEEP_ALIVE_SECONDS:
                late.append(self._clients.popleft()[1])
        return late

    def clear(self) -> list[HttpClient]:
        clients = [client for _, client in self._clients]
        self._clients.clear()
        return clients


class _Connections(Generic[HttpClient]):
    """What both kinds share. passed_in: a client of the caller's, which is never closed here.

    Raises `InvalidArgument` if that is none, or if no client can be made of what stands in the environment.
    """

    _kind: type[HttpClient]

    def __init__(self, passed_in: HttpClient | None, base_url: str) -> None:
        if passed_in is not None and not isinstance(passed_in, self._kind):
            raise InvalidArgument(f"http_client must be an httpx.{self._kind.__name__}, not {type(passed_in).__name__}")
        self._passed_in: HttpClient | None = passed_in
        self._closed = False
        self._tls: ssl.SSLContext | bool = True
        self._warm: _Warm[HttpClient] = _Warm()
        self.check_open()
        self._proxy: Proxy | None = None
        self._httpx_proxy: httpx.Proxy | None = None
        if passed_in is None:
            if proxy := proxy_for(base_url):
                self._proxy, self._httpx_proxy = proxy, proxy.for_httpx()
            # To read the system's certificates takes longer than a small upload; without any, no server is trusted.
            secured = base_url.lower().startswith("https:")
            self._tls = tls_context() if secured else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            try:
                self._warm.give(self._made())
            except ImportError as error:
                raise InvalidArgument(f"{self._proxy} needs a package: pip install 'httpx[socks]'") from error

    def check_open(self) -> None:
        """Raise `InvalidArgument` if no request can be made any more."""
        if self._closed or (self._passed_in is not None and self._passed_in.is_closed):
            which = "this client" if self._closed else "the http_client that was passed in"
            raise InvalidArgument(f"{which} is closed; make another, or close it when the last call is done")

    def _made(self) -> HttpClient:
        return self._kind(verify=self._tls, limits=_LIMITS, proxy=self._httpx_proxy, trust_env=False)

    def _not_kept(self, client: HttpClient, warm: _Warm[HttpClient], exchange: _Exchange) -> list[HttpClient]:
        """Keep `client` for the next request if that can be, and return the clients to close."""
        unwanted = warm.give(client) if exchange.whole else [client]
        return unwanted + warm.clear() if self._closed else unwanted


class Connections(_Connections[httpx.Client]):
    """Does the steps of calls for `UploadClient`. From any thread, and after a fork, too."""

    _kind = httpx.Client

    def do(self, step: Send | Pause | Work) -> Any:
        """Do one step of a call and return what comes of it."""
        if isinstance(step, Send):
            return self._send(step)
        if isinstance(step, Pause):
            return time.sleep(step.seconds)
        if step.may_never_end and step.deadline.seconds is not None:
            return Aside(step.function).result(step.deadline.left())
        return step.function()

    def close(self) -> None:
        """Close the idle connections; each that is in use is closed when its call is done."""
        self._closed = True
        for client in self._warm.clear():
            client.close()

    def _send(self, send: Send) -> Answer | NoAnswer:
        exchange = _Exchange(send, foreign=self._passed_in is not None, proxy=self._proxy)
        with exchange.under_way():
            if send.body:
                send.body.announce()
            with self._client(exchange) as client:
                response = exchange.began(client.send(exchange.request(client), stream=True, follow_redirects=False))
                try:
                    exchange.whole = all(map(exchange.adds, response.iter_bytes()))
                finally:
                    if not exchange.whole:
                        response.close()
        if stream := exchange.left_open():
            stream.close()
        return exchange.outcome()

    @contextmanager
    def _client(self, exchange: _Exchange) -> Iterator[httpx.Client]:
        if self._passed_in is not None:
            self.check_open()
            tap_pool(self._passed_in, Tapped)
            yield self._passed_in
            return
        if self._warm.process != os.getpid():
            # A forked child must not speak on the connections of its parent.
            self._warm = _Warm()
        warm = self._warm
        client = warm.take() or self._made()
        try:
            yield client
        finally:
            for unwanted in self._not_kept(client, warm, exchange):
                unwanted.close()


class AsyncConnections(_Connections[httpx.AsyncClient]):
    """The same for `AsyncUploadClient`, on asyncio and trio. Each event loop has connections of its own."""

    _kind = httpx.AsyncClient
    _loop: Any = None
    _at_the_end: AsyncGenerator[None, None] | None = None

    def __init__(self, passed_in: httpx.AsyncClient | None, base_url: str) -> None:
        super().__init__(passed_in, base_url)
        # anyio would import all that it needs for the event loop that runs, if one does, in the midst of an upload.
        with suppress(RuntimeError):
            anyio.current_time()

    async def do(self, step: Send | Pause | Work) -> Any:
        """Do one step of a call and return what comes of it."""
        if isinstance(step, Send):
            return await self._send(step)
        if isinstance(step, Pause):
            return await anyio.sleep(step.seconds)
        with anyio.move_on_after(step.deadline.left()):
            return await Aside(step.function).result_async()
        raise TimeIsUp

    async def close(self) -> None:
        """Close the idle connections; each that is in use is closed when its call is done."""
        self._closed = True
        if self._at_the_end is not None and self._loop is event_loop():
            await self._at_the_end.aclose()

    async def _send(self, send: Send) -> Answer | NoAnswer:
        exchange = _Exchange(send, foreign=self._passed_in is not None, proxy=self._proxy)
        try:
            with exchange.under_way():
                if send.body:
                    await send.body.announce_async()
                async with self._client(exchange) as client:
                    with anyio.CancelScope() as writing, anyio.fail_after(exchange.left()) as scope:
                        exchange.bound_writes(writing)
                        request = exchange.request(client)
                        try:
                            response = exchange.began(await client.send(request, stream=True, follow_redirects=False))
                        finally:
                            if send.body:
                                await send.body.told()
                        writing.deadline = math.inf
                        scope.deadline = anyio.current_time() + exchange.left()
                        try:
                            async for block in response.aiter_bytes():
                                if not exchange.adds(block):
                                    break
                            else:
                                exchange.whole = True
                        finally:
                            if not exchange.whole:
                                with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
                                    await response.aclose()
                    if writing.cancelled_caught:
                        raise httpx.WriteTimeout("the network took nothing")
        finally:
            if stream := exchange.left_open():
                with anyio.CancelScope(shield=True):
                    await stream.aclose()
        return exchange.outcome()

    @asynccontextmanager
    async def _client(self, exchange: _Exchange) -> AsyncIterator[httpx.AsyncClient]:
        if self._passed_in is not None:
            self.check_open()
            tap_pool(self._passed_in, AsyncTapped)
            yield self._passed_in
            return
        if self._loop is not (loop := event_loop()) or self._warm.process != os.getpid():
            self._loop, self._warm = loop, _Warm()
            self._at_the_end = _closing_at_the_end(self._warm)
            await anext(self._at_the_end)
        warm = self._warm
        client = warm.take() or self._made()
        try:
            yield client
        finally:
            await _close(self._not_kept(client, warm, exchange))


async def _closing_at_the_end(warm: _Warm[httpx.AsyncClient]) -> AsyncGenerator[None, None]:
    """Close the connections of an event loop before it ends: asyncio and trio end the generators that it left open."""
    try:
        yield
    finally:
        await _close(warm.clear())


async def _close(clients: list[httpx.AsyncClient]) -> None:
    with anyio.CancelScope(shield=True):
        for client in clients:
            await client.aclose()
