"""What should be in a page's file input, what is there, and what was there before. No browser here."""

from __future__ import annotations

import re
import sys
import warnings
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Union

from attrs import Factory, field, frozen

from anchor_uploads import AttachError

if TYPE_CHECKING:
    from anchor_uploads import UploadedFile

Attachable = Union["UploadedFile", "RemoteFile"]

_REMEMBERED = 1000
_attached: OrderedDict[tuple[str, str], float] = OrderedDict()
_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\]")


def _last_part(remote: RemoteFile) -> str:
    separators = r"[\\/]" if _WINDOWS_PATH.match(remote.path) else "/"
    return re.split(separators, remote.path)[-1]


@frozen
class RemoteFile:
    """A file that lies on the browser's machine, however it came there.

    Attributes:
        path: Absolute, as that machine writes it (POSIX, or Windows with a drive or a server).
        size: Bytes.
        name: What the page must see; by default the last part of the path.
        sha256: Hexadecimal; compared if the page can compute it.
        content_type: Counts for the input's `accept` beside the type that the browser gives the file.

    Example:
        >>> from anchor_uploads.cdp import RemoteFile
        >>> RemoteFile("/uploads/report.pdf", 5).name
        'report.pdf'
    """

    path: str
    size: int
    name: str = field(default=Factory(_last_part, takes_self=True), kw_only=True)
    sha256: str | None = field(default=None, kw_only=True)
    content_type: str | None = field(default=None, kw_only=True)


@frozen
class AttachedFile:
    """A file as the page's browser has it.

    Attributes:
        name: As the page sees it.
        size: Bytes.
        sha256: Of the content that the page would read, in hexadecimal; None if it was not computed.
        problem: Why the browser cannot read the file, in its own words; None if it can.
    """

    name: str
    size: int
    sha256: str | None = None
    problem: str | None = None


class AttachedFileReplaced(UserWarning):
    """A file was uploaded again under the path of one that had been attached to a page before.

    A page that still holds the earlier one can no longer read it: the browser refuses a file that has changed since it
    was chosen (`NotReadableError`, File API §5).
    """


def remote_files(files: Sequence[Attachable]) -> tuple[RemoteFile, ...]:
    """Return what the page should have. Raises `AttachError` for what the browser could not find."""
    if not files:
        raise AttachError("no file was given to attach; pass what upload_file returned, or a RemoteFile")
    return tuple(map(_remote_file, files))


def _remote_file(file: Attachable) -> RemoteFile:
    remote = file if isinstance(file, RemoteFile) else _of_upload(file)
    if not (remote.path.startswith("/") or _WINDOWS_PATH.match(remote.path)):
        raise AttachError(
            f"{remote.path!r} is not an absolute path, and the browser would make an empty file of it; "
            "give the whole path on the browser's machine"
        )
    if not _last_part(remote) or "\0" in remote.path:
        raise AttachError(f"{remote.path!r} does not name a file; give the whole path on the browser's machine")
    return remote


def _of_upload(file: UploadedFile) -> RemoteFile:
    from anchor_uploads import UploadedFile

    if not isinstance(file, UploadedFile):
        raise AttachError(
            f"cannot attach a {type(file).__name__}: pass what upload_file returned, or RemoteFile(path, size) "
            "for a file that is on the browser's machine"
        )
    if file.path is None:
        raise AttachError(
            f"the service did not say where it put {file.name!r}, but {file.message!r}; if you know the path, "
            f"pass RemoteFile(path, {file.size})"
        )
    return RemoteFile(file.path, file.size, name=file.name, sha256=file.sha256, content_type=file.content_type)


def warn_of_replaced(files: Sequence[Attachable], modified: Sequence[float]) -> None:
    """Take note of what is attached now, and warn (`AttachedFileReplaced`) where it took the place of another file.

    modified: when each file was last written, by the browser's account.
    """
    # The path alone says too little: every session may have its own /uploads/report.pdf.
    now = {
        (file.session_id, str(file.path)): moment
        for file, moment in zip(files, modified, strict=True)
        if not isinstance(file, RemoteFile)
    }
    replaced = [place for place, moment in now.items() if _attached.pop(place, moment) != moment]
    _attached.update(now)
    while len(_attached) > _REMEMBERED:
        _attached.popitem(last=False)
    for _session_id, path in replaced:
        warnings.warn(
            f"{path!r} was uploaded again after it had been attached; a page that still holds the earlier file cannot "
            "read it any more. Upload under another name (filename=), or attach again there",
            AttachedFileReplaced,
            stacklevel=_level_of_caller(),
        )


def _level_of_caller() -> int:
    """Return the `stacklevel` of whoever called this package, for a warning by the function that asks."""
    level, frame = 0, sys._getframe()
    while frame.f_back is not None and frame.f_globals["__name__"].startswith("anchor_uploads."):
        level, frame = level + 1, frame.f_back
    return level
