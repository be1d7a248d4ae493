"""Which names of this server a request may use."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from anchor_uploads.local.http import replies

__all__ = ["CheckHost", "Hosts"]

_HOST = re.compile(r"(\[[0-9a-z:.]+\]|[0-9a-z._-]+)(:\d{1,5})?", re.IGNORECASE)


class Hosts:
    """The names by which the server may be called.

    A web page can make its own name mean 127.0.0.1, and so reach servers that listen to this machine only. The browser
    then sends the page's name as the Host.
    """

    def __init__(self, bound: str, *, any_name: bool, public_url: str | None = None) -> None:
        self._any_name = any_name
        self._public_url = public_url
        self._names = {"localhost", "127.0.0.1", "[::1]", f"[{bound}]" if ":" in bound else bound.lower()}
        if public_url is not None:
            name = str(urlsplit(public_url).hostname)
            self._names.add(f"[{name}]" if ":" in name else name)

    def base_url(self, headers: Mapping[str, str]) -> str:
        """Return where a request reached this server, for the URLs of the answer."""
        if self._public_url is not None:
            return self._public_url
        # The name that the client uses is the one that works for it.
        host, scheme = headers["host"], "http"
        # Anybody can send these; so they count only where names are not what keeps strangers out. Each proxy on the way
        # adds its own, and the first is the client's.
        if self._any_name:
            given, named = (headers.get(f"x-forwarded-{it}", "").partition(",")[0].strip() for it in ("proto", "host"))
            scheme = given.lower() if given.lower() in ("http", "https") else scheme
            host = named if _HOST.fullmatch(named) else host
        return f"{scheme}://{host}"

    def problem(self, host: str) -> str | None:
        """Return what is wrong with the Host header of a request; None if nothing is."""
        found = _HOST.fullmatch(host)
        if found is None:
            return "the Host header is missing or not that of a server"
        if not self._any_name and found[1].lower().rstrip(".") not in self._names:
            return (
                f"this server is not {found[1]}: call it {', '.join(sorted(self._names))}, or start it with "
                "allow_remote=True (--allow-remote)"
            )
        return None


class CheckHost:
    """Refuses HTTP requests for other hosts, whatever they ask for."""

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http":
            host: bytes = dict(scope["headers"]).get(b"host", b"")
            problem = self._hosts.problem(host.decode("latin-1"))
            if problem is not None:
                answer = replies.error(421, problem)
        await answer(scope, receive, send)
