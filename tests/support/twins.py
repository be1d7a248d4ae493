"""The sync and the async client behind one face, so that a test is written once and runs for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from anchor_uploads import AsyncUploadClient, UploadClient

KEY = "sk-secret-key"
SESSION = "3c90c3cc-0d44-4b50-8888-8dd25736052a"


def call_sync(base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any) -> Any:
    """Call `method` of an `UploadClient` that is made for it with the options `client`."""
    with UploadClient(api_key=KEY, base_url=base_url, **(client or {})) as it:
        return getattr(it, method)(*arguments, **options)


def call_async(
    base_url: str, method: str, *arguments: Any, client: dict[str, Any] | None = None, **options: Any
) -> Any:
    """The same with an `AsyncUploadClient`."""

    async def run() -> Any:
        async with AsyncUploadClient(api_key=KEY, base_url=base_url, **(client or {})) as it:
            return await getattr(it, method)(*arguments, **options)

    return asyncio.run(run())


Call = Callable[..., Any]
both = pytest.mark.parametrize("call", [call_sync, call_async], ids=["sync", "async"])
