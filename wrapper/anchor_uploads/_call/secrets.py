"""The key, kept out of what is raised and logged: servers quote requests, and callers mistake arguments."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from anchor_uploads._call.settings import ApiKey
from anchor_uploads.errors import AnchorUploadsError

# What is shorter is in too many words, and no secret.
_SHORTEST = 4
_log = logging.getLogger("anchor_uploads")


@contextmanager
def hidden(key: ApiKey) -> Iterator[None]:
    """Put "…" in the place of `key`, raw or encoded, in the texts and attributes of this package's errors."""
    try:
        yield
    except AnchorUploadsError as error:
        hide(error, key)
        raise


def log(key: ApiKey, text: str, *arguments: object) -> None:
    """Log a line at INFO, with "…" in the place of `key`."""
    if _log.isEnabledFor(logging.INFO):
        shown = (it if isinstance(it, (int, float)) else without(key, str(it)) for it in arguments)
        _log.info(text, *shown, stacklevel=2)


def hide(error: AnchorUploadsError, key: ApiKey) -> None:
    """Put "…" in the place of `key` in an error and in those of this package that it leads to."""
    link: BaseException | None = error
    # Those of others may go round in a circle.
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        if isinstance(link, AnchorUploadsError):
            link.args = tuple(without(key, it) for it in link.args)
            vars(link).update({name: without(key, it) for name, it in vars(link).items()})
        below = link.__cause__ or link.__context__
        if below is not None and not isinstance(below, AnchorUploadsError):
            shown = f"{below} {below!r}"
            if without(key, shown) != shown:
                # What it says stands in our own text. Where else the key is in what others have raised, nobody knows.
                link.__cause__ = link.__context__ = below = None
        link = below


def without(key: ApiKey, value: Any) -> Any:
    """Return text or bytes with "…" in the place of `key`, and anything else as it is."""
    text, data = _patterns(key)
    if isinstance(value, str) and text:
        return text.sub("…", value)
    return data.sub("…".encode(), value) if isinstance(value, bytes) and data else value


@lru_cache(maxsize=8)
def _patterns(key: ApiKey) -> tuple[re.Pattern[str], re.Pattern[bytes]] | tuple[None, None]:
    if len(key.reveal) < _SHORTEST:
        return None, None
    # Each character as itself, as URLs encode it, or as JSON may escape it.
    forms = (rf"(?:\\?{re.escape(c)}|(?i:%{ord(c):02x}|\\u00{ord(c):02x}))" for c in key.reveal)
    pattern = "".join(forms)
    return re.compile(pattern), re.compile(pattern.encode())
