"""The body of an upload: one `multipart/form-data` part, streamed, its length known before the first byte.

Source: RFC 7578 for the form, RFC 2046 §5.1.1 for the boundary, and the WHATWG HTML standard ("multipart/form-data
encoding algorithm") for how names are escaped: UTF-8 as it is, `"` as %22, never `filename*`.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from functools import partial
from types import TracebackType

import anyio
import httpx
from attrs import field, frozen

from anchor_uploads._aside import Aside, TimeIsUp
from anchor_uploads._call.callbacks import ProgressCallback, UploadProgress, called, no_end, tell
from anchor_uploads._call.settings import Deadline
from anchor_uploads._sources.source import Source, Waits

# Bytes read and handed to the network at a time, measured with scripts/bench: twice as many gain 3 % of CPU and tell
# progress in coarser steps, half as many cost 7 %. The async client pays more for each, two changes of thread among it.
BLOCK_SIZE = 512 * 1024
ASYNC_BLOCK_SIZE = 1024 * 1024


class Sent(Enum):
    """How much of a request may have reached the service."""

    NOTHING = "nothing"
    PART = "a part"
    WHOLE = "the whole"


@frozen
class _Piece:
    """A block of the body, how many bytes of the file it holds, and whether it is the last."""

    block: bytes = field(repr=False)
    count: int
    last: bool


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The body of one attempt to send `source` as the form field `field`, for httpx's sync and async clients.

    content_type and content_length (bytes) belong into the headers. on_progress is called by `announce`, then every
    `interval` seconds at most, and at the end. `sent` tells how much may have left: the whole from the moment that the
    block with the closing boundary is handed over. `sha256` is the hexadecimal digest of the file then, if `checksum`
    is set.
    """

    def __init__(
        self,
        field: str,
        source: Source,
        deadline: Deadline,
        *,
        attempt: int,
        checksum: bool,
        on_progress: ProgressCallback | None,
        interval: float,
    ) -> None:
        # 128 random bits: no content can hold the boundary but by a chance that does not happen.
        boundary = secrets.token_hex(16)
        self._source = source
        self._deadline = deadline
        self._attempt = attempt
        self._checksum = checksum
        self._on_progress = on_progress
        self._interval = interval
        self._head = (
            f"--{boundary}\r\n"
            f'Content-Disposition: form-data; name="{escape(field)}"; filename="{escape(source.name)}"\r\n'
            f"Content-Type: {source.content_type}\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self.content_type = f"multipart/form-data; boundary={boundary}"
        self.content_length = len(self._head) + source.size + len(self._tail)
        self.sent = Sent.NOTHING
        self.sha256: str | None = None
        self._raised: Exception | None = None
        self._traceback: TracebackType | None = None
        self.on_handed_over: Callable[[bool], None] | None = None
        """Called with True when a block is handed over, and with False when the network has taken it."""
        self._pieces: Iterator[_Piece] = iter(())
        self._ahead: Aside[_Piece | None] | None = None
        self._last: _Piece | None = None
        self._telling: asyncio.Future[object] | None = None
        self._begun = False
        self._count = 0
        self._next_call = 0.0

    def cut_short(self) -> None:
        """Note that the block which was handed over last did not leave whole."""
        self.sent = Sent.PART

    def announce(self) -> None:
        """Tell that nothing is sent yet: what `on_progress` raises now keeps all of it from being sent."""
        with self._noting_what_is_raised():
            self._tell(UploadProgress(self._source.name, 0, self._source.size, self._attempt))

    async def announce_async(self) -> None:
        """Do the same where `on_progress` may have to be awaited."""
        with self._noting_what_is_raised():
            await self._tell_async(UploadProgress(self._source.name, 0, self._source.size, self._attempt))

    def __iter__(self) -> Iterator[bytes]:
        """Begin the body. Its blocks end with `SourceError` before the closing boundary if the source has changed."""
        self._begin(BLOCK_SIZE)
        return self

    def __next__(self) -> bytes:
        with self._noting_what_is_raised():
            self._tell(self._left())
            aside = self._source.waits is Waits.LONG and self._deadline.seconds is not None
            piece = self._aside().result(self._deadline.left()) if aside else next(self._pieces, None)
            if piece:
                return self._handed_over(piece)
        raise StopIteration

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Begin the body; what may wait for a disk is read in a thread, one block ahead."""
        self._begin(ASYNC_BLOCK_SIZE)
        return self

    async def __anext__(self) -> bytes:
        if self.on_handed_over:
            self.on_handed_over(False)
        with self._noting_what_is_raised():
            last = self._last is not None and self._last.last
            await self._tell_async(self._left(), beside=last)
            if self._count and not last:
                # aiohttp's transport may take one block after the other, and nobody else would have a turn.
                await anyio.sleep(0)  # noqa: ASYNC115 - the sync client would import anyio.lowlevel for nothing
            piece = None if last else await self._next_piece()
            if piece:
                if self.on_handed_over:
                    self.on_handed_over(True)
                return self._handed_over(piece)
        raise StopAsyncIteration

    async def _next_piece(self) -> _Piece | None:
        if self._source.waits is Waits.NEVER:
            return next(self._pieces, None)
        piece = await (self._ahead or self._aside()).result_async()
        # Behind the last nothing is looked for: aiohttp breaks off a body that is not at its end when the answer comes.
        self._ahead = self._aside() if piece and not piece.last else None
        return piece

    def take_raised(self) -> Exception | None:
        """Return once what the source or `on_progress` raised, or `TimeIsUp`, without what a transport added to it."""
        raised, traceback = self._raised, self._traceback
        self._raised = self._traceback = None
        return None if raised is None else raised.with_traceback(traceback)

    async def told(self) -> None:
        """Wait until `on_progress` is done with the last block. Raises what it raises."""
        if self._telling:
            with self._noting_what_is_raised():
                await self._telling

    def abandon(self) -> None:
        """Wait no longer for what is read ahead, and for `on_progress`, and let go of what is read."""
        self._pieces, self.on_handed_over = iter(()), None
        if self._ahead:
            self._ahead.abandon()
        if self._telling:
            self._telling.cancel()

    def _aside(self) -> Aside[_Piece | None]:
        return Aside(partial(next, self._pieces, None))

    def _begin(self, block_size: int) -> None:
        # httpx sends a request again when its client's own `auth` has to answer a challenge.
        again, self._begun = self._begun, True
        ahead, self._ahead = self._ahead, None
        self._count, self._last, self.sent = 0, None, Sent.NOTHING
        self._pieces = self._made(block_size, again=again, after=ahead)

    def _made(self, block_size: int, *, again: bool, after: Aside[_Piece | None] | None) -> Iterator[_Piece]:
        if after:
            # It reads from the same source.
            after.wait()
        if again:
            self._source.rewind()
        digest = hashlib.sha256() if self._checksum else None
        # One block behind, so that a small file leaves together with what goes before and after it.
        block, count = self._head, 0
        while content := self._source.read(block_size):
            if digest:
                digest.update(content)
            if block is self._head:
                block, count = block + content, len(content)
            else:
                yield _Piece(block, count, last=False)
                block, count = content, len(content)
        self.sha256 = digest.hexdigest() if digest else None
        yield _Piece(block + self._tail, count, last=True)

    def _handed_over(self, piece: _Piece) -> bytes:
        # Up to here nothing can have been saved; so that is the time to give up.
        if self._deadline.passes_within(0):
            raise TimeIsUp
        self.sent = Sent.WHOLE if piece.last else Sent.PART
        self._last = piece
        return piece.block

    def _left(self) -> UploadProgress | None:
        """Note that the last block has left, and return what is to be told of it."""
        piece, self._last = self._last, None
        if piece is None:
            return None
        self._count += piece.count
        now = time.monotonic()
        if not piece.last and (self._count >= self._source.size or now < self._next_call):
            return None
        self._next_call = now + self._interval
        return UploadProgress(self._source.name, self._count, self._source.size, self._attempt)

    def _tell(self, progress: UploadProgress | None) -> None:
        if progress and self._on_progress:
            tell(self._on_progress, progress)

    async def _tell_async(self, progress: UploadProgress | None, *, beside: bool = False) -> None:
        """beside: let the body end meanwhile; aiohttp breaks off one that is not at its end when the answer comes."""
        if progress and self._on_progress and inspect.isawaitable(awaitable := called(self._on_progress, progress)):
            with suppress(RuntimeError):  # on trio, which has no aiohttp
                if beside:
                    self._telling = asyncio.ensure_future(awaitable, loop=asyncio.get_running_loop())
                    return
            try:
                await awaitable
            except StopAsyncIteration as error:
                raise no_end(error) from error

    @contextmanager
    def _noting_what_is_raised(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self._raised, self._traceback = error, error.__traceback__
            raise


def escape(name: str) -> str:
    """Return `name` as it stands between the quotes of a form's `name` or `filename` parameter."""
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
