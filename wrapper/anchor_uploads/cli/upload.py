"""`anchor-uploads upload SESSION_ID FILE...`: one line, or one JSON object, for each file as it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

import click

from anchor_uploads import InvalidArgument, SourceError
from anchor_uploads.cli._shared import as_json, call_options, settings
from anchor_uploads.cli._telling import Telling, parts_of

if TYPE_CHECKING:
    from anchor_uploads._sources.part import Part


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
@click.option(
    "-r",
    "--recursive",
    is_flag=True,
    help="Of directories, upload all files that are in and below them, also through links.",
)
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
    paths = list(_files(files, recursive=options["recursive"]))
    if options["filename"] is not None and len(paths) != 1:
        raise click.UsageError(f"--filename names one file, and these are {len(paths)}; upload them one by one")
    if "-" in paths and options["filename"] is None:
        raise click.UsageError("standard input has no name of its own; give it one with --filename")
    items = [(options["filename"], _content(path), options["content_type"]) for path in paths]
    parts = parts_of(items)
    telling = Telling(paths, parts, as_json=options["as_json"], quiet=options["quiet"])
    if options["dry_run"]:
        return _dry_run(parts, telling)
    return _upload(session_id, items, telling, options)


def _files(given: Iterable[str], *, recursive: bool) -> Iterator[str]:
    for path in given:
        if not recursive or not os.path.isdir(path):
            yield path
            continue
        found = sorted(_below(path))
        if not found:
            raise InvalidArgument(f"no file is in {path!r}")
        yield from found


def _below(directory: str) -> Iterator[str]:
    """Go through a directory and those below it, linked ones as well, each of them once."""
    seen = {os.path.realpath(directory)}
    for folder, folders, names in os.walk(directory, onerror=_raise, followlinks=True):
        real = {os.path.realpath(os.path.join(folder, name)): name for name in sorted(folders, reverse=True)}
        folders[:] = [name for path, name in real.items() if path not in seen]
        seen.update(real)
        for path in (os.path.join(folder, name) for name in names):
            # Reading a pipe or a device may never end.
            if os.path.exists(path) and not os.path.isfile(path):
                raise InvalidArgument(f"{path!r} is no regular file; to upload what it gives, name it")
            yield path


def _raise(error: OSError) -> None:
    raise error


def _content(path: str) -> str | IO[bytes]:
    if path != "-":
        return path
    if sys.stdin is None:
        raise InvalidArgument("standard input is closed")
    return sys.stdin.buffer


def _upload(session_id: str, items: list[Any], telling: Telling, options: dict[str, Any]) -> int:
    from anchor_uploads import UploadClient

    with UploadClient(**settings(options)) as client, telling.bar:
        report = client.upload_files(
            session_id,
            telling.wanted(items),
            concurrency=options["concurrency"],
            checksum=options["checksum"],
            on_progress=telling.progress,
            on_result=telling.result,
        )
    telling.warn(report)
    if len(items) > 1 and not options["quiet"]:
        all_begun = len(report.uploaded) + len(report.failed) == len(items)
        rest = "" if all_begun else ", the others were not begun"
        print(f"{len(report.uploaded)} uploaded, {len(report.failed)} failed{rest}", file=sys.stderr)
    telling.raise_what_ended_it()
    return 1 if report.failed else 0


def _dry_run(parts: list[Part], telling: Telling) -> int:
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
