"""The HTTP API: which request does what."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from anchor_uploads.local.browser.chromium import BrowserFailed
from anchor_uploads.local.disk.upload_form import UploadRejected
from anchor_uploads.local.disk.uploads import UploadNotStored, receive_upload
from anchor_uploads.local.faults import Faults
from anchor_uploads.local.http import replies
from anchor_uploads.local.http.answer_failures import AnswerFailures
from anchor_uploads.local.http.cdp_proxy import Gate, cdp_url, parameters
from anchor_uploads.local.http.control import control_routes
from anchor_uploads.local.http.early_answers import EarlyAnswers
from anchor_uploads.local.http.hosts import CheckHost, Hosts
from anchor_uploads.local.http.inject_faults import InjectFaults
from anchor_uploads.local.http.live_view import live_view_routes
from anchor_uploads.local.http.record_requests import RecordRequests
from anchor_uploads.local.http.sessions_page import sessions_page_routes
from anchor_uploads.local.http.wanted import BadBody, wanted_session
from anchor_uploads.local.records import Records
from anchor_uploads.local.sessions import Session, SessionEnded, Sessions, TooManySessions

__all__ = ["create_app"]

_API = ("/v1/", "/v2/")
# What the service has where a route would take the path for its own. All else that it has meets no route at all.
_NOT_HERE = (
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions/async"),
    ("GET", "/v1/sessions/history"),
    ("GET", "/v1/sessions/pending-interventions"),
)


def create_app(
    sessions: Sessions,
    *,
    hosts: Hosts,
    api_key: str,
    max_upload_bytes: int | None,
    faults: Faults,
    records: Records,
) -> Starlette:
    """Return the ASGI application. Its lifespan's end ends all `sessions`.

    `hosts` are the names it answers to; `api_key` is the one key it accepts; `max_upload_bytes` is the largest file it
    takes (None: any). Requests are noted in `records`.
    """

    def stopping() -> bool:
        return sessions.closing

    gate = Gate(sessions, api_key=api_key, hosts=hosts)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, object]]:
        try:
            yield {"gate": gate}
        finally:
            await sessions.close_all()

    async def create_session(request: Request) -> Response:
        try:
            wanted = await wanted_session(request)
        except BadBody as bad:
            return replies.error(400, str(bad))
        try:
            session = await sessions.create(
                url=wanted.url, max_duration=wanted.max_duration, idle_timeout=wanted.idle_timeout
            )
        except TooManySessions as full:
            return replies.error(429, str(full), {"retry-after": "1"})
        except (BrowserFailed, OSError, SessionEnded) as problem:
            return replies.error(500, f"the session could not be started: {problem}")
        base_url = hosts.base_url(request.headers)
        return replies.session_started(
            session.id,
            cdp_url=cdp_url(base_url, api_key, session.id),
            live_view_url=f"{base_url}/live/{session.id}",
        )

    async def get_or_end_session(request: Request) -> Response:
        # One route for both, so that a 405 lists every method that is allowed.
        return await (end_session if request.method == "DELETE" else get_session)(request)

    async def get_session(request: Request) -> Response:
        session = sessions.get(_session_id(request))
        if session is None:
            return replies.error(404, sessions.why_not(_session_id(request)))
        session.touch()
        return replies.session_status("running")

    async def end_session(request: Request) -> Response:
        try:
            if not await sessions.end(_session_id(request)):
                return replies.error(404, sessions.why_not(_session_id(request)))
        except (BrowserFailed, OSError) as problem:
            return replies.error(500, f"the session ended, but not cleanly: {problem}")
        return replies.session_status("success")

    async def list_sessions(_request: Request) -> Response:
        return replies.sessions_listed((session.id, session.created) for session in sessions.running())

    async def end_all_sessions(_request: Request) -> Response:
        _count, problems = await sessions.end_all("was ended, with all others")
        if problems:
            return replies.error(500, f"all sessions ended, but not cleanly: {'; '.join(map(str, problems))}")
        return replies.session_status("success")

    async def upload_file(request: Request) -> Response:
        session = sessions.get(_session_id(request))
        if session is None:
            return replies.upload_session_not_found(sessions.why_not(_session_id(request)))
        length = request.headers.get("content-length", "")
        try:
            with session.work():
                upload = await receive_upload(
                    _touching(session, request),
                    content_type=request.headers.get("content-type", ""),
                    content_length=int(length) if length.isdecimal() else None,
                    directory=session.uploads,
                    unfinished=session.directory,
                    names=session.names,
                    max_bytes=max_upload_bytes,
                )
        except UploadRejected as rejected:
            return replies.upload_refused(str(rejected))
        except UploadNotStored as not_stored:
            return replies.upload_failed(str(not_stored))
        except SessionEnded as ended:
            return replies.upload_session_not_found(str(ended))
        except ClientDisconnect:
            # Nobody hears this, but an endpoint must answer something.
            return replies.upload_refused("the connection broke off")
        return replies.uploaded(f"File saved at {upload.path}")

    async def json_version(request: Request) -> Response:
        # CDP clients that are given an http:// address look here for that of the WebSocket.
        query = request.scope["query_string"].decode("ascii")
        if not gate.may_pass(query, request.headers.get("anchor-api-key")):
            return replies.error(
                401, "the API key is missing or not the one of this server: pass ?apiKey=…&sessionId=…"
            )
        session = sessions.get(parameters(query).get("sessionId", ""))
        if session is None:
            return replies.error(404, sessions.why_not(parameters(query).get("sessionId", "")))
        session.touch()
        return JSONResponse({"webSocketDebuggerUrl": cdp_url(hosts.base_url(request.headers), api_key, session.id)})

    return _Application(
        routes=[
            Route("/v1/sessions", create_session, methods=["POST"]),
            *(Route(path, _not_here, methods=[method]) for method, path in _NOT_HERE),
            # Before the one whose path fits them, too.
            Route("/v1/sessions/all", end_all_sessions, methods=["DELETE"]),
            Route("/v1/sessions/all", _no_session, methods=["GET"]),
            Route("/v1/sessions/all/status", list_sessions, methods=["GET"]),
            Route("/v1/sessions/{session_id}", get_or_end_session, methods=["GET", "DELETE"]),
            Route("/v1/sessions/{session_id}/uploads", upload_file, methods=["POST"]),
            Route("/json/version", json_version, methods=["GET"]),
            Route("/json/version/", json_version, methods=["GET"]),
            *control_routes(sessions, faults),
            *live_view_routes(sessions),
            *sessions_page_routes(sessions, gate),
        ],
        middleware=[
            Middleware(EarlyAnswers, stopping=stopping),
            Middleware(RecordRequests, records=records),
            Middleware(AnswerFailures),
            Middleware(CheckHost, hosts=hosts),
            Middleware(_RequireKey, key=api_key),
            Middleware(InjectFaults, faults=faults, stopping=stopping),
        ],
        exception_handlers={HTTPException: _http_error},
        lifespan=lifespan,
    )


class _Application(Starlette):
    """One that redirects no path with a slash at its end: the URL would be another than a proxy's clients reach."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.router.redirect_slashes = False


class _RequireKey:
    """Lets requests below /v1, /v2 and /local through if they carry the API key, whatever path they ask for."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http" and scope["path"].startswith((*_API, "/local/")):
            given: bytes | None = dict(scope["headers"]).get(b"anchor-api-key")
            if given is None:
                answer = replies.error(401, "the anchor-api-key header is missing")
            elif not hmac.compare_digest(given, self._key):
                answer = replies.error(401, "the API key is not the one of this server")
        await answer(scope, receive, send)


def _session_id(request: Request) -> str:
    return str(request.path_params["session_id"])


async def _touching(session: Session, request: Request) -> AsyncIterator[bytes]:
    async for chunk in request.stream():
        session.touch()
        yield chunk


async def _not_here(_request: Request) -> Response:
    raise HTTPException(501)


async def _no_session(_request: Request) -> Response:
    # Its path fits that of a session with the id "all", of which nobody wants to hear that it does not run.
    raise HTTPException(405, headers={"allow": "DELETE"})


def _operations(app: Starlette) -> list[str]:
    """Return what is served of Anchor's API, each by method and path."""
    return [
        f"{method} {route.path}"
        for route in app.routes
        if isinstance(route, Route) and route.path.startswith(_API) and route.endpoint not in (_not_here, _no_session)
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    # Of some paths and hosts that strangers ask for, no URL can be made.
    path: str = request.scope["path"]
    # No route raises a 404, so this path has none. It is one of Anchor's, unless it only looks longer than it is: an
    # encoded slash is a part of an id, and no session has such an id.
    unknown = problem.status_code == 404 and path.startswith(_API) and b"%2f" not in request.scope["raw_path"].lower()
    if unknown or problem.status_code == 501:
        has = ", ".join(_operations(request.app))
        return replies.error(501, f"{request.method} {path}: the local Anchor does not do this; it has {has}")
    headers = None if problem.headers is None else dict(problem.headers)
    message = f"{request.method} {path}: {problem.detail}"
    return replies.error(problem.status_code, message, headers)
