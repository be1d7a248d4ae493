"""One exchange on a connection: the request that is made, and what comes of it, whatever goes wrong on the way."""

from __future__ import annotations

import asyncio
import math
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import anyio
import httpcore
import httpx

from anchor_uploads import __version__
from anchor_uploads._aside import TimeIsUp
from anchor_uploads._call import contract
from anchor_uploads._call.body import Sent
from anchor_uploads._call.exchange import Answer, NoAnswer, Send
from anchor_uploads._net.environment import Proxy
from anchor_uploads._net.stream import Watch
from anchor_uploads.errors import AnchorUploadsError

_USER_AGENT = f"anchor-uploads/{__version__}"
# Causes of a ConnectTimeout that is one.
_OF_TIME = (TimeoutError, asyncio.TimeoutError, httpcore.TimeoutException, type(None))
# Errors that come before the first byte of a request leaves, whoever raises them.
_NOTHING_SENT = (httpx.ConnectError, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)
# Not all that breaks in a connection is translated by httpcore: ssl.SSLError is an OSError.
_OF_THE_NETWORK = (httpx.HTTPError, httpx.StreamError, OSError, EOFError, anyio.BrokenResourceError)
_NOTHING_MORE = httpx.ByteStream(b"")


class _Json(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of an operation without a file. `sent` tells whether it was asked for, so that a request is whole."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.sent = Sent.NOTHING

    def __iter__(self) -> Iterator[bytes]:
        self.sent = Sent.WHOLE
        if self._content:
            yield self._content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.sent = Sent.WHOLE
        if self._content:
            yield self._content


class Exchange:
    """One request on one connection: how it is made, and what comes of it. The two senders add the waiting.

    foreign: the client was passed in, and what its transport raises can be anything. proxy: what it goes through.
    """

    def __init__(self, send: Send, *, foreign: bool, proxy: Proxy | None) -> None:
        self._send = send
        self._foreign = foreign
        self._proxy = proxy
        self._watch = Watch(send)
        self._content = send.body or (None if send.operation.json is None else _Json(send.operation.json))
        self._client: httpx.Client | httpx.AsyncClient | None = None
        self._response: httpx.Response | None = None
        self._body = bytearray()
        # So much more that the key can be known, were it cut; JSON may have six letters for one.
        self._room = send.operation.keep + 6 * len(send.settings.api_key)
        self._problem: Exception | None = TimeIsUp()
        self.whole = False
        """Whether the answer was read to its end, and so is closed."""

    def request(self, client: httpx.Client | httpx.AsyncClient) -> httpx.Request:
        """Return the request, made by `client`, so that its own headers, cookies and parameters are in it."""
        operation, body, content = self._send.operation, self._send.body, self._content
        headers = {
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
            contract.API_KEY_HEADER: self._send.settings.api_key,
        }
        if body:
            headers |= {"Content-Type": body.content_type, "Content-Length": str(body.content_length)}
        elif operation.json is not None:
            headers["Content-Length"] = str(len(operation.json))
            if operation.json:
                headers["Content-Type"] = "application/json"
        self._client = client
        trace = self._watch.trace_async if isinstance(client, httpx.AsyncClient) else self._watch.trace
        extensions = {"timeout": self._watch.timeouts, "trace": trace}
        request = client.build_request(
            operation.method,
            _url(self._send.url),
            headers=headers,
            content=content,
            extensions=extensions,
        )
        if content:
            # As httpx's own bodies are: for both kinds of client, and able to begin anew.
            request.stream = content
        return request

    @contextmanager
    def under_way(self) -> Iterator[None]:
        """Note what goes wrong; `outcome` tells what it is."""
        try:
            with self._watch.serving():
                yield
            self._problem = None
        except Exception as error:
            self._problem = error
            if isinstance(error, httpx.HTTPStatusError):
                # An event hook of the caller's own client.
                self.began(error.response)
        finally:
            if self._send.body:
                self._send.body.abandon()
            if self._response is not None:
                # It and its stream hold each other and the request, and so the file, until the collector comes.
                self._response.stream = _NOTHING_MORE

    def bound_writes(self, scope: anyio.CancelScope) -> None:
        """Cancel `scope` when the network takes no block for too long; aiohttp's transport has no time-out for that."""
        seconds = self._send.settings.timeouts.write

        def bound(waiting: bool) -> None:
            bounded = waiting and seconds is not None and self._watch.stream is None
            scope.deadline = anyio.current_time() + (seconds or 0) if bounded else math.inf

        if self._foreign and self._send.body:
            self._send.body.on_handed_over = bound

    def began(self, response: httpx.Response) -> None:
        """Note the answer's status and headers: whatever comes now, they are in hand."""
        self._response = response
        self._watch.answered()

    def adds(self, block: bytes) -> bool:
        """Keep a block of the answer's body, and tell whether there is room for more."""
        self._body += block
        return len(self._body) < self._room

    def half_read(self) -> httpx.Response | None:
        """Return an answer that is there and was not read to its end, which has to be closed."""
        return None if self.whole else self._response

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
        """Return what came of it. What the source or the caller's own code raised goes on.

        To be called when nothing is handled any more: what is raised would lead to that, and so perhaps to the key.
        """
        if (others := self._take_others()) is not None:
            try:
                raise others
            finally:
                # See `_call.table.repeated`.
                del others
        body, content, raised = self._send.body, self._content, self._problem
        if raised:
            self._problem = self._known(raised)
        if self._response is not None:
            # Whoever answers to anything but a file need not have read what came with it.
            sent = body.sent if body else Sent.WHOLE
            return Answer(
                self._response.status_code,
                self._response.headers,
                bytes(self._body[: self._room]),
                sent,
                self._problem,
                self._send.settings._api_key,
            )
        problem = self._problem or TimeIsUp()
        # A body may have been read for other reasons than to be sent, such as a signature of the client's own `auth`.
        nothing = isinstance(raised, _NOTHING_SENT) or isinstance(problem, _NOTHING_SENT)
        if self._watch.traced:
            nothing = self._watch.sent is Sent.NOTHING
        sent = Sent.NOTHING if nothing else content.sent if content else Sent.WHOLE
        return NoAnswer(problem, sent, through=str(self._proxy) if self._proxy else None)

    def _take_others(self) -> Exception | None:
        """Take out what is not of the network: what the source or the caller's own code raised, and faults of ours."""
        error, body = self._problem, self._send.body
        if error is None:
            return None
        raised = body.take_raised() if body else None
        if isinstance(raised, TimeIsUp):
            self._problem = raised
        elif raised is not None:
            # Whatever the transport made of it: this is what happened.
            self._problem = None
            return raised
        elif isinstance(error, AnchorUploadsError) or not (self._foreign or isinstance(error, _OF_THE_NETWORK)):
            self._problem = None
            return error
        return None

    def _known(self, error: Exception) -> Exception:
        """Return what `error` is, in words of httpx and without the key."""
        if isinstance(error, TimeIsUp):
            return error
        if isinstance(error, httpx.ConnectTimeout) and not isinstance(error.__cause__, _OF_TIME):
            # What aiohttp's transport makes of any connection that breaks, or that was not made.
            unmade = "ClientConnectorError" in (kind.__name__ for kind in type(error.__cause__).__mro__)
            broken = (httpx.ConnectError if unmade else httpx.NetworkError)(str(error))
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
    # What the caller handles meanwhile keeps its frames. Those of others may go round in a circle.
    seen: set[int] = {id(sys.exc_info()[1])}
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = None
        if isinstance(link, httpx.RequestError):
            link._request = None
        below = link.__cause__ or link.__context__
        if hasattr(below, "request_info"):
            link.__cause__ = link.__context__ = below = None
        link = below
    return error
