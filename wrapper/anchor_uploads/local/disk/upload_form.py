"""The form of an upload, taken in as it comes: the name and the bytes of its file, or why it is refused."""

from __future__ import annotations

import os
import re
import unicodedata

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

__all__ = ["UploadForm", "UploadRejected", "impossible_on_windows", "too_large"]

_MAX_HEADER_BYTES = 16 * 1024


class UploadRejected(ValueError):
    """The request is at fault; the message says how."""


class UploadForm:
    """Takes the bytes of a form in, and gives those of the part named `file` out."""

    def __init__(self, content_type: str, max_bytes: int | None) -> None:
        self.name: str | None = None
        self.content_type: str | None = None
        self.pending: bytearray = bytearray()
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
                _boundary(content_type),
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
            raise too_large(self._max_bytes)
        self.pending += memoryview(data)[start:end]

    def _on_part_end(self) -> None:
        self._in_file = False

    def _on_end(self) -> None:
        self._closed = True


def too_large(max_bytes: int | None) -> UploadRejected:
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
