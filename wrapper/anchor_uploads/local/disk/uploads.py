"""A streaming multipart request, turned into one file on disk, or into nothing at all."""

from __future__ import annotations

import errno
import hashlib
import logging
import os
import re
import threading
import unicodedata
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from anyio import CancelScope, to_thread
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from anchor_uploads.local.disk.removal import move, remove_file
from anchor_uploads.local.records import ReceivedUpload

__all__ = ["PARTIAL_PREFIX", "StoredNames", "UploadNotStored", "UploadRejected", "receive_upload"]

_logger = logging.getLogger("anchor_uploads.local")

PARTIAL_PREFIX = ".anchor-upload-"
"""Names of files that are still being written begin with this."""

_BLOCK_SIZE = 1024 * 1024
_FORM_ALLOWANCE = 1024 * 1024
"""How many bytes a request may be longer than its file: headers and other fields."""
_MAX_HEADER_BYTES = 16 * 1024
_LONGEST = 259 if os.name == "nt" else None
"""Characters of a path, where nobody has allowed longer ones."""


class UploadRejected(ValueError):
    """The request is at fault; the message says how."""


class UploadNotStored(RuntimeError):
    """The file could not be written; the message names it and says why."""


async def receive_upload(
    chunks: AsyncIterator[bytes],
    *,
    content_type: str,
    content_length: int | None,
    directory: Path,
    names: StoredNames,
    max_bytes: int | None,
) -> ReceivedUpload:
    """Store the file of a `multipart/form-data` request in `directory`.

    `chunks` is the request's body; at most about 2 MiB of it are in memory at any time. The part
    must be named `file` and have a file name. Other parts are ignored. The file appears under its
    name only once the closing boundary and the end of the body were seen, and then replaces a
    file of the same name in one step. `names` are those of all that came into the directory.
    `max_bytes` is the largest file allowed (None: any).

    Raises `UploadRejected` or `UploadNotStored`, and lets what `chunks` raises through. Whatever
    is raised, and when cancelled, nothing is left in `directory`.
    """
    longest = None if max_bytes is None else max_bytes + _FORM_ALLOWANCE
    if longest is not None and content_length is not None and content_length > longest:
        raise _too_large(max_bytes)
    form = _UploadForm(_boundary(content_type), max_bytes)
    partial = _PartialFile(directory, names)
    received = 0
    try:
        async for chunk in chunks:
            received += len(chunk)
            if longest is not None and received > longest:
                raise _too_large(max_bytes)
            form.feed(chunk)
            if len(form.pending) >= _BLOCK_SIZE:
                await to_thread.run_sync(partial.write, form.take())
        name = form.finish()
        await to_thread.run_sync(partial.write, form.take())
        path = await to_thread.run_sync(partial.publish, name)
        return ReceivedUpload(name, partial.size, form.content_type, partial.sha256.hexdigest(), path)
    except OSError as error:
        name = form.name or "the file"
        reason = error.strerror or type(error).__name__
        raise UploadNotStored(f"could not save {name} in {directory}: {reason}") from error
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(partial.discard)


class StoredNames:
    """The names by which the files of a directory came, for file systems that take several names for one.

    Real sessions have names that differ in case only, or in normal form, beside each other. Its methods block.
    """

    def __init__(self) -> None:
        self._of_files: dict[int, str] = {}
        self._lock = threading.Lock()

    def put(self, path: Path, target: Path) -> None:
        """Move a file to where it belongs. Raises `OSError`, or `UploadRejected` if that is another's place or none."""
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

    def _in_place_of(self, target: Path) -> str:
        """Return the name by which the file came that is at `target`: its own, but for such file systems."""
        try:
            name = self._of_files.get(target.stat().st_ino, target.name)
            # The number may be that of a file that is gone.
            return name if target.with_name(name).samefile(target) else target.name
        except OSError:
            return target.name


class _UploadForm:
    """Takes the bytes of a form in, and gives those of the part named `file` out."""

    def __init__(self, boundary: bytes, max_bytes: int | None) -> None:
        self.name: str | None = None
        self.content_type: str | None = None
        self.pending = bytearray()
        self._max_bytes = max_bytes
        self._size = 0
        self._in_file = False
        self._closed = False
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._disposition: bytes | None = None
        self._content_type: bytes | None = None
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._on_part_begin,
                    "on_header_begin": self._on_header_begin,
                    "on_header_field": self._on_header_field,
                    "on_header_value": self._on_header_value,
                    "on_header_end": self._on_header_end,
                    "on_headers_finished": self._on_headers_finished,
                    "on_part_data": self._on_part_data,
                    "on_part_end": self._on_part_end,
                    "on_end": self._on_end,
                },
            )
        except FormParserError as error:
            raise UploadRejected(f"not a valid multipart form: {error}") from error

    def feed(self, chunk: bytes) -> None:
        if not chunk or self._closed:
            return  # RFC 2046 allows an epilogue, which means nothing.
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise UploadRejected(f"not a valid multipart form: {error}") from error

    def take(self) -> bytearray:
        taken, self.pending = self.pending, bytearray()
        return taken

    def finish(self) -> str:
        """Return the file's name, once the whole form has been fed."""
        if not self._closed:
            raise UploadRejected("the form broke off before its closing boundary")
        if self.name is None:
            raise UploadRejected("no file uploaded: the form has no part named 'file'")
        return self.name

    def _on_part_begin(self) -> None:
        self._disposition = None
        self._content_type = None

    def _on_header_begin(self) -> None:
        self._header_name.clear()
        self._header_value.clear()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._collect(self._header_name, data[start:end])

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._collect(self._header_value, data[start:end])

    def _collect(self, header: bytearray, data: bytes) -> None:
        header += data
        if len(header) > _MAX_HEADER_BYTES:
            raise UploadRejected(f"a header of the form is longer than {_MAX_HEADER_BYTES} bytes")

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._disposition = bytes(self._header_value)
        elif self._header_name.lower() == b"content-type":
            self._content_type = bytes(self._header_value)

    def _on_headers_finished(self) -> None:
        if self._disposition is None:
            raise UploadRejected("a part of the form has no Content-Disposition")
        parameters = _disposition_parameters(self._disposition)
        if parameters.get(b"name") != b"file":
            return
        if self.name is not None:
            raise UploadRejected("more than one part named 'file': upload one file per request")
        if b"filename" not in parameters:
            raise UploadRejected("no file uploaded: the part named 'file' has no file name")
        self.name = _safe_name(parameters[b"filename"])
        if self._content_type is not None:
            self.content_type = self._content_type.decode("latin-1").strip()
        self._in_file = True

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        if not self._in_file:
            return
        self._size += end - start
        if self._max_bytes is not None and self._size > self._max_bytes:
            raise _too_large(self._max_bytes)
        self.pending += memoryview(data)[start:end]

    def _on_part_end(self) -> None:
        self._in_file = False

    def _on_end(self) -> None:
        self._closed = True


class _PartialFile:
    """A file under a temporary name, and what is known of it so far. Its methods block; any thread may call them."""

    def __init__(self, directory: Path, names: StoredNames) -> None:
        self.size = 0
        self.sha256 = hashlib.sha256()
        self._directory = directory
        self._names = names
        self._path = directory / f"{PARTIAL_PREFIX}{uuid.uuid4().hex}.part"
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

    def publish(self, name: str) -> Path:
        target = self._directory / name
        with self._lock:
            if self._file is None or self._discarded:
                raise FileNotFoundError(2, "the upload was given up", str(target))
            self._file.close()
            self._names.put(self._path, target)
            self._file = None
        return target

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


def _too_large(max_bytes: int | None) -> UploadRejected:
    return UploadRejected(f"file too large: at most {max_bytes} bytes are allowed")


def _boundary(content_type: str) -> bytes:
    media_type, parameters = parse_options_header(content_type)
    if media_type != b"multipart/form-data":
        raise UploadRejected("no file uploaded: the request is not multipart/form-data")
    boundary = parameters.get(b"boundary")
    if not boundary:
        raise UploadRejected("not a valid multipart form: its Content-Type names no boundary")
    return boundary


# Not parse_options_header: it keeps only what follows the last backslash of a file name, and so
# would accept names that this server must refuse.
_PARAMETER = re.compile(
    rb"""\s*;\s*([!#$%&'*+.^_`|~0-9A-Za-z-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";\s]*))""", re.DOTALL
)


def _disposition_parameters(header: bytes) -> dict[bytes, bytes]:
    kind, semicolon, rest = header.partition(b";")
    parameters: dict[bytes, bytes] = {}
    text = semicolon + rest.rstrip()
    position = 0
    while position < len(text):
        found = _PARAMETER.match(text, position)
        if found is None or found[1].lower() in parameters:
            raise UploadRejected("the Content-Disposition of a part cannot be read")
        quoted, plain = found[2], found[3]
        value = plain if quoted is None else re.sub(rb'\\(["\\])', rb"\1", quoted)
        parameters[found[1].lower()] = value
        position = found.end()
    if kind.strip().lower() != b"form-data" or b"name" not in parameters:
        raise UploadRejected("the Content-Disposition of a part is not that of a form's field")
    return parameters


def _safe_name(raw: bytes) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise UploadRejected("the file name is not valid UTF-8") from None
    # What HTML forms escape, and nothing else: a percent sign of the name's own stays.
    for escaped, character in (("%22", '"'), ("%0D", "\r"), ("%0A", "\n")):
        name = name.replace(escaped, character)
    if not name:
        raise UploadRejected("no file uploaded: the file name is empty")
    if name in (".", "..") or "/" in name or "\\" in name:
        raise UploadRejected("the file name must be a plain name, without a directory")
    if any(unicodedata.category(character) == "Cc" for character in name):
        raise UploadRejected("the file name contains control characters")
    if len(name.encode("utf-8")) > 255:
        raise UploadRejected("the file name is longer than 255 bytes")
    if os.name == "nt" and impossible_on_windows(name):
        raise UploadRejected("Windows cannot store a file of this name")
    return name


# Superscripts count as digits there, and what follows a dot, or spaces before it, does not count.
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³]) *(\..*)?", re.IGNORECASE)


def impossible_on_windows(name: str) -> bool:
    """Tell whether Windows has no such file names, or means a device by it."""
    # A colon would even write into another file's alternate stream.
    return _DEVICE.fullmatch(name) is not None or any(c in '<>:"|?*' for c in name) or name[-1] in " ."
