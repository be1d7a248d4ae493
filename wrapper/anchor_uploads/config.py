"""Settings of a client: checked once, then frozen. The environment is read here and nowhere else."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

import attrs
from attrs import field, frozen

from anchor_uploads.errors import InvalidArgument

DEFAULT_BASE_URL = "https://api.anchorbrowser.io"
API_KEY_VARIABLE = "ANCHORBROWSER_API_KEY"
BASE_URL_VARIABLE = "ANCHORBROWSER_BASE_URL"


def _hide(_key: str) -> str:
    return "'…'"


def _without_slash(url: str) -> str:
    return url.rstrip("/")


def _check_api_key(_settings: object, _attribute: object, key: str) -> None:
    if not key or not key.isascii() or not key.isprintable() or key != key.strip():
        raise InvalidArgument(
            "the API key is empty or holds characters that no HTTP header can carry "
            f"(a line break from a file, perhaps); check {API_KEY_VARIABLE} or api_key="
        )


def _check_base_url(_settings: object, _attribute: object, url: str) -> None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        usable = usable and not (parts.username or parts.password or parts.query or parts.fragment)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidArgument(
            f"the base URL {_without_user(url)!r} must look like https://host[:port][/path]; "
            f"check {BASE_URL_VARIABLE} or base_url="
        )


def _check_max_retries(_settings: object, _attribute: object, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidArgument(f"max_retries must be a whole number from 0 on, not {count!r}")


def _check_seconds(_settings: object, attribute: attrs.Attribute[Any], seconds: float | None) -> None:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise InvalidArgument(f"the timeout {attribute.name!r} must be a positive number of seconds, not {seconds!r}")


def _check_interval(_settings: object, _attribute: object, seconds: float) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise InvalidArgument(f"progress_interval must be a number of seconds from 0 on, not {seconds!r}")


@frozen
class Timeouts:
    """How long to wait for what, in seconds; None waits for ever.

    connect: until a connection stands. write: for the network to take the next block. answer: for the answer's first
    byte, counted from the last byte sent, while the service stores the file. read: for each further part of the answer.
    """

    connect: float | None = field(default=10.0, validator=_check_seconds)
    write: float | None = field(default=60.0, validator=_check_seconds)
    answer: float | None = field(default=300.0, validator=_check_seconds)
    read: float | None = field(default=60.0, validator=_check_seconds)


DEFAULT_TIMEOUTS = Timeouts()


def as_timeouts(timeout: float | Timeouts) -> Timeouts:
    """Return `timeout`; a number holds for each phase."""
    return timeout if isinstance(timeout, Timeouts) else Timeouts(timeout, timeout, timeout, timeout)


@frozen
class Settings:
    """What a client was made with. Picklable; `attrs.evolve` makes changed copies. The key is not shown by `repr`.

    timeouts: for each phase (a number of seconds holds for all). deadline: seconds for a whole call with all its
    attempts, None for no end. max_retries: further attempts after a failure that may be repeated (see
    `anchor_uploads.retry`). retry_unknown: also repeat a request that went out whole without an answer.
    progress_interval: seconds between two calls of `on_progress`; 0 calls it for each block.
    """

    api_key: str = field(repr=_hide, validator=_check_api_key)
    base_url: str = field(default=DEFAULT_BASE_URL, converter=_without_slash, validator=_check_base_url)
    timeouts: Timeouts = field(default=DEFAULT_TIMEOUTS, converter=as_timeouts)
    deadline: float | None = field(default=None, validator=_check_seconds)
    max_retries: int = field(default=2, validator=_check_max_retries)
    retry_unknown: bool = False
    progress_interval: float = field(default=0.05, validator=_check_interval)

    @classmethod
    def from_environment(cls, *, api_key: str | None, base_url: str | None, **others: Any) -> Settings:
        """Return settings whose key and base URL come from the environment where they are None.

        Raises `InvalidArgument` for what cannot be right.
        """
        key = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
        if key is None:
            raise InvalidArgument(f"no API key: set {API_KEY_VARIABLE} in the environment, or pass api_key=")
        url = base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
        return cls(api_key=key, base_url=url, **others)

    def changed(self, *, timeout: float | Timeouts | None, **others: Any) -> Settings:
        """Return these settings with those that are not None put in their place, for one call."""
        changes = {name: value for name, value in others.items() if value is not None}
        if timeout is not None:
            changes["timeouts"] = timeout
        return attrs.evolve(self, **changes) if changes else self


def _without_user(url: str) -> str:
    head, separator, tail = url.rpartition("@")
    return f"…@{tail}" if separator and head else url
