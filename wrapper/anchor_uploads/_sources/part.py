"""What a caller handed in as a file: what is to be read, and what to send as its name and type. Nothing is open yet."""

from __future__ import annotations

import inspect
import io
import os
import stat
from collections.abc import AsyncIterable, Iterable
from typing import Any, Protocol

from attrs import frozen

from anchor_uploads._sources.media_types import check_media_type, is_media_type, media_type_of
from anchor_uploads._sources.names import (
    attribute_of,
    check_name,
    is_url,
    own_name,
    without_secrets,
    without_urls_secrets,
)
from anchor_uploads._sources.source import Waits, status_of
from anchor_uploads.errors import InvalidArgument, SourceError


class BinaryReader(Protocol):
    """Anything that hands out bytes: `read(n)` returns some, at most n, and none at the end."""

    def read(self, size: int = ..., /) -> bytes: ...


class AsyncBinaryReader(Protocol):
    """The same, to be awaited: a file of aiofiles or anyio, or a part that aiohttp receives."""

    async def read(self, size: int = ..., /) -> bytes: ...


class FrameworkUpload(Protocol):
    """An upload as Starlette, FastAPI, Litestar and aiohttp hand it to who serves it."""

    @property
    def file(self) -> Any: ...
    @property
    def filename(self) -> str | None: ...


Content = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryReader | FrameworkUpload | Iterable[bytes]
FileInput = Content | tuple[str | None, Content] | tuple[str | None, Content, str | None]
AsyncContent = Content | AsyncBinaryReader | AsyncIterable[bytes]
AsyncFileInput = AsyncContent | tuple[str | None, AsyncContent] | tuple[str | None, AsyncContent, str | None]


_OPEN_FILES = (io.FileIO, io.BufferedReader, io.BufferedRandom)
"""What `open(…, "rb")` returns: of these alone it is known that asking for their descriptor changes nothing."""
_WRAPPED = 3
"""How many wrappers a file may be in: that of a framework around that of `tempfile`, and one more."""


@frozen
class Part:
    """One file to be, as one part of a form.

    content: what is read. own_name, own_type: what it brings along, None if nothing. filename, content_type: what the
    caller wants to be sent instead.
    """

    content: Any
    own_name: str | None
    own_type: str | None
    filename: str | None
    content_type: str | None

    @classmethod
    def of(cls, file: Any, filename: str | None = None, content_type: str | None = None) -> Part:
        """Take apart what was handed in. Raises `InvalidArgument` for a name or type that is no text."""
        while isinstance(file, tuple) and len(file) in (2, 3) and isinstance(file[0], (str, type(None))):
            # As the official SDK and httpx take them.
            name, file, kind = (*file, None)[:3]
            filename, content_type = (
                name if filename is None else filename,
                kind if content_type is None else content_type,
            )
        for argument, text in (("filename", filename), ("content_type", content_type)):
            if not isinstance(text, (str, type(None))):
                raise InvalidArgument(f"{argument} must be text or None, not {text!r}")
        content = file
        if _can_be_read(inner := attribute_of(file, "file")) and not _can_be_read(file):
            # What the framework has to await is a file that need not be awaited.
            content = inner
        return cls(content, own_name(file), _own_type(file), filename, content_type)

    @property
    def name(self) -> str | None:
        """The name to send, None if there is none."""
        return self.own_name if self.filename is None else self.filename

    @property
    def label(self) -> str:
        """How to speak of it in an error."""
        if is_url(self.content):
            return repr(without_secrets(self.content))
        if isinstance(self.content, (str, os.PathLike)):
            return repr(os.fsdecode(self.content))
        if self.name:
            return without_urls_secrets(repr(self.name))
        return f"the {type(self.content).__name__} that was passed as a file"

    def checked(self, *, remedy: str = "pass filename=") -> tuple[str, str]:
        """Return the name and the type to send. Raises `SourceError` if one cannot be sent; `remedy` gives another."""
        name = check_name(self.name, label=self.label, remedy=remedy)
        if self.content_type is not None:
            return name, check_media_type(self.content_type, label=self.label)
        return name, self.own_type or media_type_of(name)

    @property
    def asynchronous(self) -> bool:
        """Whether it can be read only by awaiting it."""
        read = getattr(self.content, "read", None)
        return inspect.iscoroutinefunction(read) or (isinstance(self.content, AsyncIterable) and not callable(read))

    @property
    def waits(self) -> Waits:
        """What opening and reading it waits for."""
        content = self.content
        if isinstance(content, (bytes, bytearray, memoryview, io.BytesIO)):
            return Waits.NEVER
        status: os.stat_result | None = None
        if isinstance(content, (str, os.PathLike)) and not is_url(content):
            try:
                status = os.stat(content)
            except (OSError, ValueError):
                # Opening it fails at once, and says why.
                return Waits.BRIEFLY
        elif file := open_file(content):
            status = status_of(file)
        at_once = stat.S_ISREG(status.st_mode) if status else isinstance(content, (list, tuple))
        return Waits.BRIEFLY if at_once else Waits.LONG


def open_file(content: Any) -> Any:
    """Return the open file that `content` is, or whose reading it passes on; None if it is not known to be one."""
    for _ in range(_WRAPPED):
        if isinstance(content, _OPEN_FILES):
            return content
        read, content = attribute_of(content, "read"), attribute_of(content, "file")
        # That of `tempfile` wraps each method, so that the file lives as long as one does.
        if read is None or attribute_of(content, "read") not in (read, attribute_of(read, "__wrapped__")):
            return None
    return None


def refuse_one_name(parts: Iterable[Part]) -> None:
    """Raise `SourceError` if two of `parts` have the same name: a session keeps one file of a name."""
    seen: dict[str, tuple[int, str]] = {}
    for index, part in enumerate(parts):
        if part.name is None:
            continue
        first, label = seen.setdefault(part.name, (index, part.label))
        if first != index:
            raise one_name(part.name, first, index, "" if label == part.label else f" ({label} and {part.label})")


def one_name(name: str, first: int, second: int, labels: str = "") -> SourceError:
    """Return the error for two files of one name, which are the `first` and the `second`, from 0 on."""
    return SourceError(
        f"files {first + 1} and {second + 1}{labels} are both called {name!r}, and the session would keep only one of "
        "them; pass one as (filename, file)"
    )


def _can_be_read(file: object) -> bool:
    read = attribute_of(file, "read")
    return callable(read) and not inspect.iscoroutinefunction(read)


def _own_type(file: object) -> str | None:
    """Return the media type that an upload of a web framework says that it has."""
    own = attribute_of(file, "content_type")
    if own is None and (headers := attribute_of(file, "headers")):
        own = headers.get("Content-Type") if hasattr(headers, "get") else None
    return own if is_media_type(own) else None
