"""The Anchor API on your own machine: real HTTP, real files, a real headless Chromium per session.

`LocalServer` needs the extra: `pip install "anchor-uploads[local]"`. `find_browser` and `BrowserNotFound` need nothing
beyond the standard library, so an installer can ask first. `anchor_uploads.local.faults` makes requests fail on demand.

Example:
    >>> from anchor_uploads import UploadClient
    >>> from anchor_uploads.local import LocalServer
    >>> with LocalServer(browser=False) as anchor:
    ...     with UploadClient(base_url=anchor.base_url, api_key=anchor.api_key) as client:
    ...         len(client.list_sessions())
    0
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from anchor_uploads.local.browser.find import BrowserNotFound, find_browser

if TYPE_CHECKING:
    from anchor_uploads.local.records import ReceivedRequest, ReceivedUpload
    from anchor_uploads.local.server import LocalServer

__all__ = ["BrowserNotFound", "LocalServer", "ReceivedRequest", "ReceivedUpload", "find_browser"]

_LAZY = {"LocalServer": "server", "ReceivedRequest": "records", "ReceivedUpload": "records"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"the local Anchor needs the package {missing.name!r}, which is not installed; "
            'run: pip install "anchor-uploads[local]"'
        ) from missing
