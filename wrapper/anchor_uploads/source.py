"""An opened source: a name, a media type, a size in bytes, and blocks that can be read again from the start."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from anchor_uploads.errors import SourceError


class Source:
    """An opened source: `read()` until it returns no bytes, then `rewind()` and read again.

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
        self._left = size
        with reading(label):
            self._seen = fingerprint() if fingerprint else None
        # The async client reads in a thread, and a cancelled call must not close the file under it.
        self._busy = threading.Lock()

    def rewind(self) -> None:
        """Go to where the source begins. Raises `SourceError` if it can no longer be read."""
        with self._busy, reading(self.label):
            self._handle.seek(self._start)
            self._left = self.size
            if self._fingerprint is not None and self._fingerprint() != self._seen:
                raise self._changed("was modified between two attempts to send it")

    def read(self, limit: int) -> bytes:
        """Return the next at most `limit` bytes, none after the last.

        Raises `SourceError` if the source has become shorter or longer than its size, or was modified meanwhile.
        """
        with self._busy, reading(self.label):
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

    def preload(self) -> None:
        """Read all of a small source now, so that nothing has to wait for a disk later."""
        content = b""
        while block := self.read(self.size):
            content += block
        self.close()
        self.may_block, self._owned, self._fingerprint = False, True, None
        self._handle, self._start, self._left = MemoryReader(memoryview(content)), 0, self.size

    def close(self) -> None:
        """Close what was opened here; a caller's own file stays open."""
        if self._owned:
            with self._busy:
                self._handle.close()

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _changed(self, how: str) -> SourceError:
        return SourceError(f"{self.label} {how}; nothing was saved. Upload it when nothing writes to it any more")


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
