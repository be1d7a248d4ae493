"""File names: which one a thing has by itself, and what can be sent as one."""

from __future__ import annotations

import mimetypes
import os
import re
import unicodedata
from typing import Any
from urllib.parse import unquote

from anchor_uploads.errors import SourceError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z0-9+.-]+)*://")
# The classes of gzip, bz2, lzma and the packages made like them, and the endings that their files' names may have.
_DECOMPRESSORS = {"GzipFile", "BZ2File", "LZMAFile", "ZstdFile", "LZ4FrameFile"}
_COMPRESSED = (".gz", ".bz2", ".xz", ".lzma", ".zst", ".lz4", ".Z")
_LONGEST = 255
"""Bytes of a file's name on the file systems in use (`NAME_MAX`)."""
# What RFC 7578's forms write for a quote and the ends of a line; no other letter is escaped, not even the percent sign.
_ESCAPES = re.compile("%22|%0D|%0A", re.IGNORECASE)


def is_url(file: object) -> bool:
    """Tell whether `file` is a URL, or a chain of them, as fsspec reads them."""
    return isinstance(file, str) and bool(_URL.match(file))


def own_name(file: object) -> str | None:
    """Return the name that `file` has by itself, None if it has none. Nothing is opened."""
    if isinstance(file, str) and is_url(file):
        return _name_in_url(file)
    if isinstance(file, (str, os.PathLike)):
        return _utf8(os.path.basename(os.fsdecode(file)))
    # A buffered reader has the name of what it reads.
    inner = attribute_of(file, "raw", file)
    if _DECOMPRESSORS & {kind.__name__ for kind in type(inner).__mro__}:
        return _decompressed(attribute_of(inner, "name"))
    # Web frameworks have both, and then the other one is the form field's.
    name = attribute_of(file, "filename", attribute_of(file, "name"))
    # Members of a tar archive have the archive's name before Python 3.13.
    of_archive = attribute_of(attribute_of(inner, "fileobj"), "name")
    if not isinstance(name, (str, bytes, os.PathLike)) or not name or name == of_archive:
        return None
    name = os.fsdecode(name)
    # Python calls those "<stdin>" that have none.
    return None if name.startswith("<") else _utf8(os.path.basename(name))


def attribute_of(thing: object, name: str, otherwise: Any = None) -> Any:
    """Return an attribute, and `otherwise` also where asking for it fails, as it does of a file that was detached."""
    try:
        return getattr(thing, name, otherwise)
    except Exception:
        return otherwise


def check_name(name: str | None, *, label: str, remedy: str = "pass filename=") -> str:
    """Return `name` if it can be sent as a file name: one path component without control characters.

    Raises `SourceError` otherwise. The service stores the file under this name, so it must not lead elsewhere.
    """
    if name is None:
        raise SourceError(f"{label} has no file name of its own; {remedy}")
    problem = None
    if not name or name in (".", ".."):
        problem = "is not a file's name"
    elif any(separator in name for separator in "/\\"):
        problem = "holds a path separator"
    elif any(unicodedata.category(character) == "Cc" for character in name):
        problem = "holds a control character"
    elif any(unicodedata.category(character) == "Cs" for character in name):
        problem = "cannot be written as UTF-8"
    elif len(name.encode()) > _LONGEST:
        problem = f"is longer than {_LONGEST} bytes, which file systems do not take"
    elif escape := _ESCAPES.search(name):
        problem = f"holds {escape[0]}, which the other end cannot tell from an escaped quote or line break"
    if problem:
        raise SourceError(f"{label}: the name {without_urls_secrets(repr(name))} {problem}; {remedy} to send another")
    return name


def alike(name: str) -> str:
    """Return what names have in common that are one to some file systems: only case or normal form differs."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def without_secrets(url: str) -> str:
    """Leave out what may be secret: users and passwords, and what follows the path of a signed URL."""
    web = re.search("https?://", url, re.IGNORECASE)

    def shown(part: str) -> str:
        scheme, separator, rest = part.rpartition("://")
        if web and (not scheme or _is_http(scheme)):
            rest = _path_of_http(rest)
        authority, slash, path = rest.partition("/")
        return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"

    parts: list[str] = []
    in_query = False
    for part in url.split("::"):
        # A chain goes on with a URL; all else behind a query belongs to it.
        if "://" in part or not in_query:
            parts.append(shown(part))
            in_query = bool(web and re.search("[?#]", part))
    return "::".join(parts)


def without_urls_secrets(text: str) -> str:
    """Leave out of a text what may be secret in its URLs of the web and of CDP: users, passwords, queries."""
    return re.sub(r"(?i)((?:https?|wss?)://)(?:[^\s/@'\"]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?", r"\1\2", text)


def _name_in_url(url: str) -> str:
    """Return the last part of the path. Of a chain, the first URL is the file's: those after it tell where it lies."""
    scheme, _, rest = next(part for part in url.split("::") if "://" in part).partition("://")
    if not _is_http(scheme):
        # In all others ?, # and % mean themselves.
        return rest.rpartition("/")[2]
    return unquote(_path_of_http(rest).partition("/")[2].rpartition("/")[2], errors="surrogateescape")


def _is_http(scheme: str) -> bool:
    return scheme.lower() in ("http", "https")


def _path_of_http(rest: str) -> str:
    return re.split("[?#]", rest, maxsplit=1)[0]


def _decompressed(name: Any) -> str | None:
    """Return the name of what is in a compressed file, None if its ending does not tell."""
    if not isinstance(name, (str, bytes, os.PathLike)):
        return None
    stem, ending = os.path.splitext(_utf8(os.path.basename(os.fsdecode(name))))
    # Such as .tgz, which is .tar.gz.
    whole = mimetypes.suffix_map.get(ending.lower(), ending)
    shorter = next((whole[: -len(end)] for end in _COMPRESSED if whole.lower().endswith(end.lower())), None)
    return None if shorter is None or not stem else stem + shorter


def _utf8(name: str) -> str:
    """Return `name`; where the locale is not UTF-8 (`LC_ALL=C`), Python had to read it in another way."""
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8")
    except UnicodeError:
        return name
