"""`anchor-uploads demo`: the whole way of a file, from disk through a browser session and out of a real form.

show          the steps in order, and the table at the end
page          what happens in the browser
form_server   the web server that receives the form, and hashes what it gets
form.html     the page, before and after
"""

from __future__ import annotations

import argparse
from pathlib import Path

from anchor_uploads.cli._shared import Commands


def add_to(commands: Commands) -> None:
    parser = commands.add_parser(
        "demo",
        help="watch a file go from disk into a browser session and out of a web form",
        description="Upload a random file, put it into a page's file input, submit the form, and compare the SHA-256 "
        "of what arrives with that of the file.",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="use the real service (needs ANCHORBROWSER_API_KEY) instead of a local Anchor; the page itself then "
        "computes the hash, for a remote browser cannot reach a form on this machine",
    )
    parser.add_argument("--size-mib", type=_size, default=60, metavar="N", help="size of the file (default: 60)")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("demo-output"),
        metavar="DIR",
        help="where the screenshot goes (default: demo-output)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from anchor_uploads.cli.demo.show import show

    return show(live=options.live, size_mib=options.size_mib, output=options.output)


def _size(text: str) -> int:
    size = int(text)
    if size < 1:
        raise argparse.ArgumentTypeError("the size must be at least 1 MiB")
    return size
