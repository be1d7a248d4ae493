"""What a local Anchor can be told, once, and what cannot be meant."""

from __future__ import annotations

import ipaddress
import os
import re
import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from attrs import Attribute, field, frozen
from attrs.validators import optional

__all__ = ["Options", "is_loopback"]

_SESSIONS_WITH_BROWSER = 16
_SESSIONS_WITHOUT_BROWSER = 10_000


def is_loopback(host: str) -> bool:
    """Tell whether nobody but this machine can reach a server that listens on `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _can_be_asked_for(host: Any) -> bool:
    try:
        # As sockets write it, whose own error is none of the system's.
        return b"\0" not in host.encode("idna")
    except (AttributeError, UnicodeError):
        return False


def _key(given: str | None) -> str:
    return secrets.token_urlsafe(24) if given is None else given


def _directory(given: str | os.PathLike[str] | None) -> Path | None:
    return None if given is None else Path(given)


def _host(options: Options, _attribute: Attribute[Any], host: Any) -> None:
    if not _can_be_asked_for(host):
        raise ValueError(f"host {host!r} is neither an address nor a machine's name; pass one, such as 127.0.0.1")
    if not options.allow_remote and not is_loopback(host):
        raise ValueError(
            f"host {host!r} may let other machines in; pass allow_remote=True (--allow-remote) if they shall be, "
            "or listen on 127.0.0.1"
        )


def _header_value(_options: object, attribute: Attribute[Any], value: Any) -> None:
    # Blanks at its ends do not belong to a header's value: nobody could send them.
    plain = isinstance(value, str) and value.isascii() and value.isprintable() and value == value.strip()
    if not (value and plain):
        raise ValueError(
            f"{attribute.name} cannot be a header's value; pass printable ASCII characters, no blank at either end"
        )


def _whole(what: str, at_least: int, at_most: float = float("inf")) -> Any:
    def check(_options: object, attribute: Attribute[Any], value: Any) -> None:
        # True is an int, but not a number that anybody means.
        if isinstance(value, bool) or not isinstance(value, int) or not at_least <= value <= at_most:
            raise ValueError(f"{attribute.name} is {value!r}; pass {what}")

    return check


def _public_url(_options: object, attribute: Attribute[Any], value: Any) -> None:
    try:
        url = urlsplit(value)
        fits = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        # Also an empty query would come between this and what is put behind it.
        fits = fits and "@" not in url.netloc and value.isprintable() and not any(it in value for it in " ?#")
    except (TypeError, ValueError, AttributeError):
        fits = False
    if not fits:
        raise ValueError(f"{attribute.name} is {value!r}; pass where clients reach it, such as https://anchor.example")


def _plain_url(given: str | None) -> str | None:
    if not isinstance(given, str):
        return given
    return re.sub(r"^https?:", lambda scheme: scheme[0].lower(), given.rstrip("/"), flags=re.IGNORECASE)


@frozen
class Options:
    """How a server shall be. `LocalServer` tells what each means; `ValueError` tells which cannot be meant."""

    host: str = field(default="127.0.0.1", validator=_host)
    port: int = field(default=0, validator=_whole("a port from 1 to 65535, or 0 for a free one", 0, 65535))
    browser: bool = field(default=True, kw_only=True)
    api_key: str = field(default=None, kw_only=True, converter=_key, validator=_header_value, repr=False)
    max_upload_bytes: int | None = field(
        default=None, kw_only=True, validator=optional(_whole("a number of bytes, or None", 0))
    )
    directory: Path | None = field(default=None, kw_only=True, converter=_directory)
    max_sessions: int | None = field(
        default=None, kw_only=True, validator=optional(_whole("a whole number from 1, or None", 1))
    )
    allow_remote: bool = field(default=False, kw_only=True)
    public_url: str | None = field(default=None, kw_only=True, converter=_plain_url, validator=optional(_public_url))

    @property
    def sessions_at_once(self) -> int:
        """`max_sessions`, or as many as a machine can bear: browsers weigh more than directories."""
        if self.max_sessions is not None:
            return self.max_sessions
        return _SESSIONS_WITH_BROWSER if self.browser else _SESSIONS_WITHOUT_BROWSER
