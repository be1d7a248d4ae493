"""`anchor-uploads upload SESSION_ID FILE...`: one line, or one JSON object, for each file as it ends."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

import click

from anchor_uploads import AuthenticationFailed, InvalidArgument, SessionNotFound, SourceError
from anchor_uploads._human import human_size, printable
from anchor_uploads.cli._shared import MIB, as_json, call_options, given, speed
from anchor_uploads.cli._streams import say

if TYPE_CHECKING:
    from anchor_uploads import FailedUpload, UploadedFile, UploadProgress
    from anchor_uploads._sources.part import Part

# What another upload would meet, too.
_OF_ALL = (AuthenticationFailed, SessionNotFound)


@click.command(
    epilog="""Examples:

    \b
    anchor-uploads upload SESSION_ID report.pdf data/*.csv
    anchor-uploads upload SESSION_ID -r invoices --concurrency 8 --json
    tar c photos | anchor-uploads upload SESSION_ID - --filename photos.tar
    """
)
@click.argument("session_id")
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("-r", "--recursive", is_flag=True, help="Of directories, upload all files that are in and below them.")
@click.option("--filename", metavar="NAME", help="What to call the file there (one FILE only).")
@click.option("--content-type", metavar="TYPE", help="Their media type (default: what the name tells).")
@click.option("--checksum", is_flag=True, help="Compute the SHA-256 on the way, and print it.")
@click.option(
    "--concurrency", type=click.IntRange(1, 10_000), default=4, metavar="N", help="Files at a time (default: 4)."
)
@call_options
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
@as_json
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
def upload(session_id: str, files: tuple[str, ...], **options: Any) -> int:
    """Put files into a running session.

    FILE is a path, a URL such as s3://…, or - for standard input (with --filename). A file that fails does not stop the
    others. Two files of one name are refused before anything is sent, for the session would keep only one of them.
    """
    from anchor_uploads._sources.part import Part, refuse_one_name

    paths = list(_files(files, recursive=options["recursive"]))
    if options["filename"] is not None and len(paths) != 1:
        raise click.UsageError(f"--filename names one file, and these are {len(paths)}; upload them one by one")
    if "-" in paths and options["filename"] is None:
        raise click.UsageError("standard input has no name of its own; give it one with --filename")
    items = [(options["filename"], _content(path), options["content_type"]) for path in paths]
    parts = [Part.of(item) for item in items]
    try:
        refuse_one_name(parts)
    except SourceError as error:
        raise InvalidArgument(_in_words_of_the_command(error)) from None
    telling = _Telling(paths, parts, as_json=options["as_json"], quiet=options["quiet"])
    if options["dry_run"]:
        return _dry_run(parts, telling)
    return _upload(session_id, items, telling, options)


def _files(given: Iterable[str], *, recursive: bool) -> Iterator[str]:
    for path in given:
        if not recursive or not os.path.isdir(path):
            yield path
            continue
        found = [
            os.path.join(folder, name) for folder, _folders, names in os.walk(path, onerror=_raise) for name in names
        ]
        if not found:
            raise InvalidArgument(f"no file is in {path!r}")
        yield from sorted(found)


def _raise(error: OSError) -> None:
    raise error


def _content(path: str) -> str | IO[bytes]:
    if path != "-":
        return path
    if sys.stdin is None:
        raise InvalidArgument("standard input is closed")
    return sys.stdin.buffer


def _upload(session_id: str, items: list[Any], telling: _Telling, options: dict[str, Any]) -> int:
    from anchor_uploads import UploadClient

    settings = given(**{name: options[name] for name in ("timeout", "deadline", "max_retries", "retry_unknown")})
    with UploadClient(base_url=options["base_url"], **settings) as client, telling.bar:
        report = client.upload_files(
            session_id,
            items,
            concurrency=options["concurrency"],
            checksum=options["checksum"],
            on_progress=telling.progress,
            on_result=telling.result,
        )
    for warning in report.warnings:
        telling.complain(warning)
    if len(items) > 1 and not options["quiet"]:
        print(f"{len(report.uploaded)} uploaded, {len(report.failed)} failed", file=sys.stderr)
    return 1 if report.failed else 0


def _dry_run(parts: list[Part], telling: _Telling) -> int:
    from anchor_uploads._sources.opening import opened

    failed = 0
    for index, part in enumerate(parts):
        try:
            name, content_type = part.checked()
            with opened(part) as source:
                telling.would_upload(index, name, source.size, content_type)
        except SourceError as error:
            failed += 1
            telling.failed(index, error)
    return 1 if failed else 0


def _in_words_of_the_command(error: Exception) -> str:
    """Return the error's text; what the library takes as an argument is an option here."""
    text = str(error)
    for argument, option in {
        "pass one as (filename, file)": "upload one of them by itself, with --filename",
        "pass it as (filename, file)": "upload it by itself, with --filename",
        "pass filename=": "upload it by itself, with --filename",
        "pass the files in it one by one": "pass -r",
        "content_type=": "--content-type",
    }.items():
        text = text.replace(argument, option)
    return printable(" ".join(text.split()))


class _Telling:
    """What is printed of each file, as it ends."""

    def __init__(self, paths: list[str], parts: list[Part], *, as_json: bool, quiet: bool) -> None:
        from rich.console import Console

        from anchor_uploads._sources.names import is_url, without_secrets
        from anchor_uploads.progress import ProgressBar

        # A command's output goes into logs, and URLs can be signed.
        self._paths = [without_secrets(path) if is_url(path) else path for path in paths]
        self._path_of = {part.name: path for part, path in zip(parts, self._paths, strict=True)}
        self._as_json = as_json
        self._quiet = quiet
        self._started: dict[str, float] = {}
        self._terminal = Console(stderr=True, quiet=quiet, force_terminal=None if sys.stderr.isatty() else False)
        # Asked now, for the bars put something else in the streams' place.
        drawn = self._terminal.is_interactive and not quiet
        self._on_terminal = [drawn and stream.isatty() for stream in (sys.stdout, sys.stderr)]
        self.bar = ProgressBar(files=len(paths), size=_size(paths), console=self._terminal)

    def progress(self, progress: UploadProgress) -> None:
        self._started.setdefault(progress.name, time.monotonic())
        self.bar(progress)

    def result(self, result: UploadedFile | FailedUpload) -> None:
        from anchor_uploads import UploadedFile

        if isinstance(result, UploadedFile):
            self._uploaded(result)
            return
        self.bar.forget(result.name or "")
        self.failed(result.index, result.error)
        if isinstance(result.error, _OF_ALL):
            raise result.error

    def failed(self, index: int, error: Exception) -> None:
        path, text = self._paths[index], _in_words_of_the_command(error)
        if self._as_json:
            self._print(json.dumps({"file": path, "error": {"type": type(error).__name__, "message": text}}))
        if not isinstance(error, _OF_ALL):
            self.complain(f"{printable(path)}: {text}")

    def complain(self, text: str) -> None:
        self._print(f"anchor-uploads: {text}", complaint=True)

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
            self._print(json.dumps(facts), done=True)
        elif not self._quiet:
            where = uploaded.path or "(the service did not say where)"
            checksum = f"  SHA-256 {uploaded.sha256}" if uploaded.sha256 else ""
            told = f"{human_size(size)} in {seconds:.1f} s" + (f", {speed(size, seconds)}" if size >= MIB else "")
            self._print(printable(f"{uploaded.name} -> {where}  {told}{checksum}"), done=True)

    def _print(self, line: str, *, complaint: bool = False, done: bool = False) -> None:
        if self._on_terminal[complaint]:
            # Above the bars, and never broken, so that it can be copied.
            self._terminal.print(line, markup=False, emoji=False, highlight=False, soft_wrap=True)
        elif complaint:
            print(line, file=sys.stderr)
        else:
            say(line, done=line if done else "")


def _size(paths: list[str]) -> int | None:
    try:
        return sum(os.path.getsize(path) for path in paths)
    except (OSError, ValueError):
        return None
