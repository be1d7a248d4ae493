"""An opened source: a name, a media type, a size in bytes, and blocks that can be read again from the start."""

from __future__ import annotations

import inspect
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, contextmanager, nullcontext, suppress
from enum import Enum
from typing import Any

from anchor_uploads import _aside
from anchor_uploads.errors import AnchorUploadsError, SourceError

POLL_SECONDS = 0.01
"""How often to ask what has nothing yet."""


class Waits(Enum):
    """What reading waits for: nothing, a local disk, or something that may never come."""

    NEVER = 0
    BRIEFLY = 1
    LONG = 2


class Source:
    """An opened source: `read()` until it returns no bytes, then `rewind()` and read again.

    name: the file name to send. content_type: the media type to send. size: bytes from start to end.
    label: how to speak of it in an error. waits: what reading waits for.
    handle: what is read, from `start` on, and closed in the end if it is `owned`. fingerprint: changes when it does;
    seen: what it was, if something was read before.
    """

    def __init__(
        self,
        name: str,
        content_type: str,
        size: int,
        label: str,
        *,
        waits: Waits,
        handle: Any,
        start: int = 0,
        owned: bool = True,
        fingerprint: Callable[[], object] | None = None,
        seen: object = None,
    ) -> None:
        self.name = name
        self.content_type = content_type
        self.size = size
        self.label = label
        self.waits = waits
        self._handle = handle
        self._start = start
        self._owned = owned
        self._fingerprint = fingerprint
        self._left = size
        with reading(label):
            self._seen = fingerprint() if fingerprint and seen is None else seen
        # A read that was left behind in a thread closes the file itself; nobody waits for it.
        self._busy = threading.Lock()
        self._closing = False

    def rewind(self) -> None:
        """Go to where the source begins. Raises `SourceError` if it can no longer be read."""
        with self._reading():
            self._handle.seek(self._start)
            self._left = self.size
            if self._fingerprint is not None and self._fingerprint() != self._seen:
                raise self._changed("was modified between two attempts to send it")

    def read(self, limit: int) -> bytes:
        """Return the next at most `limit` bytes, none after the last.

        Raises `SourceError` if the source has become shorter or longer than its size, or was modified meanwhile.
        """
        with self._reading():
            if self._left:
                block = read_block(self._handle, min(limit, self._left), self.label)
                if not block:
                    raise self._changed(
                        f"became shorter while it was read: {self._left} of {self.size} bytes are missing"
                    )
                if len(block) > self._left:
                    raise self._changed(f"gave more than the {self.size} bytes that it had")
                self._left -= len(block)
                return block
            if read_block(self._handle, 1, self.label):
                raise self._changed(f"became longer than {self.size} bytes while it was read")
            if self._fingerprint is not None and self._fingerprint() != self._seen:
                raise self._changed("was modified while it was read")
            return b""

    def preload(self) -> Source:
        """Read all of a small source now, so that nothing has to wait for a disk later, and return what was read."""
        with self:
            content = b""
            while block := self.read(self.size):
                content += block
        handle = MemoryReader(memoryview(content))
        return Source(self.name, self.content_type, self.size, self.label, waits=Waits.NEVER, handle=handle)

    def close(self) -> None:
        """Close what was opened here; a caller's own file stays open."""
        self._closing = True
        if self._owned and self._busy.acquire(blocking=False):
            try:
                # It was only read: whatever goes wrong now, nothing is lost.
                with suppress(Exception):
                    self._handle.close()
            finally:
                self._busy.release()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            with self._busy, reading(self.label):
                _aside.check()
                yield
        finally:
            if self._closing:
                self.close()

    def _changed(self, how: str) -> SourceError:
        return SourceError(f"{self.label} {how}; nothing was saved. Upload it when nothing writes to it any more")


def read_block(file: Any, limit: int, label: str) -> bytes:
    """Return what `file.read` gives, `b""` at the end. Raises `SourceError` for what is no bytes.

    None is not the end: a file in non-blocking mode says so that there is nothing yet (`io.RawIOBase.read`).
    """
    while (block := file.read(limit)) is None:
        # What the operating system knows can have nothing yet.
        if not status_of(file):
            raise SourceError(f"{label} gave None where bytes are needed; read() must wait, and return b'' at the end")
        _aside.check()
        time.sleep(POLL_SECONDS)
    return bytes_of(block, label)


def bytes_of(block: Any, label: str) -> bytes:
    """Return the bytes of `block`. Raises `SourceError` for what is none."""
    if isinstance(block, (bytes, bytearray, memoryview)):
        return bytes(block)
    if inspect.iscoroutine(block):
        block.close()
    raise SourceError(
        f"{label} gave {type(block).__name__} where bytes are needed; open files with mode 'rb', and pass what has to "
        "be awaited to AsyncUploadClient"
    )


def status_of(file: Any) -> os.stat_result | None:
    """Return what the operating system says of an open file, None of one that it does not know."""
    try:
        return os.fstat(file.fileno())
    except (AttributeError, OSError, ValueError, TypeError):
        return None


@contextmanager
def reading(label: str) -> Iterator[None]:
    """Turn what goes wrong while a file is read into a `SourceError` that names it."""
    try:
        yield
    except (AnchorUploadsError, _aside.Stopped):
        raise
    except OSError as error:
        raise SourceError(f"{label} cannot be read: {error.strerror or error}") from error
    except ValueError as error:
        raise SourceError(f"{label} cannot be read: {error}. Keep it open until the upload is done") from error
    except TypeError as error:
        raise SourceError(
            f"{label} cannot be read: {error}. Its read() must take a size, seek() a position; pass its bytes instead, "
            "or an iterable of them"
        ) from error
    except Exception as error:
        # A damaged archive, or whatever the library of a file raises.
        raise SourceError(f"{label} cannot be read: {type(error).__name__}: {error}") from error


def closing_async(items: Any) -> AbstractAsyncContextManager[Any]:
    """Close an async generator in time, which else waits for the collector; leave other iterables as they are."""
    return aclosing(items) if hasattr(items, "aclose") else nullcontext(items)


class MemoryReader:
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
