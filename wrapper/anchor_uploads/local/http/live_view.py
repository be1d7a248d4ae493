"""What `live_view_url` opens: a page that shows a session as it goes."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timezone
from html import escape
from importlib.resources import files

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from anchor_uploads._human import human_size
from anchor_uploads.local.browser.viewer import View, Viewer
from anchor_uploads.local.http import replies
from anchor_uploads.local.sessions import Session, SessionEnded, Sessions, StoredFile

__all__ = ["live_view_routes"]

_NOT_KEPT = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}


def live_view_routes(sessions: Sessions) -> list[BaseRoute]:
    """Return the routes below /live/{session_id}. Who knows the id, which nobody can guess, may look and do nothing.

    - the page itself, which asks for the others;
    - `/state`: the browser's page, and the uploads with sizes and times, as JSON;
    - `/screenshot`: the browser's page as a JPEG.
    """
    viewers: dict[str, Viewer] = {}

    async def look(session: Session) -> View:
        for gone in [session_id for session_id in viewers if sessions.get(session_id) is None]:
            del viewers[gone]
        if session.browser is None:
            return View()
        viewer = viewers.setdefault(session.id, Viewer(session.browser.devtools_url))
        with session.work():
            return await viewer.look()

    async def page(request: Request) -> Response:
        session = sessions.get(request.path_params["session_id"])
        if session is None:
            return _gone(sessions, request)
        stored = await to_thread.run_sync(session.stored_files)
        return Response(_page(session, stored), headers={**_NOT_KEPT, **_PAGE_HEADERS}, media_type="text/html")

    async def state(request: Request) -> Response:
        session = sessions.get(request.path_params["session_id"])
        if session is None:
            return _gone(sessions, request)
        try:
            view = await look(session)
        except (OSError, SessionEnded):
            view = View()
        stored = await to_thread.run_sync(session.stored_files)
        return JSONResponse(
            {
                "created": session.created,
                "browser": session.browser is not None,
                "url": view.url,
                "title": view.title,
                "tabs": view.tabs,
                "uploads": [{"name": file.name, "size": file.size, "stored": file.stored} for file in stored],
            },
            headers=_NOT_KEPT,
        )

    async def screenshot(request: Request) -> Response:
        session = sessions.get(request.path_params["session_id"])
        if session is None:
            return _gone(sessions, request)
        try:
            view = await look(session)
        except (OSError, SessionEnded):
            view = View()
        if not view.jpeg:
            return Response(status_code=204, headers=_NOT_KEPT)
        return Response(view.jpeg, headers=_NOT_KEPT, media_type="image/jpeg")

    return [
        Route("/live/{session_id}", page, methods=["GET"]),
        Route("/live/{session_id}/state", state, methods=["GET"]),
        Route("/live/{session_id}/screenshot", screenshot, methods=["GET"]),
    ]


def _gone(sessions: Sessions, request: Request) -> Response:
    return replies.error(404, sessions.why_not(request.path_params["session_id"]), _NOT_KEPT)


def _page(session: Session, stored: list[StoredFile]) -> str:
    template = _TEMPLATE.replace("{{id}}", escape(session.id)).replace(
        "{{browser}}", _flag(session.browser is not None)
    )
    # Last, so that no name of a file is taken for a place in the template.
    return template.replace("{{uploads}}", "".join(map(_row, stored)))


def _row(file: StoredFile) -> str:
    when = datetime.fromtimestamp(file.stored, timezone.utc)
    return (
        f'<tr><td class="name">{escape(file.name)}</td><td class="size">{_size(file.size)}</td>'
        f'<td class="when"><time datetime="{when.isoformat()}">{when:%H:%M:%S} UTC</time></td></tr>'
    )


def _size(size: int) -> str:
    exact = "1 byte" if size == 1 else f"{size:,} bytes"
    return exact if size < 1024 else f'<span title="{exact}">{human_size(size)}</span>'


def _flag(value: bool) -> str:
    return "yes" if value else "no"


def _part(start: str, end: str) -> str:
    return _TEMPLATE.partition(start)[2].partition(end)[0]


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_TEMPLATE = files("anchor_uploads.local.http").joinpath("live_view.html").read_text("utf-8")
_PAGE_HEADERS = {
    # File names are strangers' text: should one get through, it must not run.
    "content-security-policy": (
        f"default-src 'none'; img-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        f"style-src {_hash(_part('<style>', '</style>'))}; script-src {_hash(_part('<script>', '</script>'))}"
    )
}
