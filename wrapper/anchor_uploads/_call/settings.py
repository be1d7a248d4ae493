"""Settings of a client: checked once, then frozen. The environment is read here, and deadlines are made here."""

from __future__ import annotations

import os
import time
from typing import Any, TypedDict
from urllib.parse import urlsplit

import attrs
import httpx
from attrs import field, frozen

from anchor_uploads.errors import InvalidArgument

DEFAULT_BASE_URL = "https://api.anchorbrowser.io"
API_KEY_VARIABLE = "ANCHORBROWSER_API_KEY"
BASE_URL_VARIABLE = "ANCHORBROWSER_BASE_URL"
# Systems count a wait in milliseconds of 31 bits, which are 24 days.
_FOR_EVER = 20 * 86_400.0


class Deadline:
    """The end of a call, `seconds` from now; None never ends."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._end = None if seconds is None else time.monotonic() + seconds

    def left(self) -> float | None:
        """Return the seconds that are left, at least 0; None where there is no end."""
        return None if self._end is None else max(0.0, self._end - time.monotonic())

    def passes_within(self, seconds: float) -> bool:
        """Tell whether the deadline has passed, or will in so many seconds."""
        return self._end is not None and time.monotonic() + seconds >= self._end

    def bound(self, timeout: float | None) -> float | None:
        """Return `timeout` (seconds, None for ever), or what is left until the deadline if that is less."""
        left = self.left()
        # Zero would mean "do not wait at all" to a socket, which reports that as another error.
        return timeout if left is None else max(0.001, left if timeout is None else min(timeout, left))


def _for_ever(seconds: Any) -> Any:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    return None if number and seconds >= _FOR_EVER else seconds


def _at_most_for_ever(seconds: Any) -> Any:
    return _FOR_EVER if _for_ever(seconds) is None else seconds


def _check_seconds(_settings: object, attribute: attrs.Attribute[Any], seconds: float | None) -> None:
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if seconds is not None and not (number and seconds > 0):
        raise InvalidArgument(f"the timeout {attribute.name!r} must be a positive number of seconds, not {seconds!r}")


def _seconds(default: float | None) -> Any:
    return field(default=default, converter=_for_ever, validator=_check_seconds)


@frozen
class Timeouts:
    """How long to wait for what, in seconds; None (or more than 20 days) waits for ever.

    Attributes:
        connect: Until a connection stands. For a free one of an `http_client`'s pool only a deadline bounds the wait.
        write: For the network to take the next block.
        answer: For the answer's first byte, counted from the last byte sent, while the service stores the file; an
            interim answer (1xx) starts it anew.
        read: For the rest of the answer.

    Example:
        >>> from anchor_uploads import Timeouts, UploadClient
        >>> with UploadClient(timeout=Timeouts(answer=900)) as client:
        ...     client.settings.timeouts.connect
        10.0
    """

    connect: float | None = _seconds(10.0)
    write: float | None = _seconds(60.0)
    answer: float | None = _seconds(300.0)
    read: float | None = _seconds(60.0)


DEFAULT_TIMEOUTS = Timeouts()


def as_timeouts(timeout: float | Timeouts | httpx.Timeout | None) -> Timeouts:
    """Return `timeout`; a number holds for each phase, and the `read` of httpx for both parts of the answer."""
    if isinstance(timeout, httpx.Timeout):
        return Timeouts(timeout.connect, timeout.write, timeout.read, timeout.read)
    return timeout if isinstance(timeout, Timeouts) else Timeouts(timeout, timeout, timeout, timeout)


class ApiKey:
    """The key, which neither `repr` nor `attrs.asdict` shows."""

    __slots__ = ("reveal",)
    reveal: str

    def __init__(self, key: str | ApiKey) -> None:
        self.reveal = key.reveal if isinstance(key, ApiKey) else key

    def __repr__(self) -> str:
        return "'…'"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ApiKey) and other.reveal == self.reveal

    def __hash__(self) -> int:
        return hash(self.reveal)


def _check_api_key(_settings: object, _attribute: object, key: ApiKey) -> None:
    text = key.reveal
    if not (isinstance(text, str) and text and text.isascii() and text.isprintable() and text == text.strip()):
        raise InvalidArgument(
            "the API key is empty or holds characters that no HTTP header can carry "
            f"(a line break from a file, perhaps); check {API_KEY_VARIABLE} or api_key="
        )


def _without_slash(url: Any) -> Any:
    return url.rstrip("/") if isinstance(url, str) else url


def check_host(url: httpx.URL) -> None:
    """Raise `ValueError` for a host that cannot be looked up: Python takes the older form of international names."""
    url.raw_host.decode("ascii").encode("idna")


def _is_usable(url: str) -> bool:
    try:
        parts, address = urlsplit(url), httpx.URL(url)
        check_host(address)
        # Also where nothing follows: what is asked for is put behind it.
        plain = parts.port != 0 and "@" not in parts.netloc and not {"?", "#"} & set(url)
        return plain and parts.scheme in ("http", "https") and bool(parts.hostname and address.host)
    except (ValueError, httpx.InvalidURL):
        return False


def _check_base_url(settings: Settings, _attribute: object, url: Any) -> None:
    if not isinstance(url, str) or not _is_usable(url):
        # What stands before an @ or after a ? may be a password or a key; so may all of it, if the two were exchanged.
        shown = str(url).rpartition("@")[2].partition("?")[0].partition("#")[0]
        key = settings.api_key
        shown = "" if "://" in key or key in shown else shown
        raise InvalidArgument(
            f"the base URL {shown if shown == url else f'…{shown}…'!r} must look like https://host[:port][/path], "
            f"without a user or a query; check {BASE_URL_VARIABLE} or base_url="
        )


def _check_max_retries(_settings: object, _attribute: object, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidArgument(f"max_retries must be a whole number from 0 on, not {count!r}")


def _check_flag(_settings: object, attribute: attrs.Attribute[Any], flag: object) -> None:
    if not isinstance(flag, bool):
        raise InvalidArgument(f"{attribute.name} must be True or False, not {flag!r}")


def _check_interval(_settings: object, _attribute: object, seconds: float) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not seconds >= 0:
        raise InvalidArgument(f"progress_interval must be a number of seconds from 0 on, not {seconds!r}")


class CallOptions(TypedDict, total=False):
    """What a call may have instead of its client's: see `Settings`. `deadline=None` lifts the client's deadline."""

    timeout: float | Timeouts | httpx.Timeout | None
    deadline: float | None
    max_retries: int | None
    retry_unknown: bool | None


@frozen
class Settings:
    """What a client was made with. Picklable; `attrs.evolve` makes changed copies.

    Attributes:
        api_key: The key; neither `repr` nor `attrs.asdict` shows it.
        base_url: Where the service is, without a slash at the end.
        timeouts: For each phase; a number of seconds holds for all, and an `httpx.Timeout` is taken, too.
        deadline: Seconds for a whole call; None for no end.
        max_retries: As for `UploadClient`.
        retry_unknown: As for `UploadClient`.
        progress_interval: Seconds, as for `UploadClient`.

    Raises:
        InvalidArgument: One of them cannot be right.

    Example:
        >>> from anchor_uploads import Settings
        >>> Settings(api_key="my-key", deadline=600).base_url
        'https://api.anchorbrowser.io'
    """

    _api_key: ApiKey = field(alias="api_key", converter=ApiKey, validator=_check_api_key)
    base_url: str = field(default=DEFAULT_BASE_URL, converter=_without_slash, validator=_check_base_url)
    timeouts: Timeouts = field(default=DEFAULT_TIMEOUTS, converter=as_timeouts)
    deadline: float | None = _seconds(None)
    max_retries: int = field(default=2, validator=_check_max_retries)
    retry_unknown: bool = field(default=False, validator=_check_flag)
    progress_interval: float = field(default=0.05, converter=_at_most_for_ever, validator=_check_interval)

    @property
    def api_key(self) -> str:
        """The key, in the clear."""
        return self._api_key.reveal

    @classmethod
    def from_environment(cls, *, api_key: str | ApiKey | None, base_url: str | None, **others: Any) -> Settings:
        """Return settings whose key and base URL come from the environment where they are None.

        Args:
            api_key: The key; None takes that in `ANCHORBROWSER_API_KEY`.
            base_url: Where the service is; None takes `ANCHORBROWSER_BASE_URL`, else `https://api.anchorbrowser.io`.
            others: The other attributes.

        Returns:
            The settings.

        Raises:
            InvalidArgument: There is no key, or one of them cannot be right.

        Example:
            >>> from anchor_uploads import Settings
            >>> Settings.from_environment(api_key=None, base_url=None).max_retries
            2
        """
        key = os.environ.get(API_KEY_VARIABLE) if api_key is None else api_key
        if key is None:
            raise InvalidArgument(f"no API key: set {API_KEY_VARIABLE} in the environment, or pass api_key=")
        url = (os.environ.get(BASE_URL_VARIABLE) or DEFAULT_BASE_URL) if base_url is None else base_url
        return cls(api_key=key, base_url=url, **others)

    def changed(self, options: CallOptions) -> Settings:
        """Return these settings with others in their place, for one call.

        Args:
            options: `timeout`, `deadline`, `max_retries` and `retry_unknown`; None changes nothing but `deadline`.

        Returns:
            The settings.

        Raises:
            InvalidArgument: One of them cannot be right.

        Example:
            >>> client.settings.changed({"deadline": 5.0}).deadline
            5.0
        """
        changes: dict[str, Any] = {
            {"timeout": "timeouts"}.get(name, name): value
            for name, value in options.items()
            if name in CallOptions.__annotations__ and (value is not None or name == "deadline")
        }
        return attrs.evolve(self, **changes) if changes else self
