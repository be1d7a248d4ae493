"""`anchor-uploads session start|list|status|end`."""

from __future__ import annotations

import json
from typing import Any

import click

from anchor_uploads._human import printable
from anchor_uploads.cli._shared import as_json, call_options, given, settings
from anchor_uploads.cli._streams import say

_MINUTES = click.IntRange(min=1)


@click.group()
def session() -> None:
    """Start, list, look at or end sessions."""


@session.command()
@click.option("--url", metavar="URL", help="The page that its browser opens first.")
@click.option("--idle-timeout", type=_MINUTES, metavar="MIN", help="End it after so many minutes without activity.")
@click.option("--max-duration", type=_MINUTES, metavar="MIN", help="End it after so many minutes.")
@click.option(
    "--urls",
    is_flag=True,
    help="Also print where CDP clients and people connect. These URLs hold the API key, so keep them out of logs.",
)
@as_json
@call_options
def start(**options: Any) -> None:
    """Start a session and print its id."""
    from anchor_uploads import UploadClient

    limits = given(idle_timeout=options["idle_timeout"], max_duration=options["max_duration"])
    wanted = given(initial_url=options["url"], timeout=limits or None)
    with UploadClient(**settings(options)) as client:
        started = client.create_session(**given(session=wanted or None))
    shown = {"id": started.id}
    if options["urls"]:
        shown.update(cdp_url=started.cdp_url or "", live_view_url=started.live_view_url or "")
    # Without the URLs, for stderr is what goes into logs.
    say(json.dumps(shown) if options["as_json"] else "\n".join(map(printable, shown.values())), done=started.id)


@session.command("list")
@as_json
@call_options
def list_all(as_json: bool, **options: Any) -> None:
    """Print a line for each session of the API key, whoever started it: its id and its state."""
    import attrs

    from anchor_uploads import UploadClient

    with UploadClient(**settings(options)) as client:
        found = client.list_sessions()
    for each in found:
        say(json.dumps(attrs.asdict(each)) if as_json else printable(f"{each.id}  {each.status or 'unknown'}"))


@session.command()
@click.argument("session_id")
@call_options
def status(session_id: str, **options: Any) -> None:
    """Print what the service says of a session."""
    from anchor_uploads import UploadClient

    with UploadClient(**settings(options)) as client:
        say(printable(client.get_session(session_id) or "unknown"))


@session.command()
@click.argument("session_id", required=False)
@click.option("--all", "every", is_flag=True, help="End all sessions of the API key, whoever started them.")
@call_options
def end(session_id: str | None, every: bool, **options: Any) -> None:
    """End a session and its browser, or all of them."""
    from anchor_uploads import UploadClient

    if (session_id is None) is not every:
        raise click.UsageError("name a session, or --all")
    with UploadClient(**settings(options)) as client:
        if session_id is None:
            client.end_all_sessions()
        else:
            client.end_session(session_id)
    told = "ended all sessions" if every else "ended"
    say(told, done=told)
