"""`anchor-uploads serve`: a local Anchor in the foreground, until Ctrl-C."""

from __future__ import annotations

import argparse
import os

from anchor_uploads import InvalidArgument
from anchor_uploads.cli._shared import Commands

KEY_VARIABLE = "ANCHOR_UPLOADS_SERVE_KEY"


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "serve",
        help="run a local Anchor",
        description="Run the Anchor API on this machine, with a real Chromium per session. The first line printed is "
        "its URL; a line on stderr tells of each request. Ctrl-C ends it, its sessions and their files.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: a free one)")
    parser.add_argument("--no-browser", action="store_true", help="sessions without Chromium: uploads only")
    parser.add_argument("--max-upload-bytes", type=int, metavar="N", help="refuse larger files (default: no limit)")
    parser.add_argument(
        "--max-sessions",
        type=int,
        metavar="N",
        help="how many sessions may run at once; one more is answered with 429 (default: 16)",
    )
    parser.add_argument(
        "--allow-remote",
        action="store_true",
        help="let --host be an address that other machines reach, and answer to any host name",
    )
    parser.add_argument(
        "--public-url",
        metavar="URL",
        help="where clients reach it through a proxy before it; the URLs that it returns begin so",
    )
    parser.add_argument(
        "--api-key",
        metavar="KEY",
        help=f"the key that clients must send (default: {KEY_VARIABLE}, else a random one, printed). It guards this "
        "server only: do not give a real one here",
    )
    told = parser.add_mutually_exclusive_group()
    told.add_argument("--quiet", action="store_true", help="no line for each request")
    told.add_argument("--verbose", action="store_true", help="also a line for each start and end of a session")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    try:
        from anchor_uploads.local.foreground import serve
        from anchor_uploads.local.server import LocalServer
    except ModuleNotFoundError as missing:
        raise RuntimeError(
            f'the local Anchor needs the package {missing.name!r}; run: pip install "anchor-uploads[local]"'
        ) from None
    try:
        server = LocalServer(
            options.host,
            options.port,
            browser=not options.no_browser,
            # Not the variable of clients: it may hold a real key, and this one is printed.
            api_key=os.environ.get(KEY_VARIABLE) or None if options.api_key is None else options.api_key,
            max_upload_bytes=options.max_upload_bytes,
            max_sessions=options.max_sessions,
            allow_remote=options.allow_remote,
            public_url=options.public_url,
        )
    except ValueError as wrong:
        raise InvalidArgument(str(wrong)) from None
    return serve(server, tell_requests=not options.quiet, tell_sessions=options.verbose)
