"""What callers hand in, made into a `Source`.

A source is opened once, and its size is known before a byte is sent. What does not tell its size (a pipe, a generator)
is first copied to a temporary file, in memory as long as it is small. Callers' own files are read from where they
stand, are left where the last attempt stopped, and are never closed.
"""

from __future__ import annotations

import functools
import inspect
import io
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from typing import Any, Protocol

import anyio

from anchor_uploads import _aside
from anchor_uploads._sources.names import check_name, choose_content_type
from anchor_uploads._sources.source import (
    MemoryReader,
    Source,
    Waits,
    checked_block,
    has_descriptor,
    read_block,
    reading,
)
from anchor_uploads.errors import SourceError


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
_POLL_SECONDS = 0.01
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
        from anchor_uploads._sources.remote import open_url

        return open_url(file, filename, content_type, copy=_from_blocks)
    if isinstance(file, (str, os.PathLike)):
        return _from_path(os.path.expanduser(os.fspath(file)), filename, content_type)
    if isinstance(file, (bytes, bytearray, memoryview)):
        return _from_memory(file, filename, content_type)
    if is_asynchronous(file):
        raise SourceError(f"{label_of(file, filename)} has to be awaited: pass it to AsyncUploadClient")
    if callable(getattr(file, "read", None)):
        return _from_file(file, filename, content_type)
    if isinstance(file, Iterable):
        return _from_iterable(file, filename, content_type)
    raise SourceError(f"{file!r} is not a file: pass a path, bytes, a binary file object or an iterable of bytes")


def name_of(file: object) -> str | None:
    """Return the name under which `file` would be sent, None if it has none. Nothing is opened."""
    if isinstance(file, str) and _URL.match(file):
        from anchor_uploads._sources.remote import name_in_url

        return name_in_url(file)
    if isinstance(file, (str, os.PathLike)):
        return os.path.basename(os.fsdecode(file))
    return _own_name(file)


def label_of(file: object, filename: str | None) -> str:
    """Return how to speak of `file` in an error before it is opened."""
    name = filename or name_of(file)
    return repr(name) if name else f"the {type(file).__name__} passed as file"


def is_asynchronous(file: object) -> bool:
    """Tell whether `file` can be read only by awaiting it."""
    return inspect.iscoroutinefunction(getattr(file, "read", None)) or (
        isinstance(file, AsyncIterable) and not callable(getattr(file, "read", None))
    )


def opened(
    file: FileInput, *, filename: str | None = None, content_type: str | None = None, within: float | None = None
) -> Source:
    """`open_source`, bounded: what may never come is waited for in a thread that can be left behind.

    Raises `TimeIsUp` after `within` seconds; None waits for ever, in the caller's own thread.
    """
    open_it = functools.partial(open_source, file, filename=filename, content_type=content_type)
    if within is None or _waits(file) is not Waits.LONG:
        return open_it()
    return _aside.Aside(open_it, unwanted=Source.close).result(within)


async def opened_async(
    file: AsyncFileInput, *, filename: str | None = None, content_type: str | None = None, within: float | None = None
) -> Source:
    """`opened` off the event loop; `file` may also be an asynchronous file or iterable."""
    if _waits(file) is Waits.NEVER:
        return open_source(file, filename=filename, content_type=content_type)  # type: ignore[arg-type]
    with anyio.move_on_after(within):
        if is_asynchronous(file):
            return await _from_asynchronous(file, filename, content_type)
        open_it = functools.partial(_open_and_preload, file, filename=filename, content_type=content_type)
        return await _aside.Aside(open_it, unwanted=Source.close).result_async()
    raise _aside.TimeIsUp


def _open_and_preload(file: Any, *, filename: str | None, content_type: str | None) -> Source:
    source = open_source(file, filename=filename, content_type=content_type)
    return source if source.size > _PRELOADED else source.preload()


def _waits(file: object) -> Waits:
    """Tell what opening and reading `file` waits for."""
    if isinstance(file, (bytes, bytearray, memoryview, io.BytesIO)):
        return Waits.NEVER
    try:
        if isinstance(file, (io.FileIO, io.BufferedReader, io.BufferedRandom)):
            mode = os.fstat(file.fileno()).st_mode
        elif isinstance(file, (str, os.PathLike)) and not (isinstance(file, str) and _URL.match(file)):
            mode = os.stat(os.path.expanduser(file)).st_mode
        else:
            return Waits.BRIEFLY if isinstance(file, (list, tuple)) else Waits.LONG
    except (OSError, ValueError):
        # Opening it fails at once, and says why.
        return Waits.BRIEFLY
    return Waits.BRIEFLY if stat.S_ISREG(mode) else Waits.LONG


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
                return _from_blocks(_blocks(handle, label), name, content_type, label)

        def fingerprint() -> object:
            now = os.fstat(handle.fileno())
            return now.st_size, now.st_mtime_ns

        return Source(name, content_type, size, label, waits=Waits.BRIEFLY, handle=handle, fingerprint=fingerprint)
    except BaseException:
        handle.close()
        raise


def _from_memory(data: Any, filename: str | None, content_type: str | None) -> Source:
    name, content_type, label = _named(data, filename, content_type)
    try:
        view = memoryview(data).cast("B")
    except TypeError as error:
        raise SourceError(f"{label} cannot be read: {error}; pass bytes(…) of it") from error
    return Source(name, content_type, len(view), label, waits=Waits.NEVER, handle=MemoryReader(view))


def _from_file(file: Any, filename: str | None, content_type: str | None) -> Source:
    name, content_type, label = _named(file, filename, content_type)
    with reading(label):
        if isinstance(file, io.TextIOBase) or isinstance(file.read(0), str):
            raise SourceError(f"{label} was opened as text; open it with mode 'rb'")
        if not _seekable(file):
            return _from_blocks(_blocks(file, label), name, content_type, label)
        start = file.tell()
        size = max(0, file.seek(0, os.SEEK_END) - start)
        file.seek(start)
    return Source(name, content_type, size, label, waits=_waits(file), handle=file, start=start, owned=False)


def _from_iterable(blocks: Iterable[Any], filename: str | None, content_type: str | None) -> Source:
    return _from_blocks(blocks, *_named(blocks, filename, content_type))


def _from_blocks(blocks: Iterable[Any], name: str, content_type: str, label: str) -> Source:
    """Copy `blocks` to where their size can be known: in memory while they are few, else to a temporary file."""
    spool = _spool()
    try:
        for block in blocks:
            _aside.check()
            with reading(label):
                spool.write(checked_block(block, label))
        size = spool.tell()
        spool.seek(0)
        return Source(name, content_type, size, label, waits=Waits.BRIEFLY, handle=spool)
    except BaseException:
        spool.close()
        raise


async def _from_asynchronous(file: Any, filename: str | None, content_type: str | None) -> Source:
    name, content_type, label = _named(file, filename, content_type)
    spool = _spool()
    try:
        blocks = _async_blocks(file, label) if hasattr(file, "read") else aiter(file)
        async for block in blocks:
            with reading(label):
                checked_block(block, label)
                await _aside.Aside(functools.partial(spool.write, block)).result_async()
        size = spool.tell()
        spool.seek(0)
        return Source(name, content_type, size, label, waits=Waits.BRIEFLY, handle=spool)
    except BaseException:
        spool.close()
        raise


def _spool() -> Any:
    return tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)


def _blocks(file: Any, label: str) -> Iterator[Any]:
    while block := read_block(file, _COPY_BLOCK, label):
        yield block


async def _async_blocks(file: Any, label: str) -> AsyncIterator[Any]:
    while (block := await file.read(_COPY_BLOCK)) != b"":
        if block is not None:
            yield block
        elif has_descriptor(file):
            await anyio.sleep(_POLL_SECONDS)
        else:
            raise SourceError(f"{label} gave None where bytes are needed; read() must wait, and return b'' at the end")


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


def _named(file: object, filename: str | None, content_type: str | None) -> tuple[str, str, str]:
    """Return the name and the media type to send, and how to speak of the file."""
    label = label_of(file, filename)
    name = check_name(_own_name(file) if filename is None else filename, label=label)
    return name, choose_content_type(content_type, name=name, label=label), label
