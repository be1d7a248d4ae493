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
from typing import Any, Generic, TypeVar

import anyio
import httpx

from anchor_uploads._aside import Aside, TimeIsUp, event_loop, wait_in_turns
from anchor_uploads._call.exchange import Answer, NoAnswer, Pause, Send, Work
from anchor_uploads._net.environment import Proxy, proxy_for, tls_context
from anchor_uploads._net.exchange import Exchange
from anchor_uploads._net.stream import AsyncTapped, Tapped, tap_pool
from anchor_uploads.errors import InvalidArgument

HttpClient = TypeVar("HttpClient", httpx.Client, httpx.AsyncClient)

# As httpx's own default: servers close what is idle for longer.
_KEEP_ALIVE_SECONDS = 5.0
# aiohttp waits for the rest of a request when its answer is closed.
_CLOSING_SECONDS = 1.0
_LIMITS = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE_SECONDS)


class _Warm(Generic[HttpClient]):
    """Clients whose connection is idle, the last used on top."""

    def __init__(self) -> None:
        self._clients: deque[tuple[float, HttpClient]] = deque()
        self.process = os.getpid()
        self.ended = False
        """Whether the event loop that the connections are of has ended."""

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

    def check_own(self) -> None:
        """Raise `InvalidArgument` if an `http_client` was passed in, which other clients would not go through."""
        if self._passed_in is not None:
            raise InvalidArgument(
                "this executor uploads by clients of its own, and so not through the http_client that was passed in; "
                "leave one of them out"
            )

    def _made(self) -> HttpClient:
        return self._kind(verify=self._tls, limits=_LIMITS, proxy=self._httpx_proxy, trust_env=False)

    def _not_kept(self, client: HttpClient, warm: _Warm[HttpClient], exchange: Exchange) -> list[HttpClient]:
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
            return wait_in_turns(time.sleep, step.seconds)
        if step.may_never_end and step.deadline.seconds is not None:
            return Aside(step.function).result(step.deadline.left())
        return step.function()

    def close(self) -> None:
        """Close the idle connections; each that is in use is closed when its call is done."""
        self._closed = True
        for client in self._warm.clear():
            client.close()

    def _send(self, send: Send) -> Answer | NoAnswer:
        exchange = Exchange(send, foreign=self._passed_in is not None, proxy=self._proxy)
        with exchange.under_way():
            if send.body:
                send.body.announce()
            with self._client(exchange) as client:
                try:
                    response = client.send(exchange.request(client), stream=True, follow_redirects=False)
                    exchange.began(response)
                    exchange.whole = all(map(exchange.adds, response.iter_bytes()))
                finally:
                    if half_read := exchange.half_read():
                        half_read.close()
        if stream := exchange.left_open():
            stream.close()
        return exchange.outcome()

    @contextmanager
    def _client(self, exchange: Exchange) -> Iterator[httpx.Client]:
        if self._passed_in is not None:
            self.check_open()
            tap_pool(self._passed_in, Tapped)
            yield self._passed_in
            return
        if self._warm.process != os.getpid():
            # A forked child must not speak on the connections of its parent. If it closes them, they end for it only.
            inherited, self._warm = self._warm, _Warm()
            for client in inherited.clear():
                client.close()
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

    def __init__(self, passed_in: httpx.AsyncClient | None, base_url: str) -> None:
        super().__init__(passed_in, base_url)
        self._loops: dict[Any, tuple[_Warm[httpx.AsyncClient], AsyncGenerator[None, None]]] = {}
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
        if here := self._loops.pop(event_loop(), None):
            await here[1].aclose()
        for loop in list(self._loops):
            # asyncio ends a generator that nobody has any more in the loop that it began in; trio complains of it.
            if isinstance(loop, asyncio.AbstractEventLoop):
                self._loops.pop(loop, None)

    async def _send(self, send: Send) -> Answer | NoAnswer:
        exchange = Exchange(send, foreign=self._passed_in is not None, proxy=self._proxy)
        try:
            with exchange.under_way():
                with anyio.CancelScope() as writing, anyio.fail_after(exchange.left()) as scope:
                    if send.body:
                        await send.body.announce_async()
                    async with self._client(exchange) as client:
                        exchange.bound_writes(writing)
                        try:
                            try:
                                request = exchange.request(client)
                                response = await client.send(request, stream=True, follow_redirects=False)
                                response.stream = _ClosedInPeace(response.stream)
                                exchange.began(response)
                            finally:
                                if send.body:
                                    await send.body.told()
                            writing.deadline = math.inf
                            scope.deadline = anyio.current_time() + exchange.left()
                            async for block in response.aiter_bytes():
                                if not exchange.adds(block):
                                    break
                            else:
                                exchange.whole = True
                        finally:
                            if half_read := exchange.half_read():
                                await half_read.aclose()
                if writing.cancelled_caught:
                    raise httpx.WriteTimeout("the network did not take a block in time")
        finally:
            if stream := exchange.left_open():
                with anyio.CancelScope(shield=True):
                    await stream.aclose()
        return exchange.outcome()

    @asynccontextmanager
    async def _client(self, exchange: Exchange) -> AsyncIterator[httpx.AsyncClient]:
        if self._passed_in is not None:
            self.check_open()
            tap_pool(self._passed_in, AsyncTapped)
            yield self._passed_in
            return
        loop = event_loop()
        warm, _ = self._loops.get(loop, (None, None))
        if warm is None or warm.process != os.getpid():
            warm = _Warm()
            if made := self._warm.take():
                warm.give(made)
            for other, (old, _) in list(self._loops.items()):
                # A loop that was closed without ending its generators can close nothing any more; the collector does.
                if old.ended or (isinstance(other, asyncio.AbstractEventLoop) and other.is_closed()):
                    self._loops.pop(other, None)
            self._loops[loop] = warm, (at_the_end := _closing_at_the_end(warm))
            await anext(at_the_end)
        client = warm.take() or self._made()
        try:
            yield client
        finally:
            await _close(self._not_kept(client, warm, exchange))


class _ClosedInPeace(httpx.AsyncByteStream):
    """The stream of an answer, closed without being broken off: no scope takes what aiohttp raises then for its own."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        stream: AsyncIterator[bytes] = aiter(self._stream)
        return stream

    async def aclose(self) -> None:
        with anyio.move_on_after(_CLOSING_SECONDS, shield=True):
            await self._stream.aclose()


async def _closing_at_the_end(warm: _Warm[httpx.AsyncClient]) -> AsyncGenerator[None, None]:
    """Close the connections of an event loop before it ends: asyncio and trio end the generators that it left open."""
    # It must not lead to whom it belongs to: collected as a circle, connections would be lost before it closes them.
    try:
        yield
    finally:
        warm.ended = True
        await _close(warm.clear())


async def _close(clients: list[httpx.AsyncClient]) -> None:
    with anyio.CancelScope(shield=True):
        for client in clients:
            await client.aclose()
