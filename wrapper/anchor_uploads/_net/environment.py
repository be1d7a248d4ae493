"""What the environment says of the way to the service: proxies and certificates. Read when a client is made.

httpx would read it itself, but fails on what other programs take, with errors that do not name the variable.
"""

from __future__ import annotations

import os
import ssl
import urllib.request
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

import httpx
from attrs import field, frozen

from anchor_uploads._call.settings import check_host
from anchor_uploads.errors import InvalidArgument


@frozen
class Proxy:
    """A proxy, and the variable that names it. shown: its URL without user and password."""

    url: str = field(repr=False)
    shown: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.shown} that {self.variable} names"

    def for_httpx(self) -> httpx.Proxy:
        """Return it as httpx takes it. Raises `InvalidArgument` if there is no such proxy."""
        # Whatever goes wrong, the next line is what there is to say of it.
        with suppress(Exception):
            if _is_of_a_proxy(self.url):
                return httpx.Proxy(self.url)
        raise InvalidArgument(
            f"{self} is none that can be used; write http://host:port, https://host:port or socks5://host:port, or "
            "unset the variable"
        )


def _is_of_a_proxy(url: str) -> bool:
    parts = urlsplit(url)
    check_host(httpx.URL(url))
    return bool(parts.hostname) and parts.port != 0 and parts.scheme in ("http", "https", "socks5", "socks5h")


def proxy_for(base_url: str) -> Proxy | None:
    """Return the proxy that the environment, or else the system, names for `base_url`; none for this machine itself."""
    url = urlsplit(base_url)
    if _is_loopback(url.hostname or ""):
        return None
    named = urllib.request.getproxies()
    kind = url.scheme if named.get(url.scheme) else "all"
    if not (proxy := named.get(kind)) or _is_bypassed(url.hostname or "", url.port, named.get("no", "")):
        return None
    names = [name for name in os.environ if name.lower() == f"{kind}_proxy" and os.environ[name] == proxy]
    # Without a scheme it is one of HTTP, as for curl.
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    scheme, _, rest = proxy.partition("://")
    # A password may hold a slash.
    shown = f"{scheme}://{rest.rpartition('@')[2].partition('/')[0]}"
    return Proxy(proxy, shown, names[0] if names else "the system")


def _is_loopback(host: str) -> bool:
    # A proxy elsewhere means another machine by these, and would be told the key.
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_bypassed(host: str, port: int | None, exceptions: str) -> bool:
    """Tell whether `NO_PROXY` names `host`: itself, its domain, its network, or with a port."""
    for entry in exceptions.lower().split(","):
        name = entry.strip().rpartition("://")[2].strip("[]")
        try:
            # Also a single address is a network.
            if ip_address(host) in ip_network(name, strict=False):
                return True
        except ValueError:
            name, _, only = name.partition(":")
            name = name.lstrip("*").lstrip(".")
            named = entry.strip() == "*" or (name and (host == name or host.endswith(f".{name}")))
            if named and (not only or only == str(port)):
                return True
    return False


def tls_context() -> ssl.SSLContext:
    """Return what httpx verifies certificates with. Raises `InvalidArgument` that names the variable to correct."""
    try:
        if file := os.environ.get("SSL_CERT_FILE"):
            # Older versions of httpx pass over one that is not there.
            os.stat(file)
        return httpx.create_ssl_context()
    except Exception as error:
        variables = [name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE") if os.environ.get(name)]
        named = " or ".join(f"{name}={os.environ[name]!r}" for name in variables) or "the system's certificates"
        raise InvalidArgument(
            f"TLS cannot be set up with {named}: {error or type(error).__name__}. Correct or unset it"
        ) from error
