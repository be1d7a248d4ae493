"""What `live_view_url` opens: a page that shows a session as it goes."""

from __future__ import annotations

from html import escape

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from anchor_uploads.local.browser.viewer import View, Viewer
from anchor_uploads.local.http import replies
from anchor_uploads.local.http.pages import NOT_KEPT, Page, upload_rows
from anchor_uploads.local.sessions import Session, SessionEnded, Sessions

__all__ = ["live_view_routes"]

_PAGE = Page("live_view.html")
_ENDED = Page("live_view_ended.html")


def live_view_routes(sessions: Sessions) -> list[BaseRoute]:
    """Return the routes below /live/{session_id}. Who knows the id, which nobody can guess, may look and do nothing.

    - the page itself, which asks for the others, or says why the session does not run;
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
        session_id = request.path_params["session_id"]
        session = sessions.get(session_id)
        if session is None:
            return _ENDED.filled(404, id=escape(session_id), why=escape(sessions.why_not(session_id)))
        stored = await to_thread.run_sync(session.stored_files)
        return _PAGE.filled(
            200,
            id=escape(session.id),
            browser="no" if session.browser is None else "yes",
            uploads=upload_rows(stored),
        )

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
            headers=NOT_KEPT,
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
            return Response(status_code=204, headers=NOT_KEPT)
        return Response(view.jpeg, headers=NOT_KEPT, media_type="image/jpeg")

    return [
        Route("/live/{session_id}", page, methods=["GET"]),
        Route("/live/{session_id}/state", state, methods=["GET"]),
        Route("/live/{session_id}/screenshot", screenshot, methods=["GET"]),
    ]


def _gone(sessions: Sessions, request: Request) -> Response:
    return replies.error(404, sessions.why_not(request.path_params["session_id"]), NOT_KEPT)
