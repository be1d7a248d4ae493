"""The key, kept out of what is raised: servers quote requests, and callers mistake one argument for another."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from anchor_uploads._call.settings import ApiKey
from anchor_uploads.errors import AnchorUploadsError

# What is shorter is in too many words, and no secret.
_SHORTEST = 4


@contextmanager
def hidden(key: ApiKey) -> Iterator[None]:
    """Put "…" in the place of `key`, raw or encoded, in the texts and attributes of this package's errors."""
    try:
        yield
    except AnchorUploadsError as error:
        _hide(error, key)
        raise


def _hide(error: AnchorUploadsError, key: ApiKey) -> None:
    if len(key.reveal) < _SHORTEST:
        return
    # Each character as itself, as URLs encode it, or as JSON may escape it.
    forms = (rf"(?:{re.escape(c)}|(?i:%{ord(c):02x}|\\u00{ord(c):02x}))" for c in key.reveal)
    pattern = "".join(forms).replace(re.escape("/") + "|", r"\\?/|")
    text, data = re.compile(pattern), re.compile(pattern.encode())

    def without(value: Any) -> Any:
        if isinstance(value, str):
            return text.sub("…", value)
        return data.sub("…".encode(), value) if isinstance(value, bytes) else value

    error.args = tuple(map(without, error.args))
    vars(error).update({name: without(value) for name, value in vars(error).items()})
