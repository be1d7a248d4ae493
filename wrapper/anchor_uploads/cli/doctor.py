"""`anchor-uploads doctor`: whether uploads can work from here. Nothing is uploaded."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import click

from anchor_uploads import AnchorUploadsError, InvalidArgument, __version__
from anchor_uploads._human import printable
from anchor_uploads.cli import status_of
from anchor_uploads.cli._shared import base_url
from anchor_uploads.cli._streams import say
from anchor_uploads.cli._words import in_words_of_the_command

_PACKAGES = {
    "httpx": "",
    "httpcore": "",
    "attrs": "",
    "httpx-aiohttp": "aiohttp",
    "fsspec": "fsspec",
    "playwright": "playwright",
    "starlette": "local",
    "uvicorn": "local",
}


@click.command()
@base_url
def doctor(base_url: str | None) -> int:
    """See whether uploads can work from here.

    It looks at versions, the key, the proxy, the service and the browser. Nothing is uploaded.
    """
    say(f"anchor-uploads {__version__}, Python {platform.python_version()}, {platform.platform()}")
    say("  ".join(_versions()))
    status = _service(base_url)
    _browser()
    return status


def _versions() -> Iterator[str]:
    for package, extra in _PACKAGES.items():
        try:
            yield f"{package} {version(package)}"
        except PackageNotFoundError:
            yield f"{package} missing ([{extra}])"


def _service(base_url: str | None) -> int:
    from anchor_uploads import UploadClient
    from anchor_uploads._net.environment import proxy_for

    try:
        with UploadClient(base_url=base_url) as client:
            settings = client.settings
            _tell("ok", "API key", "ANCHORBROWSER_API_KEY is set")
            proxy = proxy_for(settings.base_url)
            _tell("ok", "proxy", str(proxy) if proxy else f"none for {settings.base_url}")
            running = client.list_sessions()
    except AnchorUploadsError as error:
        _tell("no", "settings" if isinstance(error, InvalidArgument) else "service", in_words_of_the_command(error))
        return status_of(error)
    _tell("ok", "service", f"{settings.base_url} knows the key; its sessions now: {len(running)}")
    return 0


def _browser() -> None:
    try:
        from anchor_uploads.local import find_browser

        found = find_browser()
    except (ImportError, RuntimeError) as error:
        _tell("--", "browser", f"{error}; only the local Anchor needs one")
        return
    _tell("ok" if found else "--", "browser", f"{found or 'none here'}; only the local Anchor needs one")


def _tell(mark: str, what: str, text: str) -> None:
    say(f"{mark}  {what:9}{printable(text)}")
