"""The HTTP API: which request does what."""

from __future__ import annotations

import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from anyio import to_thread
from pydantic import AnyUrl, ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from anchor_browser_api_models import SessionRequest, SessionSettings
from anchor_uploads.local import replies
from anchor_uploads.local.chromium import BrowserFailed
from anchor_uploads.local.early_answers import EarlyAnswers
from anchor_uploads.local.live_view import live_view_page
from anchor_uploads.local.sessions import Session, SessionEnded, Sessions
from anchor_uploads.local.uploads import UploadNotStored, UploadRejected, receive_upload

__all__ = ["create_app"]

_MAX_JSON_BYTES = 1024 * 1024


def create_app(sessions: Sessions, *, base_url: str, api_key: str, max_upload_bytes: int | None) -> Starlette:
    """The ASGI application. Its lifespan's end ends all `sessions`.

    `base_url` is where clients reach it, without a slash at the end; `api_key` is the one key it
    accepts; `max_upload_bytes` is the largest file it takes (None: any).
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await sessions.close_all()

    def cdp_url(session: Session) -> str:
        if session.browser is not None:
            return session.browser.devtools_url
        return f"ws{base_url.removeprefix('http')}?apiKey={api_key}&sessionId={session.id}"

    async def create_session(request: Request) -> Response:
        try:
            url = _initial_url(await _json_body(request))
        except _BadBody as bad:
            return replies.error(400, str(bad))
        try:
            session = await sessions.create(url=url)
        except (BrowserFailed, OSError, SessionEnded) as problem:
            return replies.error(500, f"the session could not be started: {problem}")
        return replies.session_started(
            session.id,
            cdp_url=cdp_url(session),
            live_view_url=f"{base_url}/live/{session.id}",
        )

    async def get_or_end_session(request: Request) -> Response:
        # One route for both, so that a 405 lists every method that is allowed.
        return await (end_session if request.method == "DELETE" else get_session)(request)

    async def get_session(request: Request) -> Response:
        if sessions.get(_session_id(request)) is None:
            return replies.error(404, _no_session(request))
        return replies.session_status("running")

    async def end_session(request: Request) -> Response:
        try:
            if not await sessions.end(_session_id(request)):
                return replies.error(404, _no_session(request))
        except (BrowserFailed, OSError) as problem:
            return replies.error(500, f"the session ended, but not cleanly: {problem}")
        return replies.session_status("success")

    async def upload_file(request: Request) -> Response:
        session = sessions.get(_session_id(request))
        if session is None:
            return replies.upload_session_not_found(_no_session(request))
        length = request.headers.get("content-length", "")
        try:
            with session.work():
                path = await receive_upload(
                    request.stream(),
                    content_type=request.headers.get("content-type", ""),
                    content_length=int(length) if length.isdecimal() else None,
                    directory=session.uploads,
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
        return replies.uploaded(f"File saved at {path}")

    async def live_view(request: Request) -> Response:
        session = sessions.get(_session_id(request))
        if session is None:
            return replies.error(404, _no_session(request))
        return HTMLResponse(await to_thread.run_sync(live_view_page, session))

    return Starlette(
        routes=[
            Route("/v1/sessions", create_session, methods=["POST"]),
            Route("/v1/sessions/{session_id}", get_or_end_session, methods=["GET", "DELETE"]),
            Route("/v1/sessions/{session_id}/uploads", upload_file, methods=["POST"]),
            Route("/live/{session_id}", live_view, methods=["GET"]),
        ],
        middleware=[
            Middleware(EarlyAnswers, stopping=lambda: sessions.closing),
            Middleware(_RequireKey, key=api_key),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _server_error},
        lifespan=lifespan,
    )


class _RequireKey:
    """Lets requests below /v1 through if they carry the API key, whatever path they ask for."""

    def __init__(self, app: ASGIApp, *, key: str) -> None:
        self._app = app
        self._key = key.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._app
        if scope["type"] == "http" and scope["path"].startswith("/v1/"):
            given: bytes | None = dict(scope["headers"]).get(b"anchor-api-key")
            if given is None:
                answer = replies.error(401, "the anchor-api-key header is missing")
            elif not hmac.compare_digest(given, self._key):
                answer = replies.error(401, "the API key is not the one of this server")
        await answer(scope, receive, send)


class _BadBody(ValueError):
    """The JSON body of a request cannot be used; the message says why."""


async def _json_body(request: Request) -> object:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_JSON_BYTES:
            raise _BadBody(f"the body is longer than {_MAX_JSON_BYTES} bytes")
    if not body.strip():
        return {}
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise _BadBody(f"the body is not valid JSON: {error}") from error


def _initial_url(body: object) -> str | None:
    try:
        # The service takes many more settings than the contract lists.
        wanted = SessionRequest.model_validate(body, extra="ignore")
    except ValidationError as invalid:
        # Without the values: they may hold a proxy's password.
        problems = [
            ".".join(["body", *map(str, problem["loc"])]) + ": " + problem["msg"]
            for problem in invalid.errors(include_input=False, include_url=False)
        ]
        raise _BadBody("; ".join(problems)) from None
    if not isinstance(wanted.session, SessionSettings):
        return None
    if not isinstance(wanted.session.initial_url, AnyUrl):
        return None
    return str(wanted.session.initial_url)


def _session_id(request: Request) -> str:
    return str(request.path_params["session_id"])


def _no_session(request: Request) -> str:
    return f"no session {_session_id(request)!r} runs here; create one with POST /v1/sessions"


async def _http_error(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    headers = None if problem.headers is None else dict(problem.headers)
    message = f"{request.method} {request.url.path}: {problem.detail}"
    return replies.error(problem.status_code, message, headers)


async def _server_error(_request: Request, problem: Exception) -> Response:
    return replies.error(500, f"{type(problem).__name__}: see the server's log")
