"""All ways to make requests behind one face, so that a test is written once and runs for each of them."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import httpx
import pytest
from httpx_aiohttp import HttpxAiohttpClient

from anchor_uploads import AsyncUploadClient, UploadClient

KEY = "sk-secret-key"
SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
# To read the system's certificates takes longer than most tests.
NOBODY_TRUSTED = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


# anyio by itself, if their cancelling comes as they stand; Python closes them, and tells of it.
ANYIO_LOSES_CONNECTIONS = sys.version_info < (3, 11) or tuple(map(int, version("anyio").split(".")[:2])) < (4, 16)


def _settings(base_url: str, client: dict[str, Any] | None) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": base_url, **(client or {})}


@dataclass(frozen=True)
class SyncCall:
    """Call a method of an `UploadClient` that is made for this call, and of which nothing is left after it.

    own: makes the `http_client` that is passed in, if one is. Of a call, `client` holds the options of the
    `UploadClient` and `http` those of the passed-in client; all others are the method's.
    """

    own: Callable[..., httpx.Client] | None = None

    def __call__(
        self,
        base_url: str,
        method: str,
        *arguments: Any,
        client: dict[str, Any] | None = None,
        http: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        with self._clients(base_url, client, http) as (it, _own):
            return getattr(it, method)(*arguments, **options)

    def in_session(
        self, base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Call with a session's id before the other arguments, in a block of `client.session()`."""
        with self._clients(base_url, client) as (it, _own), it.session() as session:
            return getattr(it, method)(session.id, *arguments, **options)

    def on_a_used_connection(
        self, base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """Call over a passed-in client whose connection was made by a request of its owner."""
        with self._clients(base_url, client) as (it, own):
            own.get(base_url + "/x")
            return getattr(it, method)(*arguments, **options)

    def with_its_owner(self, base_url: str, run: Callable[[Any, Any], Any], warm: str) -> Any:
        """Return `run` of a client and of the one that was passed in, which has a connection to `warm` already."""
        with self._clients(base_url, None) as (it, own):
            own.get(warm)
            return run(it, own)

    @contextmanager
    def _clients(
        self, base_url: str, client: dict[str, Any] | None, http: dict[str, Any] | None = None
    ) -> Iterator[tuple[UploadClient, Any]]:
        if self.own is None:
            with UploadClient(**_settings(base_url, client)) as it:
                yield it, None
        else:
            with (
                self.own(**{"verify": NOBODY_TRUSTED, **(http or {})}) as own,
                UploadClient(**_settings(base_url, client), http_client=own) as it,
            ):
                yield it, own


@dataclass(frozen=True)
class AsyncCall:
    """`SyncCall` with an `AsyncUploadClient`, in an event loop of its own."""

    own: Callable[..., httpx.AsyncClient] | None = None

    def __call__(
        self,
        base_url: str,
        method: str,
        *arguments: Any,
        client: dict[str, Any] | None = None,
        http: dict[str, Any] | None = None,
        **options: Any,
    ) -> Any:
        async def run() -> Any:
            async with self._clients(base_url, client, http) as (it, _own):
                return await getattr(it, method)(*arguments, **options)

        return asyncio.run(run())

    def in_session(
        self, base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """See `SyncCall`."""

        async def run() -> Any:
            async with self._clients(base_url, client) as (it, _own), it.session() as session:
                return await getattr(it, method)(session.id, *arguments, **options)

        return asyncio.run(run())

    def on_a_used_connection(
        self, base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any
    ) -> Any:
        """See `SyncCall`."""

        async def run() -> Any:
            async with self._clients(base_url, client) as (it, own):
                await own.get(base_url + "/x")
                return await getattr(it, method)(*arguments, **options)

        return asyncio.run(run())

    def with_its_owner(self, base_url: str, run: Callable[[Any, Any], Any], warm: str) -> Any:
        """See `SyncCall`; what `run` returns is awaited."""

        async def meet() -> Any:
            async with self._clients(base_url, None) as (it, own):
                await own.get(warm)
                return await run(it, own)

        return asyncio.run(meet())

    @asynccontextmanager
    async def _clients(
        self, base_url: str, client: dict[str, Any] | None, http: dict[str, Any] | None = None
    ) -> AsyncIterator[tuple[AsyncUploadClient, Any]]:
        if self.own is None:
            async with AsyncUploadClient(**_settings(base_url, client)) as it:
                yield it, None
        else:
            try:
                async with (
                    self.own(**{"verify": NOBODY_TRUSTED, **(http or {})}) as own,
                    AsyncUploadClient(**_settings(base_url, client), http_client=own) as it,
                ):
                    yield it, own
            finally:
                if self.own is HttpxAiohttpClient:
                    await abort_what_is_closing()


async def abort_what_is_closing() -> None:
    """aiohttp closes a connection only when all that it has taken is out. In a test that may never be."""
    selector = getattr(asyncio.get_running_loop(), "_selector", None)
    registered = selector.get_map() if hasattr(selector, "get_map") else {}  # other loops have other ways
    for handle in [handle for key in registered.values() for handle in key.data]:
        transport = getattr(getattr(handle, "_callback", None), "__self__", None)
        if isinstance(transport, asyncio.Transport):
            # TLS closes by itself first, and then what it goes through.
            tls = getattr(transport.get_protocol(), "_app_transport", None)
            if transport.is_closing() or (tls and tls.is_closing()):
                transport.abort()
    await asyncio.sleep(0)


Call = SyncCall | AsyncCall

call_sync = SyncCall()
call_async = AsyncCall()
call_aiohttp = AsyncCall(HttpxAiohttpClient)

_IDS: dict[Call, str] = {
    call_sync: "sync",
    call_async: "async",
    call_aiohttp: "aiohttp",
    SyncCall(httpx.Client): "sync, own client",
    AsyncCall(httpx.AsyncClient): "async, own client",
}


def _each(*calls: Call) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("call", calls, ids=[_IDS[call] for call in calls])


both = _each(call_sync, call_async, call_aiohttp)
"""The sync client and the async one, and the latter over aiohttp, too, whose requests take other ways."""

every_client = _each(*_IDS)
"""`both`, and over clients of httpx that are passed in."""

passed_in = _each(*(call for call in _IDS if call.own))
"""Those of `every_client` over a client that is passed in."""

asynchronous = _each(*(call for call in _IDS if isinstance(call, AsyncCall)))
"""Those of `every_client` that can await a file."""
