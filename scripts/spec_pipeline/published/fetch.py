"""What is vendored, as bytes: from a file, or from an address that is read with care."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import httpx

from openapi.errors import SpecError

__all__ = ["is_address", "read"]

_MOST_BYTES = 20 * 1024 * 1024
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_MOST_REDIRECTS = 5


def is_address(name: str) -> bool:
    return "://" in name


def read(name: str) -> bytes:
    """Return what `name`, a path or a URL, holds.

    Raises:
        SpecError: it cannot be had, is larger than 20 MB, or would travel unencrypted. Its place is `name`.
    """
    if is_address(name):
        return _fetch(name)
    try:
        path = Path(name)
        if path.stat().st_size > _MOST_BYTES:
            raise _too_large(name)
        return path.read_bytes()
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror or error}", name) from error


def _fetch(name: str) -> bytes:
    try:
        # Redirects are followed here, so that each address is held to the same rule.
        with httpx.Client(timeout=_TIMEOUT, headers={"Accept": "text/markdown, text/yaml, */*;q=0.1"}) as client:
            address = httpx.URL(name)
            for _ in range(_MOST_REDIRECTS + 1):
                _check(address, name)
                with client.stream("GET", address) as answer:
                    if answer.has_redirect_location:
                        address = address.join(answer.headers["location"])
                        continue
                    if answer.status_code != 200:
                        raise SpecError(f"answered with {answer.status_code}; open it in a browser to see why", name)
                    return _body(answer, name)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise SpecError(
            f"cannot be fetched ({type(error).__name__}: {error}); check the address and the network", name
        ) from error
    raise SpecError(f"redirects more than {_MOST_REDIRECTS} times", name)


def _check(address: httpx.URL, name: str) -> None:
    if address.host and (address.scheme == "https" or (address.scheme == "http" and _is_loopback(address.host))):
        return
    raise SpecError(f"{address} is not https: a contract that anybody on the way could change is not vendored", name)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _body(answer: httpx.Response, name: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > _MOST_BYTES:
            raise _too_large(name)
        parts.append(part)
    return b"".join(parts)


def _too_large(name: str) -> SpecError:
    return SpecError("is larger than 20 MB, which no published spec is", name)
