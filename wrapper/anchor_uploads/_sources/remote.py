"""Sources behind a URL, read through fsspec: `s3://`, `gs://`, `https://`, `memory://` and what else is installed."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from anchor_uploads._sources.names import check_name, choose_content_type
from anchor_uploads._sources.source import Source, Waits
from anchor_uploads.errors import SourceError

_BLOCK = 4 * 1024 * 1024
"""Bytes that are fetched at a time. The default of some backends is 50 MiB."""


def open_url(
    url: str,
    filename: str | None,
    content_type: str | None,
    *,
    copy: Callable[[Iterator[bytes], str, str, str], Source],
) -> Source:
    """Open what is behind `url`; `copy` makes a source of blocks where the size is not known beforehand.

    Raises `SourceError`, which names the package to install where fsspec or a backend of it is missing.
    """
    label = repr(_without_secrets(url))
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SourceError(f"{label}: URLs are read through fsspec; pip install 'anchor-uploads[fsspec]'") from error
    with _fetching(label):
        filesystem, path = url_to_fs(url)
        information = filesystem.info(path)
        if information.get("type") == "directory":
            raise SourceError(f"{label} is a directory; pass the files in it one by one")
        own_name = unquote(posixpath.basename(url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]))
        name = check_name(own_name if filename is None else filename, label=label)
        content_type = choose_content_type(content_type, name=name, label=label)
        handle = _Fetched(filesystem.open(path, "rb", block_size=_BLOCK), label)
        size = information.get("size")
        if size is None:
            with handle:
                return copy(iter(lambda: handle.read(_BLOCK), b""), name, content_type, label)

        def fingerprint() -> object:
            with _fetching(label):
                filesystem.invalidate_cache()
                return filesystem.ukey(path)

        return Source(name, content_type, size, label, waits=Waits.LONG, handle=handle, fingerprint=fingerprint)


def name_in_url(url: str) -> str:
    """Return the last part of the URL's path."""
    return unquote(posixpath.basename(url.split("?", maxsplit=1)[0].split("#", maxsplit=1)[0]))


class _Fetched:
    """A file of fsspec, whose backends raise whatever their libraries do."""

    def __init__(self, handle: Any, label: str) -> None:
        self._handle = handle
        self._label = label

    def read(self, limit: int) -> bytes:
        with _fetching(self._label):
            return bytes(self._handle.read(limit))

    def seek(self, position: int) -> None:
        with _fetching(self._label):
            self._handle.seek(position)

    def close(self) -> None:
        self._handle.close()

    def __enter__(self) -> _Fetched:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


@contextmanager
def _fetching(label: str) -> Iterator[None]:
    try:
        yield
    except SourceError:
        raise
    except FileNotFoundError as error:
        raise SourceError(f"{label} does not exist") from error
    except ImportError as error:
        # fsspec's own text names the package: "Install s3fs to access S3".
        raise SourceError(f"{label} needs a package that is not there: {error}") from error
    except Exception as error:
        raise SourceError(f"{label} cannot be fetched: {error or type(error).__name__}") from error


def _without_secrets(url: str) -> str:
    """Leave out what may be secret: a user and password, and the query of a signed URL."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path.split('?')[0]}"
