"""`anchor-uploads session start|list|status|end`."""

from __future__ import annotations

import argparse
import json

from anchor_uploads.cli._shared import Commands, add_base_url


def add_to(commands: Commands) -> None:
    parser = commands.add_parser("session", help="start, list, look at or end sessions")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)

    start = actions.add_parser("start", help="start a session and print its id")
    start.add_argument("--json", action="store_true", help="print a JSON object")
    start.add_argument(
        "--urls",
        action="store_true",
        help="also print where CDP clients and people connect; these URLs hold the API key, so keep them out of logs",
    )
    start.set_defaults(run=_start)

    listing = actions.add_parser(
        "list",
        help="print the id and the state of each session",
        description="Print a line for each session of the API key, whoever started it: its id and its state.",
    )
    listing.add_argument("--json", action="store_true", help="print a JSON object for each session")
    listing.set_defaults(run=_list)

    status = actions.add_parser("status", help="print what the service says of a session")
    status.add_argument("session_id", metavar="SESSION_ID")
    status.set_defaults(run=_status)

    end = actions.add_parser("end", help="end a session and its browser, or all of them")
    which = end.add_mutually_exclusive_group(required=True)
    which.add_argument("session_id", metavar="SESSION_ID", nargs="?")
    which.add_argument("--all", action="store_true", help="end all sessions of the API key, whoever started them")
    end.set_defaults(run=_end)

    for action in (start, listing, status, end):
        add_base_url(action)


def _start(options: argparse.Namespace) -> int:
    from anchor_uploads import UploadClient

    with UploadClient(base_url=options.base_url) as client:
        session = client.create_session()
    shown = {"id": session.id}
    if options.urls:
        shown.update(cdp_url=session.cdp_url or "", live_view_url=session.live_view_url or "")
    print(json.dumps(shown) if options.json else "\n".join(shown.values()))
    return 0


def _list(options: argparse.Namespace) -> int:
    import attrs

    from anchor_uploads import UploadClient

    with UploadClient(base_url=options.base_url) as client:
        found = client.list_sessions()
    for session in found:
        print(json.dumps(attrs.asdict(session)) if options.json else f"{session.id}  {session.status or 'unknown'}")
    return 0


def _status(options: argparse.Namespace) -> int:
    from anchor_uploads import UploadClient

    with UploadClient(base_url=options.base_url) as client:
        print(client.get_session(options.session_id) or "unknown")
    return 0


def _end(options: argparse.Namespace) -> int:
    from anchor_uploads import UploadClient

    with UploadClient(base_url=options.base_url) as client:
        if options.all:
            client.end_all_sessions()
        else:
            client.end_session(options.session_id)
    print("ended all sessions" if options.all else "ended")
    return 0
