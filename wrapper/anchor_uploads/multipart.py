"""The body of an upload: one `multipart/form-data` part, streamed, its length known before the first byte.

Source: RFC 7578 for the form, RFC 2046 §5.1.1 for the boundary, and the WHATWG HTML standard ("multipart/form-data
encoding algorithm") for how names are escaped: UTF-8 as it is, `"` as %22, never `filename*`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from anchor_uploads.source import Source

# Bytes read and handed to the network at a time, measured with scripts/bench: more gains nothing, less costs CPU. The
# async client pays more for each block, two changes of thread among it.
BLOCK_SIZE = 256 * 1024
ASYNC_BLOCK_SIZE = 1024 * 1024


class MultipartBody:
    """The body of one attempt to send `source` as the form field `field`.

    content_type and content_length (bytes) belong into the headers. `complete` tells whether the last byte was taken.
    `sent(count, last)` is called when a block with `count` bytes of the file was taken, and once more at the end; what
    it raises goes to the caller. `sha256` is the hexadecimal digest of the file when the body is complete, if
    `checksum` is set.
    """

    def __init__(self, field: str, source: Source, sent: Callable[[int, bool], object], *, checksum: bool) -> None:
        # 128 random bits: no content can hold the boundary but by a chance that does not happen.
        boundary = secrets.token_hex(16)
        self._source = source
        self._sent = sent
        self._digest = hashlib.sha256() if checksum else None
        self._head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{escape(field)}"; filename="{escape(source.name)}"\r\n'
            f"Content-Type: {source.content_type}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.content_length = len(self._head) + source.size + len(self._tail)
        self.complete = False

    @property
    def sha256(self) -> str | None:
        return self._digest.hexdigest() if self._digest and self.complete else None

    def blocks(self) -> Iterator[bytes]:
        """Yield the body. Raises `SourceError` before the closing boundary if the source is not what it was."""
        for block, count in self._pieces(BLOCK_SIZE):
            yield block
            self._sent(count, False)
        self._finish()

    async def async_blocks(self) -> AsyncIterator[bytes]:
        """Yield the body as `blocks` does; what may wait for a disk is read in a thread, one block ahead."""
        pieces = self._pieces(ASYNC_BLOCK_SIZE)
        if not self._source.may_block:
            for block, count in pieces:
                yield block
                self._sent(count, False)
            self._finish()
            return
        loop = asyncio.get_running_loop()
        upcoming = loop.run_in_executor(None, next, pieces, None)
        try:
            # Shielded: a thread cannot be stopped, and cancelling its future would only hide that it still reads.
            while (piece := await asyncio.shield(upcoming)) is not None:
                upcoming = loop.run_in_executor(None, next, pieces, None)
                block, count = piece
                yield block
                self._sent(count, False)
            self._finish()
        finally:
            upcoming.add_done_callback(_disregard)

    def _pieces(self, block_size: int) -> Iterator[tuple[bytes, int]]:
        """Yield the body and how many bytes of the file each block holds."""
        # One block behind, so that a small file leaves together with what goes before and after it.
        block, count = self._head, 0
        while content := self._source.read(block_size):
            if self._digest:
                self._digest.update(content)
            if block is self._head:
                block, count = block + content, len(content)
            else:
                yield block, count
                block, count = content, len(content)
        yield block + self._tail, count

    def _finish(self) -> None:
        self.complete = True
        self._sent(0, True)


def _disregard(reading: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not report it as forgotten."""
    if not reading.cancelled():
        reading.exception()


def escape(name: str) -> str:
    """Return `name` as it stands between the quotes of a form's `name` or `filename` parameter."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
