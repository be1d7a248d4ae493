"""`anchor-uploads upload SESSION_ID FILE...`: one line, or one JSON object, for each file."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, BinaryIO

from anchor_uploads import AnchorUploadsError, AuthenticationFailed, InvalidArgument, SessionNotFound
from anchor_uploads._human import human_size
from anchor_uploads.cli._shared import Commands, add_base_url, progress_bar, speed

if TYPE_CHECKING:
    from anchor_uploads import UploadClient, UploadedFile


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "upload",
        help="put files into a session",
        description="Put files into a running session, one after the other. A file that fails does not stop the rest.",
    )
    parser.add_argument("session_id", metavar="SESSION_ID")
    parser.add_argument("files", metavar="FILE", nargs="+", help="a path, or - for standard input (with --filename)")
    parser.add_argument("--filename", metavar="NAME", help="what to call the file there (one FILE only)")
    parser.add_argument("--content-type", metavar="TYPE", help="its media type (default: guessed from the name)")
    parser.add_argument("--json", action="store_true", help="print one JSON object per file")
    add_base_url(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from anchor_uploads import UploadClient

    if options.filename is not None and len(options.files) > 1:
        raise InvalidArgument("--filename names one file, and several were given; upload them one by one")
    failed = 0
    with UploadClient(base_url=options.base_url) as client:
        for path in options.files:
            started = time.monotonic()
            try:
                uploaded = _upload(client, options, path)
            except (InvalidArgument, AuthenticationFailed, SessionNotFound):
                # It would be the same for every further file.
                raise
            except (AnchorUploadsError, OSError) as error:
                failed += 1
                # What the library takes as an argument is an option here.
                text = str(error).replace("filename=", "--filename").replace("content_type=", "--content-type")
                text = " ".join(text.split())
                print(f"anchor-uploads: {path}: {text}", file=sys.stderr)
                if options.json:
                    print(json.dumps({"file": path, "error": {"type": type(error).__name__, "message": text}}))
            else:
                _tell(uploaded, time.monotonic() - started, path if options.json else None)
    return 1 if failed else 0


def _upload(client: UploadClient, options: argparse.Namespace, path: str) -> UploadedFile:
    file: str | BinaryIO = sys.stdin.buffer if path == "-" else path
    with progress_bar() as on_progress:
        return client.upload_file(
            options.session_id,
            file,
            filename=options.filename,
            content_type=options.content_type,
            on_progress=on_progress,
        )


def _tell(uploaded: UploadedFile, seconds: float, json_for: str | None) -> None:
    if json_for is None:
        where = uploaded.path or "(the service did not say where)"
        size = uploaded.size
        print(f"{uploaded.name} -> {where}  {human_size(size)} in {seconds:.1f} s, {speed(size, seconds)}")
        return
    import attrs

    print(json.dumps({"file": json_for, **attrs.asdict(uploaded), "seconds": round(seconds, 3)}))
