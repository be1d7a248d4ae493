"""Sources behind a URL, read through fsspec: `s3://`, `gs://`, `https://`, `memory://` and what else is installed."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from anchor_uploads._aside import Stopped
from anchor_uploads._sources.names import without_urls_secrets
from anchor_uploads._sources.part import Part
from anchor_uploads._sources.source import Source, Waits
from anchor_uploads.errors import SourceError

_BLOCK = 4 * 1024 * 1024
"""Bytes that are fetched at a time. The default of some backends is 50 MiB."""
_VERSION = re.compile(
    "e_?tag|(content_?)?md5(_?hash)?|digest|crc32c|sha|(last_?)?modified|modify|mtime|updated|generation", re.I
)
"""What backends call that which changes with a file's content, and with nothing else."""


def open_url(part: Part, *, copy: Callable[[Part, Iterator[bytes]], Source]) -> Source:
    """Open what is behind a URL; `copy` makes a source of blocks where the size is not known beforehand.

    Raises `SourceError`, which names the package to install where fsspec or a backend of it is missing.
    """
    label = part.label
    name, content_type = part.checked()
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise SourceError(f"{label}: URLs are read through fsspec; pip install 'anchor-uploads[fsspec]'") from error
    with _fetching(label):
        filesystem, path = url_to_fs(part.content)
        information = filesystem.info(path)
        if information.get("type") == "directory":
            raise SourceError(f"{label} is a directory; pass the files in it one by one")
        size = information.get("size")
        opened, once = _opened(filesystem, path, size)
        handle = _Fetched(opened, label)
        if once:
            with handle:
                return copy(part, iter(lambda: handle.read(_BLOCK), b""))

        def fingerprint() -> object:
            with _fetching(label):
                filesystem.invalidate_cache()
                return _version(filesystem, path, filesystem.info(path))

        try:
            return Source(
                name,
                content_type,
                size,
                label,
                waits=Waits.LONG,
                handle=handle,
                fingerprint=fingerprint,
                seen=_version(filesystem, path, information),
            )
        except BaseException:
            with suppress(Exception):
                handle.close()
            raise


def _opened(filesystem: Any, path: str, size: int | None) -> tuple[Any, bool]:
    """Open a file, and tell whether it can be read only once, from its start to its end."""
    handle = filesystem.open(path, "rb", block_size=_BLOCK)
    if size is None:
        return handle, True
    # Servers of the web need not give parts of a file, and do not say so; one block comes whole anyway, so nothing is
    # asked for then. To fsspec, no size of a block means: as it comes.
    of_the_web = "http" in filesystem.protocol
    try:
        if of_the_web:
            handle.seek(-1 if size > _BLOCK else 0, os.SEEK_END)
            handle.read(1)
        handle.seek(0)
    except Exception:
        with suppress(Exception):
            handle.close()
        return filesystem.open(path, "rb", block_size=0 if of_the_web else _BLOCK), True
    return handle, False


def _version(filesystem: Any, path: str, information: dict[str, Any]) -> object:
    """Return what changes when the file does."""
    told = {key: str(value) for key, value in information.items() if _VERSION.fullmatch(key.replace("-", "_"))}
    # What a backend makes of all that it knows can also tell of other things, such as when a file was read last.
    return information.get("size"), told or filesystem.ukey(path)


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
    except (SourceError, Stopped):
        raise
    except ImportError as error:
        # fsspec's own text names the package: "Install s3fs to access S3".
        raise SourceError(f"{label} needs a package that is not there: {error}") from error
    except Exception as error:
        # fsspec's HTTP says of whatever goes wrong that there is no such file.
        while isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        if isinstance(error, FileNotFoundError):
            raise SourceError(f"{label} does not exist") from error
        text = str(error) or type(error).__name__
        shown = without_urls_secrets(text)
        raise SourceError(f"{label} cannot be fetched: {shown}") from (error if shown == text else None)
