"""Whether a page's file input can take the files, and whether it has them; `facts` are what page.js tells of it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from anchor_uploads import AttachError
from anchor_uploads._attach.expected import AttachedFile, RemoteFile

Facts = Mapping[str, Any]

# What pages write into `accept`, or services declare, for types that browsers know by another name.
_SAME = {
    name: names[0]
    for names in (
        ("application/gzip", "application/x-gzip"),
        ("application/pdf", "application/x-pdf"),
        ("application/rtf", "text/rtf"),
        ("application/xml", "text/xml"),
        ("application/zip", "application/x-zip-compressed", "application/x-zip"),
        ("audio/flac", "audio/x-flac"),
        ("audio/mp4", "audio/m4a", "audio/x-m4a"),
        ("audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"),
        ("audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave"),
        ("image/bmp", "image/x-bmp", "image/x-ms-bmp"),
        ("image/jpeg", "image/jpg", "image/pjpeg"),
        ("image/png", "image/x-png"),
        ("image/svg+xml", "image/svg"),
        ("image/tiff", "image/tif"),
        ("image/vnd.microsoft.icon", "image/x-icon", "image/ico"),
        ("text/csv", "application/csv", "text/x-csv"),
        ("text/javascript", "application/javascript", "application/x-javascript"),
        ("video/mp4", "video/x-mp4"),
        ("video/x-msvideo", "video/avi", "video/msvideo"),
    )
    for name in names
}
# Tokens of RFC 9110 §5.6.2; so a type with parameters is none.
_EXTENSION_OR_TYPE = re.compile(r"\..+|[\w!#$%&'*+.^`|~-]+/[\w!#$%&'*+.^`|~-]+", re.ASCII)


def check_input(facts: Facts, count: int, *, detached_ok: bool) -> None:
    """Raise `AttachError` unless a person could choose `count` files with this element (HTML §4.10.5.1.17)."""
    what = facts["markup"]
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


def check_accept(facts: Facts, wanted: Sequence[RemoteFile], types: Sequence[str]) -> None:
    """Raise `AttachError` unless the input's `accept` allows every file; `types` are what the browser says of them.

    As in HTML §4.10.5.1.17: a list of extensions, media types without parameters, and `audio/*`, `video/*`, `image/*`,
    in any case; what is none of these is ignored. Of a type that has several names each stands for all, as `image/jpg`
    for `image/jpeg`.
    """
    tokens = [token.strip().lower() for token in facts["accept"].split(",")]
    tokens = [token for token in tokens if _EXTENSION_OR_TYPE.fullmatch(token)]
    if not tokens or "*/*" in tokens:
        return
    for file, seen in zip(wanted, types, strict=True):
        declared = (file.content_type or "").partition(";")[0].strip()
        kinds = {kind.lower() for kind in (seen, declared) if kind}
        if not any(_allows(token, file.name.lower(), kinds) for token in tokens):
            raise AttachError(
                f"{facts['markup']} accepts {facts['accept']!r}, but {file.name!r} is {seen or 'of no type it knows'}; "
                "attach another file, or pass ignore_accept=True if the page takes it all the same"
            )


def _allows(token: str, name: str, kinds: set[str]) -> bool:
    if token.startswith("."):
        return name.endswith(token)
    if token.endswith("/*"):
        return any(kind.startswith(token[:-1]) for kind in kinds)
    return _SAME.get(token, token) in {_SAME.get(kind, kind) for kind in kinds}


def compare(
    facts: Facts, wanted: Sequence[RemoteFile], seen: Sequence[Mapping[str, Any]], state: str, *, changed: bool = False
) -> tuple[AttachedFile, ...]:
    """Return what the browser has. Raises `AttachError` with what was expected and found unless they agree.

    seen: the files as page.js tells of them. state: what the input has now. changed: they are known not to agree.
    """
    found = tuple(AttachedFile(it["name"], it["size"], it.get("sha256"), it.get("problem")) for it in seen)
    problems = [f"{len(wanted)} expected, {len(found)} found"] if len(wanted) != len(found) else []
    problems += filter(None, map(_difference, wanted, found))
    if changed and not problems:
        problems.append("they changed on the browser's machine while they were attached")
    if problems:
        raise AttachError(
            f"{facts['markup']} cannot get the right files: {'; '.join(problems)}. {state} "
            "Check that they are complete on the browser's machine, or upload them again",
            expected=tuple(wanted),
            found=found,
        )
    return found


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
