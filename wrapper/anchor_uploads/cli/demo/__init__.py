"""`anchor-uploads demo`: the whole way of a file, from disk through a browser session and out of a real form.

show          the steps in order, and the table at the end
page          what happens in the browser
form_server   the web server that receives the form, and hashes what it gets
form.html     the page, before and after
"""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option(
    "--live",
    is_flag=True,
    help="Use the real service (needs ANCHORBROWSER_API_KEY) instead of a local Anchor; the page itself then computes "
    "the hash, for a remote browser cannot reach a form on this machine.",
)
@click.option(
    "--size-mib", type=click.IntRange(min=1), default=60, show_default=True, metavar="N", help="Size of the file."
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo-output"),
    show_default=True,
    metavar="DIR",
    help="Where the picture goes.",
)
def demo(live: bool, size_mib: int, output: Path) -> int:
    """Watch a file go into and out of a web form.

    It uploads a random file, puts it into a page's file input, submits the form, and compares the SHA-256 of what
    arrives with that of the file.
    """
    from anchor_uploads.cli.demo.show import show

    return show(live=live, size_mib=size_mib, output=output)
