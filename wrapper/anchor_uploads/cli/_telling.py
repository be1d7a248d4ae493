"""What is told of each file of an upload, as it ends: a line, or a JSON object."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from anchor_uploads import AuthenticationFailed, InvalidArgument, SessionNotFound, SourceError
from anchor_uploads._human import human_size, printable
from anchor_uploads.cli._shared import MIB, speed
from anchor_uploads.cli._streams import say
from anchor_uploads.cli._words import in_words_of_the_command

if TYPE_CHECKING:
    from anchor_uploads import FailedUpload, UploadedFile, UploadProgress, UploadReport
    from anchor_uploads._sources.part import Part

# What another upload would meet, too.
_OF_ALL = (AuthenticationFailed, SessionNotFound)


def parts_of(items: Iterable[Any]) -> list[Part]:
    """Take apart what is to be uploaded. Raises `InvalidArgument` for two files of one name."""
    from anchor_uploads._sources.part import Part, refuse_one_name

    parts = [Part.of(item) for item in items]
    try:
        refuse_one_name(parts)
    except SourceError as error:
        raise InvalidArgument(str(error)) from None
    return parts


class Telling:
    """What is told of each file, as it ends.

    hold: takes what tells of a file that was uploaded, to be told later or not at all; by default it is told at once.
    """

    def __init__(
        self,
        paths: Sequence[str],
        parts: Sequence[Part],
        *,
        as_json: bool,
        quiet: bool = False,
        hold: Callable[[str], object] | None = None,
    ) -> None:
        from rich.console import Console

        from anchor_uploads._sources.names import is_url, without_secrets
        from anchor_uploads.progress import ProgressBar

        # A command's output goes into logs, and URLs can be signed.
        self._paths = [without_secrets(path) if is_url(path) else path for path in paths]
        self._path_of = {part.name: path for part, path in zip(parts, self._paths, strict=True)}
        self._as_json = as_json
        self._quiet = quiet
        self._tell_uploaded = hold or self._print_done
        self._started: dict[str, float] = {}
        self._of_all: Exception | None = None
        self._terminal = Console(stderr=True, quiet=quiet, force_terminal=None if sys.stderr.isatty() else False)
        # Asked now, for the bars put something else in the streams' place.
        drawn = self._terminal.is_interactive and not quiet
        self._on_terminal = [drawn and stream.isatty() for stream in (sys.stdout, sys.stderr)]
        self.bar = ProgressBar(files=len(paths), size=_size(paths), console=self._terminal)

    def wanted(self, items: Iterable[Any]) -> Iterable[Any]:
        """Give what is to be uploaded, as long as none has met what each further one would meet, too."""
        return takewhile(lambda _item: self._of_all is None, items)

    def progress(self, progress: UploadProgress) -> None:
        self._started.setdefault(progress.name, time.monotonic())
        self.bar(progress)

    def result(self, result: UploadedFile | FailedUpload) -> None:
        from anchor_uploads import UploadedFile

        if isinstance(result, UploadedFile):
            self._uploaded(result)
            return
        self.bar.forget(result.name or "")
        # Raised here, it would keep what ends of the others from being told.
        if self._of_all is None and isinstance(result.error, _OF_ALL):
            self._of_all = result.error
        self.failed(result.index, result.error)

    def failed(self, index: int, error: Exception) -> None:
        path, text = self._paths[index], in_words_of_the_command(error)
        if self._as_json:
            self._print(json.dumps({"file": path, "error": {"type": type(error).__name__, "message": text}}))
        if error is not self._of_all:
            self._complain(f"{path}: {text}")

    def warn(self, report: UploadReport) -> None:
        for warning in report.warnings:
            self._complain(warning)

    def raise_what_ended_it(self) -> None:
        """Raise what each further file would have met, too, if one has met such a thing."""
        if self._of_all is not None:
            raise self._of_all

    def _complain(self, text: str) -> None:
        self._print(f"anchor-uploads: {printable(text)}", complaint=True)

    def would_upload(self, index: int, name: str, size: int, content_type: str) -> None:
        path = self._paths[index]
        if self._as_json:
            self._print(json.dumps({"file": path, "name": name, "size": size, "content_type": content_type}))
        elif not self._quiet:
            self._print(printable(f"{path} -> {name}  {human_size(size)}, {content_type}"))

    def _uploaded(self, uploaded: UploadedFile) -> None:
        import attrs

        size, seconds = uploaded.size, time.monotonic() - self._started[uploaded.name]
        if self._as_json:
            facts = {"file": self._path_of[uploaded.name], **attrs.asdict(uploaded), "seconds": round(seconds, 3)}
            self._tell_uploaded(json.dumps(facts))
        elif not self._quiet:
            where = uploaded.path or "(the service did not say where)"
            checksum = f"  SHA-256 {uploaded.sha256}" if uploaded.sha256 else ""
            told = f"{human_size(size)} in {seconds:.1f} s" + (f", {speed(size, seconds)}" if size >= MIB else "")
            self._tell_uploaded(printable(f"{uploaded.name} -> {where}  {told}{checksum}"))

    def _print_done(self, line: str) -> None:
        self._print(line, done=True)

    def _print(self, line: str, *, complaint: bool = False, done: bool = False) -> None:
        if self._on_terminal[complaint]:
            # Above the bars, and never broken, so that it can be copied.
            self._terminal.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
        elif complaint:
            print(line, file=sys.stderr)
        else:
            say(line, done=line if done else "")


def _size(paths: Sequence[str]) -> int | None:
    try:
        return sum(os.path.getsize(path) for path in paths)
    except (OSError, ValueError):
        return None
