"""What callers hand in, made into one thing: a name, a media type, a size in bytes, and blocks that can be read again.

A source is opened once. Its size is known before a byte is sent; what does not tell its size (a pipe, a generator) is
first copied to a temporary file, in memory as long as it is small. Callers' own files are read from where they stand,
are left where the last attempt stopped, and are never closed.
"""

from __future__ import annotations

import io
import mimetypes
import os
import stat
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, Union

from anchor_uploads.errors import SourceError

__all__ = ["FileInput", "Source", "open_source"]


class BinaryReader(Protocol):
    """Anything that hands out bytes: `read(n)` returns at most n, and none at the end."""

    def read(self, size: int = ..., /) -> bytes: ...


FileInput = Union[str, "os.PathLike[str]", bytes, bytearray, memoryview, BinaryReader, Iterable[bytes]]

DEFAULT_CONTENT_TYPE = "application/octet-stream"
_SPOOL_IN_MEMORY = 1024 * 1024
_COPY_BLOCK = 256 * 1024


class Source:
    """An opened source. Use it in one attempt at a time: `rewind()`, then `read()` until it returns no bytes.

    name: the file name to send. content_type: the media type to send. size: bytes from start to end.
    label: how to speak of it in an error. may_block: reading may wait for a disk or another process.
    handle: what is read, from `start` on, and closed in the end if it is `owned`. fingerprint: changes when it does.
    """

    def __init__(
        self,
        name: str,
        content_type: str,
        size: int,
        label: str,
        *,
        may_block: bool,
        handle: Any,
        start: int = 0,
        owned: bool = True,
        fingerprint: Callable[[], object] | None = None,
    ) -> None:
        self.name = name
        self.content_type = content_type
        self.size = size
        self.label = label
        self.may_block = may_block
        self._handle = handle
        self._start = start
        self._owned = owned
        self._fingerprint = fingerprint
        self._left = 0
        self._seen: object = None

    def rewind(self) -> None:
        """Go to where the source begins. Raises `SourceError` if it can no longer be read."""
        with reading(self.label):
            self._handle.seek(self._start)
            self._left = self.size
            if self._fingerprint is not None:
                now = self._fingerprint()
                if self._seen is not None and now != self._seen:
                    raise self._changed("was modified between two attempts to send it")
                self._seen = now

    def read(self, limit: int) -> bytes:
        """Return the next at most `limit` bytes, none after the last.

        Raises `SourceError` if the source has become shorter or longer than its size, or was modified meanwhile.
        """
        with reading(self.label):
            if self._left:
                block = self._handle.read(min(limit, self._left))
                if isinstance(block, str):
                    raise SourceError(f"{self.label} was opened as text; open it with mode 'rb'")
                if not block:
                    raise self._changed(
                        f"became shorter while it was read: {self._left} of {self.size} bytes are missing"
                    )
                self._left -= len(block)
                return bytes(block)
            if self._handle.read(1):
                raise self._changed(f"became longer than {self.size} bytes while it was read")
            if self._fingerprint is not None and self._fingerprint() != self._seen:
                raise self._changed("was modified while it was read")
            return b""

    def close(self) -> None:
        """Close what was opened here; a caller's own file stays open."""
        if self._owned:
            self._handle.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _changed(self, how: str) -> SourceError:
        return SourceError(f"{self.label} {how}; nothing was saved. Upload it when nothing writes to it any more")


def open_source(file: FileInput, *, filename: str | None = None, content_type: str | None = None) -> Source:
    """Open `file` for an upload.

    file: a path, bytes, an open binary file (read from its current position, never closed) or an iterable of bytes.
    filename: the name to send; the default is the base name of the path or of the open file.
    content_type: the media type to send; the default is guessed from the name.

    Raises `SourceError` if the file cannot be read, or has no name that can be sent.
    """
    if isinstance(file, (str, os.PathLike)):
        return _from_path(os.path.expanduser(os.fspath(file)), filename, content_type)
    if isinstance(file, (bytes, bytearray, memoryview)):
        return _from_memory(file, filename, content_type)
    if callable(getattr(file, "read", None)):
        return _from_file(file, filename, content_type)
    if isinstance(file, Iterable):
        return _from_iterable(file, filename, content_type)
    raise SourceError(f"{file!r} is not a file: pass a path, bytes, a binary file object or an iterable of bytes")


def check_name(name: str, *, label: str) -> str:
    """Return `name` if it can be sent as a file name: one path component without control characters.

    Raises `SourceError` otherwise. The service stores the file under this name, so it must not lead elsewhere.
    """
    problem = None
    if not name or name in (".", ".."):
        problem = "is not a file's name"
    elif any(separator in name for separator in "/\\"):
        problem = "holds a path separator"
    elif any(unicodedata.category(character) == "Cc" for character in name):
        problem = "holds a control character"
    elif any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        problem = "cannot be written as UTF-8"
    if problem:
        raise SourceError(f"{label}: the name {name!r} {problem}; pass filename= to send another")
    return name


def check_content_type(content_type: str, *, label: str) -> str:
    """Return `content_type` if it is a media type, `type/subtype` and perhaps parameters. Raises `SourceError`."""
    main, slash, rest = content_type.partition("/")
    subtype, _semicolon, _parameters = rest.partition(";")
    token = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    well_formed = slash and main and token.issuperset(main) and subtype.strip() and token.issuperset(subtype.strip())
    if not well_formed or not content_type.isascii() or not content_type.isprintable():
        raise SourceError(f"{label}: {content_type!r} is not a media type; content_type= must look like 'text/plain'")
    return content_type


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Turn what goes wrong while a source is read into a `SourceError` that names it."""
    try:
        yield
    except SourceError:
        raise
    except OSError as error:
        raise SourceError(f"{label} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SourceError(f"{label} cannot be read: {error}. Keep it open until the upload is done") from error


def _from_path(path: str | bytes, filename: str | None, content_type: str | None) -> Source:
    path = os.fsdecode(path)
    label = repr(path)
    name = check_name(os.path.basename(path) if filename is None else filename, label=label)
    content_type = _content_type(content_type, name, label)
    with reading(label):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError as error:
            raise SourceError(f"{label} does not exist; the working directory is {os.getcwd()!r}") from error
        if stat.S_ISDIR(mode):
            raise SourceError(f"{label} is a directory; pass the files in it one by one, or an archive of it")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SourceError(f"{label} is a device or a socket, not a file")
        handle = open(path, "rb", buffering=0)  # noqa: SIM115 - Source.close closes it
    try:
        size = os.fstat(handle.fileno()).st_size
        if not size:
            # A pipe, or a file of which the system does not tell the size, as under /proc: reading tells.
            with handle:
                return _from_blocks(_blocks(handle.read), name, content_type, label)

        def fingerprint() -> object:
            now = os.fstat(handle.fileno())
            return now.st_size, now.st_mtime_ns

        return Source(name, content_type, size, label, may_block=True, handle=handle, fingerprint=fingerprint)
    except BaseException:
        handle.close()
        raise


def _from_memory(data: Any, filename: str | None, content_type: str | None) -> Source:
    label = _label(data, filename)
    name = check_name(_required(filename, label), label=label)
    try:
        view = memoryview(data).cast("B")
    except TypeError as error:
        raise SourceError(f"{label} cannot be read: {error}; pass bytes(…) of it") from error
    handle = _MemoryReader(view)
    return Source(name, _content_type(content_type, name, label), len(view), label, may_block=False, handle=handle)


def _from_file(file: Any, filename: str | None, content_type: str | None) -> Source:
    own_name = getattr(file, "name", None)
    # Python names what has no name "<stdin>" or by its descriptor.
    if filename is None and isinstance(own_name, (str, os.PathLike)) and not str(own_name).startswith("<"):
        filename = os.path.basename(os.fspath(own_name))
    label = _label(file, filename)
    if isinstance(file, io.TextIOBase):
        raise SourceError(f"{label} was opened as text; open it with mode 'rb'")
    name = check_name(_required(filename, label), label=label)
    content_type = _content_type(content_type, name, label)
    with reading(label):
        if not _seekable(file):
            return _from_blocks(_blocks(file.read), name, content_type, label)
        start = file.tell()
        size = max(0, file.seek(0, os.SEEK_END) - start)
        file.seek(start)
    blocking = not isinstance(file, io.BytesIO)
    return Source(name, content_type, size, label, may_block=blocking, handle=file, start=start, owned=False)


def _from_iterable(blocks: Iterable[Any], filename: str | None, content_type: str | None) -> Source:
    label = _label(blocks, filename)
    name = check_name(_required(filename, label), label=label)
    return _from_blocks(blocks, name, _content_type(content_type, name, label), label)


def _from_blocks(blocks: Iterable[Any], name: str, content_type: str, label: str) -> Source:
    """Copy `blocks` to where their size can be known: in memory while they are few, else to a temporary file."""
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115 - Source.close closes it
    try:
        for block in blocks:
            if not isinstance(block, (bytes, bytearray, memoryview)):
                raise SourceError(
                    f"{label} gave {type(block).__name__} where bytes are needed; open files with mode 'rb'"
                )
            with reading(label):
                spool.write(block)
        return Source(name, content_type, spool.tell(), label, may_block=True, handle=spool)
    except BaseException:
        spool.close()
        raise


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(_COPY_BLOCK):
        yield block


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable()) if hasattr(file, "seekable") else file.tell() >= 0
    except (AttributeError, OSError):
        return False


def _content_type(content_type: str | None, name: str, label: str) -> str:
    if content_type is None:
        return mimetypes.guess_type(name)[0] or DEFAULT_CONTENT_TYPE
    return check_content_type(content_type, label=label)


def _required(filename: str | None, label: str) -> str:
    if filename is None:
        raise SourceError(f"{label} has no file name; pass filename=")
    return filename


def _label(file: object, filename: str | None) -> str:
    return repr(filename) if filename else f"the {type(file).__name__} passed as file"


class _MemoryReader:
    """Reads a buffer without copying it whole, as `io.BytesIO` would do with anything but bytes."""

    def __init__(self, view: memoryview) -> None:
        self._view = view
        self._position = 0

    def read(self, limit: int) -> bytes:
        block = bytes(self._view[self._position : self._position + limit])
        self._position += len(block)
        return block

    def seek(self, position: int) -> None:
        self._position = position

    def close(self) -> None:
        self._view.release()
