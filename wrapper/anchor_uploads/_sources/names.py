"""File names and media types: what can be sent, and what is refused before anything is."""

from __future__ import annotations

import mimetypes
import unicodedata

from anchor_uploads.errors import SourceError

DEFAULT_CONTENT_TYPE = "application/octet-stream"
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
"""RFC 9110 §5.6.2."""


def check_name(name: str | None, *, label: str) -> str:
    """Return `name` if it can be sent as a file name: one path component without control characters.

    Raises `SourceError` otherwise. The service stores the file under this name, so it must not lead elsewhere.
    """
    if name is None:
        raise SourceError(f"{label} has no file name; pass filename=")
    problem = None
    if not name or name in (".", ".."):
        problem = "is not a file's name"
    elif any(separator in name for separator in "/\\"):
        problem = "holds a path separator"
    elif any(unicodedata.category(character) == "Cc" for character in name):
        problem = "holds a control character"
    elif any(unicodedata.category(character) == "Cs" for character in name):
        problem = "cannot be written as UTF-8"
    if problem:
        raise SourceError(f"{label}: the name {name!r} {problem}; pass filename= to send another")
    return name


def choose_content_type(content_type: str | None, *, name: str, label: str) -> str:
    """Return `content_type`, or the one that goes with `name` if it is None.

    Raises `SourceError` unless it is a media type: `type/subtype` and perhaps parameters (RFC 9110 §8.3.1).
    """
    if content_type is None:
        return mimetypes.guess_type(name)[0] or DEFAULT_CONTENT_TYPE
    main, slash, rest = content_type.partition("/")
    subtype = rest.partition(";")[0].strip()
    well_formed = slash and main and _TOKEN.issuperset(main) and subtype and _TOKEN.issuperset(subtype)
    if not well_formed or not content_type.isascii() or not content_type.isprintable():
        raise SourceError(f"{label}: {content_type!r} is not a media type; content_type= must look like 'text/plain'")
    return content_type
