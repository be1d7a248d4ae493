"""A streaming upload, turned into one file on disk, or into nothing at all."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import logging
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread

from anchor_uploads.local.disk.removal import move, remove_file
from anchor_uploads.local.disk.upload_form import UploadForm, UploadRejected, too_large
from anchor_uploads.local.records import ReceivedUpload

__all__ = ["StoredNames", "UploadNotStored", "receive_upload"]

_logger = logging.getLogger("anchor_uploads.local")

_BLOCK_SIZE = 1024 * 1024
_FORM_ALLOWANCE = 1024 * 1024
"""How many bytes a request may be longer than its file: headers and other fields."""
_LONGEST = 259 if os.name == "nt" else None
"""Characters of a path, where nobody has allowed longer ones."""


class UploadNotStored(RuntimeError):
    """The file could not be written; the message names it and says why."""


async def receive_upload(
    chunks: AsyncIterator[bytes],
    *,
    content_type: str,
    content_length: int | None,
    directory: Path,
    unfinished: Path,
    names: StoredNames,
    max_bytes: int | None,
) -> ReceivedUpload:
    """Store the file of a `multipart/form-data` request in `directory`.

    `chunks` is the request's body; at most about 3 MiB of it are in memory at any time. The part
    must be named `file` and have a file name. Other parts are ignored. The file appears under its
    name only once the closing boundary and the end of the body were seen, and then replaces a
    file of the same name in one step. Until then it is in the directory `unfinished`, into which
    no name leads that a client can give. `names` are those of all that came into `directory`.
    `max_bytes` is the largest file allowed (None: any).

    Raises `UploadRejected` or `UploadNotStored`, and lets what `chunks` raises through. Whatever
    is raised, and when cancelled, nothing is left in either.
    """
    longest = None if max_bytes is None else max_bytes + _FORM_ALLOWANCE
    if longest is not None and content_length is not None and content_length > longest:
        raise too_large(max_bytes)
    form = UploadForm(content_type, max_bytes)
    partial = _PartialFile(unfinished / f"{uuid.uuid4().hex}.part", names)
    received = 0
    writing: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    writing.set_result(None)
    try:
        async for chunk in chunks:
            received += len(chunk)
            if longest is not None and received > longest:
                raise too_large(max_bytes)
            form.feed(chunk)
            if len(form.pending) >= _BLOCK_SIZE:
                # It is written while the next one is received.
                await writing
                writing = asyncio.ensure_future(to_thread.run_sync(partial.write, form.take()))
        name = form.finish()
        await writing
        await to_thread.run_sync(partial.write, form.take())
        return await to_thread.run_sync(partial.publish, directory / name, form.content_type)
    except OSError as error:
        name = form.name or "the file"
        reason = error.strerror or type(error).__name__
        raise UploadNotStored(f"could not save {name} in {directory}: {reason}") from error
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(partial.discard)
            await asyncio.gather(writing, return_exceptions=True)


class StoredNames:
    """The names by which the files of a directory came, for file systems that take several names for one.

    Real sessions have names that differ in case only, or in normal form, beside each other. `arrived` is told of each
    file, in the order in which they came. Its methods block.
    """

    def __init__(self, arrived: Callable[[ReceivedUpload], None]) -> None:
        self._arrived = arrived
        self._of_files: dict[int, str] = {}
        self._lock = threading.Lock()

    def put(self, path: Path, upload: ReceivedUpload) -> None:
        """Move a file to where it belongs. Raises `OSError`, or `UploadRejected` if that is another's place or none."""
        target = upload.path
        with self._lock:
            if (other := self._in_place_of(target)) != target.name:
                raise UploadRejected(
                    f"to the file system of this server {target.name!r} is {other!r}, which it would replace; give one "
                    "of them another name"
                )
            try:
                move(path, target)
            except OSError as error:
                # Windows says of such a path only that it is not there.
                if error.errno == errno.ENAMETOOLONG or (_LONGEST and len(str(target)) > _LONGEST):
                    raise UploadRejected(
                        f"its path would have {len(str(target))} characters, more than this server's system allows: "
                        "give the file a shorter name, or the server a directory with a shorter one"
                    ) from error
                raise
            # Somebody may have taken it away by now, but it was saved.
            with suppress(OSError):
                self._of_files[target.stat().st_ino] = target.name
            # Before the next file can take its place, or that would be told of first.
            self._arrived(upload)

    def _in_place_of(self, target: Path) -> str:
        """Return the name by which the file came that is at `target`: its own, but for such file systems."""
        try:
            name = self._of_files.get(target.stat().st_ino, target.name)
            # The number may be that of a file that is gone.
            return name if target.with_name(name).samefile(target) else target.name
        except OSError:
            return target.name


class _PartialFile:
    """A file under a temporary name, and what is known of it so far. Its methods block; any thread may call them."""

    def __init__(self, path: Path, names: StoredNames) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._names = names
        self._path = path
        self._file: BinaryIO | None = None
        self._discarded = False
        # A cancelled upload discards the file while a write may still be under way.
        self._lock = threading.Lock()

    def write(self, data: bytearray) -> None:
        with self._lock:
            if self._discarded:
                return
            if self._file is None:
                self._file = self._path.open("xb")
            self._file.write(data)
            self.size += len(data)
            self.sha256.update(data)

    def publish(self, target: Path, content_type: str | None) -> ReceivedUpload:
        with self._lock:
            if self._file is None or self._discarded:
                raise FileNotFoundError(2, "the upload was given up", str(target))
            self._file.close()
            upload = ReceivedUpload(target.name, self.size, content_type, self.sha256.hexdigest(), target)
            self._names.put(self._path, upload)
            self._file = None
        return upload

    def discard(self) -> None:
        with self._lock:
            self._discarded = True
            if self._file is None:
                return
            # Its last bytes may not fit on the disk; they are not wanted either.
            with suppress(OSError):
                self._file.close()
            self._file = None
            try:
                remove_file(self._path)
            except OSError as error:
                # The session's end removes it; what became of the upload is decided by now.
                _logger.warning("could not remove %s: %s", self._path, error)
