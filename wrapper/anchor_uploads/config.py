"""Settings of a client: checked once, then frozen. The environment is read here and nowhere else."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from attrs import field, frozen

from anchor_uploads.errors import InvalidArgument

DEFAULT_BASE_URL = "https://api.anchorbrowser.io"
API_KEY_VARIABLE = "ANCHORBROWSER_API_KEY"
BASE_URL_VARIABLE = "ANCHORBROWSER_BASE_URL"


@frozen
class Timeouts:
    """How long to wait for what, in seconds; None waits for ever.

    connect: until a connection stands. write: for the network to take the next block. answer: for the answer's first
    byte, counted from the last byte sent, while the service stores the file. read: for each further part of the answer.
    """

    connect: float | None = 10.0
    write: float | None = 60.0
    answer: float | None = 300.0
    read: float | None = 60.0


def _hide(_key: str) -> str:
    return "'…'"


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


@frozen
class Settings:
    """What a client was made with. Picklable; `attrs.evolve` makes changed copies. The key is not shown by `repr`."""

    api_key: str = field(repr=_hide, validator=_check_api_key)
    base_url: str = field(default=DEFAULT_BASE_URL, validator=_check_base_url)
    timeouts: Timeouts = Timeouts()
    max_retries: int = field(default=2, validator=_check_max_retries)
    retry_unknown: bool = False


def settings(
    *,
    api_key: str | None = None,
    base_url: str | None = None,
    timeout: float | Timeouts | None = None,
    max_retries: int = 2,
    retry_unknown: bool = False,
) -> Settings:
    """Return checked settings; what is None comes from the environment or is the default.

    A number as `timeout` holds for each phase (connect, write, answer, read) in seconds. Raises `InvalidArgument`.
    """
    key = api_key if api_key is not None else os.environ.get(API_KEY_VARIABLE)
    if key is None:
        raise InvalidArgument(f"no API key: set {API_KEY_VARIABLE} in the environment, or pass api_key=")
    url = base_url or os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL
    return Settings(
        api_key=key,
        base_url=url.rstrip("/"),
        timeouts=_timeouts(timeout),
        max_retries=max_retries,
        retry_unknown=retry_unknown,
    )


def _timeouts(timeout: float | Timeouts | None) -> Timeouts:
    if timeout is None:
        return Timeouts()
    if isinstance(timeout, Timeouts):
        return timeout
    if isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or not timeout > 0:
        raise InvalidArgument(f"timeout must be a positive number of seconds or Timeouts(…), not {timeout!r}")
    return Timeouts(connect=timeout, write=timeout, answer=timeout, read=timeout)


def _without_user(url: str) -> str:
    head, separator, tail = url.rpartition("@")
    return f"…@{tail}" if separator and head else url
