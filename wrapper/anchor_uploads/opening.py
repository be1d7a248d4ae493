"""What callers hand in, made into a `Source`.

A source is opened once, and its size is known before a byte is sent. What does not tell its size (a pipe, a generator)
is first copied to a temporary file, in memory as long as it is small. Callers' own files are read from where they
stand, are left where the last attempt stopped, and are never closed.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import io
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

from anchor_uploads.errors import SourceError
from anchor_uploads.names import check_name, choose_content_type
from anchor_uploads.source import MemoryReader, Source, reading


class BinaryReader(Protocol):
    """Anything that hands out bytes: `read(n)` returns at most n, and none at the end."""

    def read(self, size: int = ..., /) -> bytes: ...


class AsyncBinaryReader(Protocol):
    """The same for asyncio: a file of aiofiles, or an upload that a web framework received."""

    async def read(self, size: int = ..., /) -> bytes: ...


FileInput = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryReader | Iterable[bytes]
AsyncFileInput = FileInput | AsyncBinaryReader | AsyncIterable[bytes]

_SPOOL_IN_MEMORY = 1024 * 1024
_COPY_BLOCK = 256 * 1024
# Bytes of a file that the async client reads while it opens it: cheaper than a change of thread for each block.
_PRELOADED = 256 * 1024
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+(::[A-Za-z0-9+.-]+)*://")


def open_source(file: FileInput, *, filename: str | None = None, content_type: str | None = None) -> Source:
    """Open `file` for an upload.

    file: a path, a URL that fsspec can read, bytes, an open binary file (read from its current position, never closed)
    or an iterable of bytes. filename: the name to send; the default is the base name of the path or of the open file.
    content_type: the media type to send; the default is guessed from the name.

    Raises `SourceError` if the file cannot be read, or has no name that can be sent.
    """
    if isinstance(file, str) and _URL.match(file):
        # Only who passes a URL pays for the import.
        from anchor_uploads.remote import open_url

        return open_url(file, filename, content_type, copy=_from_blocks)
    if isinstance(file, (str, os.PathLike)):
        return _from_path(os.path.expanduser(os.fspath(file)), filename, content_type)
    if isinstance(file, (bytes, bytearray, memoryview)):
        return _from_memory(file, filename, content_type)
    if is_asynchronous(file):
        raise SourceError(f"{_label(file, filename)} has to be awaited: pass it to AsyncUploadClient")
    if callable(getattr(file, "read", None)):
        return _from_file(file, filename, content_type)
    if isinstance(file, Iterable):
        return _from_iterable(file, filename, content_type)
    raise SourceError(f"{file!r} is not a file: pass a path, bytes, a binary file object or an iterable of bytes")


def name_of(file: object) -> str | None:
    """Return the name under which `file` would be sent, None if it has none. Nothing is opened."""
    if isinstance(file, str) and _URL.match(file):
        from anchor_uploads.remote import name_in_url

        return name_in_url(file)
    if isinstance(file, (str, os.PathLike)):
        return os.path.basename(os.fsdecode(file))
    return _own_name(file)


def is_asynchronous(file: object) -> bool:
    """Tell whether `file` can be read only by awaiting it."""
    return inspect.iscoroutinefunction(getattr(file, "read", None)) or (
        isinstance(file, AsyncIterable) and not callable(getattr(file, "read", None))
    )


@asynccontextmanager
async def opened(
    file: AsyncFileInput, *, filename: str | None = None, content_type: str | None = None
) -> AsyncIterator[Source]:
    """`open_source` off the event loop, and closed at the end; `file` may also be an asynchronous file or iterable."""
    if is_asynchronous(file):
        source = await _from_asynchronous(file, filename, content_type)
    elif isinstance(file, (bytes, bytearray, memoryview)):
        source = open_source(file, filename=filename, content_type=content_type)
    else:
        open_it = functools.partial(_open_in_thread, file, filename=filename, content_type=content_type)
        opening = asyncio.get_running_loop().run_in_executor(None, open_it)
        try:
            source = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_unused)
            raise
    with source:
        yield source


def _open_in_thread(file: Any, *, filename: str | None, content_type: str | None) -> Source:
    source = open_source(file, filename=filename, content_type=content_type)
    if source.may_block and source.size <= _PRELOADED:
        try:
            source.preload()
        except BaseException:
            source.close()
            raise
    return source


def _close_unused(opening: asyncio.Future[Source]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _from_path(path: str | bytes, filename: str | None, content_type: str | None) -> Source:
    path = os.fsdecode(path)
    label = repr(path)
    with reading(label):
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError as error:
            where = "" if os.path.isabs(path) else f" in {os.getcwd()!r}"
            raise SourceError(f"{label} does not exist{where}") from error
        if stat.S_ISDIR(mode):
            raise SourceError(f"{label} is a directory; pass the files in it one by one, or an archive of it")
        if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
            raise SourceError(f"{label} is a device or a socket, not a file")
        name = check_name(os.path.basename(path) if filename is None else filename, label=label)
        content_type = choose_content_type(content_type, name=name, label=label)
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
    name = check_name(filename, label=label)
    content_type = choose_content_type(content_type, name=name, label=label)
    try:
        view = memoryview(data).cast("B")
    except TypeError as error:
        raise SourceError(f"{label} cannot be read: {error}; pass bytes(…) of it") from error
    return Source(name, content_type, len(view), label, may_block=False, handle=MemoryReader(view))


def _from_file(file: Any, filename: str | None, content_type: str | None) -> Source:
    filename = _own_name(file) if filename is None else filename
    label = _label(file, filename)
    name = check_name(filename, label=label)
    content_type = choose_content_type(content_type, name=name, label=label)
    with reading(label):
        if isinstance(file, io.TextIOBase) or isinstance(file.read(0), str):
            raise SourceError(f"{label} was opened as text; open it with mode 'rb'")
        if not _seekable(file):
            return _from_blocks(_blocks(file.read), name, content_type, label)
        start = file.tell()
        size = max(0, file.seek(0, os.SEEK_END) - start)
        file.seek(start)
    may_block = not isinstance(file, io.BytesIO)
    return Source(name, content_type, size, label, may_block=may_block, handle=file, start=start, owned=False)


def _from_iterable(blocks: Iterable[Any], filename: str | None, content_type: str | None) -> Source:
    label = _label(blocks, filename)
    name = check_name(filename, label=label)
    return _from_blocks(blocks, name, choose_content_type(content_type, name=name, label=label), label)


def _from_blocks(blocks: Iterable[Any], name: str, content_type: str, label: str) -> Source:
    """Copy `blocks` to where their size can be known: in memory while they are few, else to a temporary file."""
    spool = _spool()
    try:
        for block in blocks:
            _check_block(block, label)
            with reading(label):
                spool.write(block)
        size = spool.tell()
        spool.seek(0)
        return Source(name, content_type, size, label, may_block=True, handle=spool)
    except BaseException:
        spool.close()
        raise


async def _from_asynchronous(file: Any, filename: str | None, content_type: str | None) -> Source:
    filename = _own_name(file) if filename is None else filename
    label = _label(file, filename)
    name = check_name(filename, label=label)
    content_type = choose_content_type(content_type, name=name, label=label)
    spool = _spool()
    try:
        blocks = _async_blocks(file.read) if hasattr(file, "read") else aiter(file)
        async for block in blocks:
            _check_block(block, label)
            with reading(label):
                await asyncio.to_thread(spool.write, block)
        size = spool.tell()
        spool.seek(0)
        return Source(name, content_type, size, label, may_block=True, handle=spool)
    except BaseException:
        spool.close()
        raise


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)


def _check_block(block: object, label: str) -> None:
    if not isinstance(block, (bytes, bytearray, memoryview)):
        raise SourceError(f"{label} gave {type(block).__name__} where bytes are needed; open files with mode 'rb'")


def _blocks(read: Callable[[int], Any]) -> Iterator[Any]:
    while block := read(_COPY_BLOCK):
        yield block


async def _async_blocks(read: Callable[[int], Any]) -> AsyncIterator[Any]:
    while block := await read(_COPY_BLOCK):
        yield block


def _seekable(file: Any) -> bool:
    try:
        return bool(file.seekable()) if hasattr(file, "seekable") else file.tell() >= 0
    except (AttributeError, OSError):
        return False


def _own_name(file: object) -> str | None:
    """Return the base name of an open file. Those that have none, Python names "<stdin>" or by a number."""
    for attribute in ("name", "filename"):
        name = getattr(file, attribute, None)
        if isinstance(name, (str, os.PathLike)) and str(name) and not str(name).startswith("<"):
            return os.path.basename(os.fspath(name))
    return None


def _label(file: object, filename: str | None) -> str:
    return repr(filename) if filename else f"the {type(file).__name__} passed as file"
