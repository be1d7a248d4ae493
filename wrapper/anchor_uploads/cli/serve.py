"""`anchor-uploads serve`: a local Anchor in the foreground, until Ctrl-C."""

from __future__ import annotations

import os
from typing import Any

import click

from anchor_uploads import InvalidArgument

KEY_VARIABLE = "ANCHOR_UPLOADS_SERVE_KEY"


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=int, default=0, help="Port to listen on (default: a free one).")
@click.option("--no-browser", is_flag=True, help="Sessions without Chromium: uploads only.")
@click.option("--max-upload-bytes", type=int, metavar="N", help="Refuse larger files (default: no limit).")
@click.option(
    "--max-sessions",
    type=int,
    metavar="N",
    help="How many sessions may run at once; one more is answered with 429 (default: 16, or 10,000 without browsers).",
)
@click.option(
    "--allow-remote",
    is_flag=True,
    help="Let --host be an address that other machines reach, and answer to any host name.",
)
@click.option(
    "--public-url",
    metavar="URL",
    help="Where clients reach it through a proxy before it; the URLs that it returns begin so.",
)
@click.option(
    "--api-key",
    metavar="KEY",
    help=f"The key that clients must send (default: {KEY_VARIABLE}, else a random one, printed). It guards this server "
    "only: do not give a real one here.",
)
@click.option("--quiet", is_flag=True, help="No line for each request.")
@click.option("--verbose", is_flag=True, help="Also a line for each start and end of a session.")
def serve(**options: Any) -> int:
    """Run the Anchor API on this machine.

    Each session has a real Chromium. The first line printed is its URL; a line on stderr tells of each request. Ctrl-C
    ends it, its sessions and their files; so does SIGTERM, with status 0.
    """
    if options["quiet"] and options["verbose"]:
        raise click.UsageError("--quiet and --verbose exclude each other")
    # In this order, for the first says which extra is missing.
    from anchor_uploads.local import LocalServer
    from anchor_uploads.local.foreground import serve as run

    try:
        server = LocalServer(
            options["host"],
            options["port"],
            browser=not options["no_browser"],
            # Not the variable of clients: it may hold a real key, and this one is printed.
            api_key=os.environ.get(KEY_VARIABLE) or None if options["api_key"] is None else options["api_key"],
            max_upload_bytes=options["max_upload_bytes"],
            max_sessions=options["max_sessions"],
            allow_remote=options["allow_remote"],
            public_url=options["public_url"],
        )
    except ValueError as wrong:
        raise InvalidArgument(str(wrong)) from None
    return run(server, tell_requests=not options["quiet"], tell_sessions=options["verbose"])
