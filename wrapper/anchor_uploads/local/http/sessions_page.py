"""What the server shows at its own address: which sessions run, what was uploaded into them, and where to see more."""

from __future__ import annotations

from html import escape

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from anchor_uploads.local.http import replies
from anchor_uploads.local.http.cdp_proxy import Gate
from anchor_uploads.local.http.pages import Page, upload_rows
from anchor_uploads.local.sessions import Session, Sessions

__all__ = ["sessions_page_routes"]

_PAGE = Page("sessions.html")


def sessions_page_routes(sessions: Sessions, gate: Gate) -> list[BaseRoute]:
    """Return the route of the page at /. It needs the key, because who knows the id of a session may look at it."""

    async def page(request: Request) -> Response:
        if not gate.may_pass(request.scope["query_string"].decode("ascii"), request.headers.get("anchor-api-key")):
            return replies.error(401, "the API key is missing or not the one of this server: pass ?apiKey=…")
        running = sessions.running()
        html = await to_thread.run_sync(lambda: "".join(map(_section, running)))
        count = "1 session runs" if len(running) == 1 else f"{len(running)} sessions run"
        return _PAGE.filled(200, count=count, sessions=html)

    return [Route("/", page, methods=["GET"])]


def _section(session: Session) -> str:
    rows = upload_rows(session.stored_files())
    uploads = f"<table><tbody>{rows}</tbody></table>" if rows else '<p class="note">Nothing was uploaded yet.</p>'
    link = f'<a href="/live/{escape(session.id)}"><code>{escape(session.id)}</code></a>'
    return f"<section><div>{link}</div>{uploads}</section>"
