"""What should be in a page's file input, what is there, and whether the two agree. No browser here."""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Union

from attrs import Factory, field, frozen

from anchor_uploads import AttachError

if TYPE_CHECKING:
    from anchor_uploads import UploadedFile

Attachable = Union["UploadedFile", "RemoteFile"]

_WINDOWS_PATH = re.compile(r"[A-Za-z]:[\\/]|\\\\[^\\]")
_MARKUP_LIMIT = 120
_REMEMBERED = 1000
_attached: OrderedDict[tuple[str, str], float] = OrderedDict()


def _last_part(remote: RemoteFile) -> str:
    separators = r"[\\/]" if _WINDOWS_PATH.match(remote.path) else "/"
    return re.split(separators, remote.path)[-1]


@frozen
class RemoteFile:
    """A file that lies on the browser's machine, however it came there.

    path: absolute, as that machine writes it (POSIX, or Windows with a drive or a server). size: bytes.
    name: what the page must see; by default the last part of the path.
    sha256: hexadecimal; compared if the page can compute it. content_type: counts for the input's `accept` beside the
    type that the browser gives the file.
    """

    path: str
    size: int
    name: str = field(default=Factory(_last_part, takes_self=True), kw_only=True)
    sha256: str | None = field(default=None, kw_only=True)
    content_type: str | None = field(default=None, kw_only=True)


@frozen
class AttachedFile:
    """A file as the page's browser has it. size: bytes.

    sha256: hexadecimal, of the content that the page would read; None if it was not computed. problem: why the browser
    cannot read the file, in its own words, or None.
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


def markup(facts: Mapping[str, Any]) -> str:
    """Return the tag of an element as a person would look for it."""
    attributes = "".join(f' {name}="{value}"' for name, value in facts["attributes"])
    tag = f"<{facts['tag']}{attributes}>"
    return tag if len(tag) <= _MARKUP_LIMIT else f"{tag[:_MARKUP_LIMIT]}…>"


def check_input(facts: Mapping[str, Any], count: int, *, detached_ok: bool) -> None:
    """Raise `AttachError` unless a person could choose `count` files with this element (HTML §4.10.5.1.17)."""
    what = markup(facts)
    if not facts["file"]:
        raise AttachError(
            f"{what} is not an <input type=file>; find that one, or, if a button opens a file dialog, "
            "pass the FileChooser of page.expect_file_chooser()"
        )
    if facts["disabled"]:
        raise AttachError(f"{what} is disabled, by itself or by its <fieldset>; do first what enables it")
    if not (facts["connected"] or detached_ok):
        raise AttachError(f"{what} is no longer in the page; find it again, the page may have replaced it")
    if facts["directory"]:
        raise AttachError(f"{what} takes a directory and not files; use another input")
    if count > 1 and not facts["multiple"]:
        raise AttachError(f"{what} takes one file, not {count}, and would drop the others; attach one")


def check_accept(facts: Mapping[str, Any], wanted: Sequence[RemoteFile], types: Sequence[str]) -> None:
    """Raise `AttachError` unless the input's `accept` allows every file; `types` are what the browser says of them.

    As in HTML §4.10.5.1.17: a list of extensions, media types and `audio/*`, `video/*`, `image/*`, in any case;
    what is neither is ignored.
    """
    tokens = [token.strip().lower() for token in facts["accept"].split(",")]
    tokens = [token for token in tokens if token.startswith(".") or "/" in token]
    if not tokens or "*/*" in tokens:
        return
    for file, seen in zip(wanted, types, strict=True):
        declared = (file.content_type or "").partition(";")[0].strip()
        kinds = {kind.lower() for kind in (seen, declared) if kind}
        if not any(_allows(token, file.name.lower(), kinds) for token in tokens):
            raise AttachError(
                f"{markup(facts)} accepts {facts['accept']!r}, but {file.name!r} is {seen or 'of no type it knows'}; "
                "attach another file, or pass ignore_accept=True if the page takes it all the same"
            )


def _allows(token: str, name: str, kinds: set[str]) -> bool:
    if token.startswith("."):
        return name.endswith(token)
    if token.endswith("/*"):
        return any(kind.startswith(token[:-1]) for kind in kinds)
    return token in kinds


def compare(facts: Mapping[str, Any], wanted: Sequence[RemoteFile], found: Sequence[AttachedFile], state: str) -> None:
    """Raise `AttachError` with what was expected and found unless they agree; `state` says what the input has now."""
    problems = [
        problem for file, seen in zip(wanted, found, strict=False) if (problem := _difference(file, seen)) is not None
    ]
    if len(wanted) != len(found):
        problems.insert(0, f"{len(wanted)} expected, {len(found)} found")
    if problems:
        raise AttachError(
            f"{markup(facts)} cannot get the right files: {'; '.join(problems)}. {state} "
            "Check that they are complete on the browser's machine, or upload them again",
            expected=tuple(wanted),
            found=tuple(found),
        )


def _difference(wanted: RemoteFile, found: AttachedFile) -> str | None:
    what = f"{wanted.path!r} should be {wanted.name!r} of {wanted.size} bytes"
    # macOS may spell the letters of a name in another way than they were sent.
    same_name = unicodedata.normalize("NFC", wanted.name) == unicodedata.normalize("NFC", found.name)
    if found.problem is not None:
        return f"{what}, but no file that the browser can read is there ({found.problem})"
    if not same_name or wanted.size != found.size:
        return f"{what}, but the browser found {found.name!r} of {found.size} bytes"
    if wanted.sha256 and found.sha256 and wanted.sha256.lower() != found.sha256:
        return f"{what} with the SHA-256 {wanted.sha256}, but its content has {found.sha256}"
    return None


def warn_of_replaced(files: Sequence[Attachable], modified: Sequence[float], *, stacklevel: int) -> None:
    """Take note of what is attached now, and warn (`AttachedFileReplaced`) where it took the place of another file.

    modified: when each file was last written, by the browser's account. stacklevel: that of `warnings.warn`, seen from
    the caller.
    """
    replaced = []
    for file, moment in zip(files, modified, strict=True):
        # The path alone says too little: every session may have its own /uploads/report.pdf.
        if isinstance(file, RemoteFile) or file.path is None:
            continue
        place = (file.session_id, file.path)
        if _attached.get(place, moment) != moment:
            replaced.append(file.path)
        _attached[place] = moment
        _attached.move_to_end(place)
    while len(_attached) > _REMEMBERED:
        _attached.popitem(last=False)
    for path in replaced:
        warnings.warn(
            f"{path!r} was uploaded again after it had been attached; a page that still holds the earlier file cannot "
            "read it any more. Upload under another name (filename=), or attach again there",
            AttachedFileReplaced,
            stacklevel=stacklevel + 1,
        )
