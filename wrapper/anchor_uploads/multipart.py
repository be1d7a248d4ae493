"""The body of an upload: one `multipart/form-data` part, streamed, its length known before the first byte.

Source: RFC 7578 for the form, RFC 2046 §5.1.1 for the boundary, and the WHATWG HTML standard ("multipart/form-data
encoding algorithm") for how names are escaped: UTF-8 as it is, `"` as %22, never `filename*`.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import AsyncIterator, Iterator

from anchor_uploads.progress import ProgressMeter
from anchor_uploads.source import Source

BLOCK_SIZE = 256 * 1024
"""Bytes read and handed to the network at a time."""


class MultipartBody:
    """The body of one attempt to send `source` as the form field `field`.

    content_type and content_length (bytes) belong into the headers. `complete` tells whether the last byte was taken.
    What `meter` raises goes to the caller. `sha256` is the hexadecimal digest of the file, once all of it was read, if
    `checksum` is set.
    """

    def __init__(self, field: str, source: Source, meter: ProgressMeter, *, checksum: bool = False) -> None:
        # 128 random bits: no content can hold the boundary but by a chance that does not happen.
        boundary = secrets.token_hex(16)
        self._source = source
        self._meter = meter
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
        for block, count in self._pieces():
            yield block
            self._meter.add(count)
        self._finish()

    async def async_blocks(self) -> AsyncIterator[bytes]:
        """Yield the body as `blocks` does; what may wait for a disk is read in a thread."""
        pieces = self._pieces()
        if not self._source.may_block:
            for block, count in pieces:
                yield block
                self._meter.add(count)
            self._finish()
            return
        loop = asyncio.get_running_loop()
        while True:
            reading = loop.run_in_executor(None, next, pieces, None)
            try:
                piece = await asyncio.shield(reading)
            except asyncio.CancelledError:
                # The caller closes the source next, and must not close it under the thread that reads it.
                await asyncio.wait([reading])
                raise
            if piece is None:
                self._finish()
                return
            block, count = piece
            yield block
            self._meter.add(count)

    def _pieces(self) -> Iterator[tuple[bytes, int]]:
        """Yield the body and how many bytes of the file each block holds."""
        self._source.rewind()
        # One block behind, so that a small file leaves together with what goes before and after it.
        block, count = self._head, 0
        while content := self._source.read(BLOCK_SIZE):
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
        self._meter.add(0, last=True)


def escape(name: str) -> str:
    """Return `name` as it stands between the quotes of a form's `name` or `filename` parameter."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
