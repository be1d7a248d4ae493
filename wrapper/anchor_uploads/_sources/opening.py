"""A part's content, opened and made into a `Source`.

A source is opened once, and its size is known before a byte is sent. What does not tell its size (a pipe, a generator)
is first copied to a temporary file, in memory as long as it is small. Callers' own files are read from where they
stand, are left where the last attempt stopped, and are never closed.
"""

from __future__ import annotations

import http.client
import io
import os
import selectors
import stat
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from typing import Any

import anyio

from anchor_uploads import _aside
from anchor_uploads._sources.names import is_url
from anchor_uploads._sources.part import Part, open_file
from anchor_uploads._sources.source import (
    POLL_SECONDS,
    MemoryReader,
    Source,
    Waits,
    bytes_of,
    closing_async,
    read_block,
    reading,
    status_of,
)
from anchor_uploads.errors import SourceError

_SPOOL_IN_MEMORY = 1024 * 1024
_COPY_BLOCK = 256 * 1024
# Bytes of a file that the async client reads while it opens it: cheaper than a change of thread for each block.
_PRELOADED = 256 * 1024


def opened(part: Part, *, within: float | None = None) -> Source:
    """Open `part`. What may never come is waited for in a thread that can be left behind.

    Raises `SourceError` if it cannot be read, or has no name that can be sent, and `TimeIsUp` after `within` seconds;
    None waits for ever, in the caller's own thread.
    """
    if within is None or part.waits is not Waits.LONG:
        return _opened(part)
    return _aside.Aside(partial(_opened, part), unwanted=Source.close).result(within)


async def opened_async(part: Part, *, within: float | None = None) -> Source:
    """`opened` off the event loop; `part` may also have to be awaited."""
    if part.waits is Waits.NEVER:
        return _opened(part)
    with anyio.move_on_after(within):
        if part.asynchronous:
            return await _from_asynchronous(part)
        return await _aside.Aside(partial(_opened_and_preloaded, part), unwanted=Source.close).result_async()
    raise _aside.TimeIsUp


def _opened_and_preloaded(part: Part) -> Source:
    source = _opened(part)
    return source if source.size > _PRELOADED else source.preload()


def _opened(part: Part) -> Source:
    content = part.content
    if is_url(content):
        # Only who passes a URL pays for the import.
        from anchor_uploads._sources.remote import open_url

        return open_url(part, copy=_copied)
    if isinstance(content, (str, os.PathLike)):
        return _from_path(part)
    if isinstance(content, (bytes, bytearray, memoryview)):
        return _from_memory(part)
    if hasattr(content, "iter_bytes"):
        raise SourceError(
            f"{part.label} is an answer of httpx; pass its iter_bytes(), or its aiter_bytes() if it is an async one's"
        )
    if part.asynchronous:
        raise SourceError(f"{part.label} has to be awaited: pass it to AsyncUploadClient")
    if callable(getattr(content, "read", None)):
        return _from_file(part)
    if isinstance(content, Iterable):
        return _copied(part, content)
    enter = " (enter it: with … as file)" if hasattr(content, "__enter__") else ""
    raise SourceError(
        f"{part.label} is not a file{enter}: pass a path, bytes, a binary file object or an iterable of bytes"
    )


def _from_path(part: Part) -> Source:
    path = os.fsdecode(part.content)
    with reading(part.label):
        try:
            status = os.stat(path)
        except FileNotFoundError as error:
            where = "" if os.path.isabs(path) else f" in {os.getcwd()!r}"
            if path.startswith("~"):
                # A file may be called so, and a shell has put the home directory in its place already.
                where += ", where ~ is a name like others; for the home directory, pass os.path.expanduser(path)"
            raise SourceError(f"{part.label} does not exist{where}") from error
        if stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{part.label} is a directory; pass the files in it one by one, or an archive of it")
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISFIFO(status.st_mode)):
            raise SourceError(f"{part.label} is a device or a socket, not a file")
        name, content_type = part.checked()
        handle = _pipe(path) if stat.S_ISFIFO(status.st_mode) else io.FileIO(path)
    try:
        status = os.fstat(handle.fileno())
        if not _tells_its_size(status):
            with handle:
                return _copied(part, _blocks(handle, part.label))
        return Source(
            name,
            content_type,
            status.st_size,
            part.label,
            waits=Waits.BRIEFLY,
            handle=handle,
            fingerprint=partial(_fingerprint, handle),
        )
    except BaseException:
        handle.close()
        raise


def _fingerprint(file: Any) -> object:
    now = os.fstat(file.fileno())
    return now.st_size, now.st_mtime_ns


def _pipe(path: str) -> io.FileIO:
    """Open a named pipe, and wait until somebody writes to it, in turns: a thread that waits can be left behind."""
    if sys.platform == "win32":
        # There it has a writer, or it is not there; and only sockets can be waited for.
        return io.FileIO(path)
    handle = io.FileIO(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(handle, selectors.EVENT_READ)
            while not selector.select(POLL_SECONDS):
                _aside.check()
    except BaseException:
        handle.close()
        raise
    return handle


def _tells_its_size(status: os.stat_result) -> bool:
    """Tell whether the size of a file is to be believed: those under /proc say 0, and those under /sys one page.

    They take no room on a disk. Sparse files do not either; but those that matter are larger.
    """
    takes_room = getattr(status, "st_blocks", 1) > 0
    return stat.S_ISREG(status.st_mode) and status.st_size > 0 and (takes_room or status.st_size > _SPOOL_IN_MEMORY)


def _from_memory(part: Part) -> Source:
    name, content_type = part.checked()
    with reading(part.label):
        try:
            view = memoryview(part.content).cast("B")
        except TypeError:
            # Its parts do not lie one behind the other.
            view = memoryview(bytes(part.content))
    return Source(name, content_type, len(view), part.label, waits=Waits.NEVER, handle=MemoryReader(view))


def _from_file(part: Part) -> Source:
    file, label = part.content, part.label
    name, content_type = part.checked()
    known = open_file(file)
    status = status_of(known) if known else None
    with reading(label):
        place = _place(file, label, status)
    if place is None:
        return _copied(part, _blocks(file, label))
    start, size = place
    return Source(
        name,
        content_type,
        size,
        label,
        waits=part.waits,
        handle=file,
        start=start,
        owned=False,
        fingerprint=partial(_fingerprint, known) if status else None,
    )


def _place(file: Any, label: str, status: os.stat_result | None) -> tuple[int, int] | None:
    """Return where an open file stands, and how many bytes follow; None if only reading it can tell."""
    try:
        probe = file.read(0)
    except Exception:
        return None
    if isinstance(file, io.TextIOBase) or isinstance(probe, str):
        raise SourceError(f"{label} was opened as text; open it with mode 'rb'")
    if probe is not None and bytes_of(probe, label):
        raise SourceError(f"{label} gave bytes when it was asked for none, and they are lost; pass its bytes")
    try:
        if (status and not _tells_its_size(status)) or (hasattr(file, "seekable") and not file.seekable()):
            return None
        start = file.tell()
        file.seek(0, os.SEEK_END)
    except (AttributeError, NotImplementedError, io.UnsupportedOperation):
        return None
    # Not what seek() returns: that of mmap returned nothing before Python 3.13.
    size = file.tell() - start
    file.seek(start)
    if file.tell() != start:
        raise SourceError(f"{label} did not go back to where it stood; pass its bytes, or an iterable of them")
    return (start, size) if size > 0 else None


def _copied(part: Part, blocks: Iterable[Any]) -> Source:
    """Copy `blocks` to where their size can be known: in memory while they are few, else to a temporary file."""
    named = part.checked()
    with _spool() as spool:
        for block in blocks:
            _aside.check()
            content = bytes_of(block, part.label)
            with _spooling(part.label):
                spool.write(content)
        return _of_spool(part, named, spool)


async def _from_asynchronous(part: Part) -> Source:
    named = part.checked()
    with _spool() as spool:
        async with aclosing(_async_blocks(part.content, part.label)) as blocks:
            async for block in blocks:
                content = bytes_of(block, part.label)
                with _spooling(part.label):
                    await _aside.Aside(partial(spool.write, content)).result_async()
        return _of_spool(part, named, spool)


@contextmanager
def _spool() -> Iterator[Any]:
    spool = tempfile.SpooledTemporaryFile(max_size=_SPOOL_IN_MEMORY)  # noqa: SIM115 - the source closes it
    try:
        yield spool
    except BaseException:
        spool.close()
        raise


@contextmanager
def _spooling(label: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{label} tells no size and was to be copied first, but the directory for temporary files, "
            f"{tempfile.gettempdir()!r}, did not take it: {error.strerror or error}. Make room there, or set TMPDIR"
        ) from error


def _of_spool(part: Part, named: tuple[str, str], spool: Any) -> Source:
    size = spool.tell()
    spool.seek(0)
    return Source(*named, size, part.label, waits=Waits.BRIEFLY, handle=spool)


def _blocks(file: Any, label: str) -> Iterator[Any]:
    with reading(label):
        while block := read_block(file, _COPY_BLOCK, label):
            yield block
        if isinstance(file, http.client.HTTPResponse) and file.length:
            raise SourceError(f"{label} broke off: {file.length} bytes more were announced")


async def _async_blocks(content: Any, label: str) -> AsyncGenerator[Any, None]:
    if not hasattr(content, "read"):
        async with closing_async(content) as blocks:
            async for block in blocks:
                yield block
        return
    # The parts that aiohttp receives are read whole by read().
    read = getattr(content, "read_chunk", content.read)
    with reading(label):
        while (block := await read(_COPY_BLOCK)) is None or len(block):
            if block is not None:
                yield block
            elif status_of(content):
                await anyio.sleep(POLL_SECONDS)
            else:
                raise SourceError(f"{label} gave None where bytes are needed; its read() must wait")
