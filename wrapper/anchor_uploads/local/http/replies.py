"""What the server answers, in the shapes of the contract."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any, Protocol

from starlette.responses import JSONResponse

from anchor_browser_api_client.models import (
    ErrorDetail,
    ErrorResponse,
    SessionData,
    SessionList,
    SessionListItem,
    SessionListReply,
    SessionReply,
    SessionStatus,
    SessionStatusReply,
    UploadFailed,
    UploadRefused,
    UploadRefusedDetail,
    UploadReply,
    UploadResult,
    UploadSessionNotFound,
)

__all__ = [
    "error",
    "failure",
    "session_started",
    "session_status",
    "sessions_listed",
    "upload_failed",
    "upload_refused",
    "upload_session_not_found",
    "uploaded",
]


class _Model(Protocol):
    def to_dict(self) -> dict[str, Any]: ...


def session_started(session_id: str, *, cdp_url: str, live_view_url: str) -> JSONResponse:
    data = SessionData(id=session_id, cdp_url=cdp_url, live_view_url=live_view_url)
    return _json(200, SessionReply(data=data))


def session_status(status: str) -> JSONResponse:
    return _json(200, SessionStatusReply(data=SessionStatus(status=status)))


def sessions_listed(sessions: Iterable[tuple[str, float]]) -> JSONResponse:
    """Return the list of those that run: of each the id, and when it was started, in seconds since 1970."""
    items = [
        SessionListItem(
            session_id=session_id,
            status="running",
            created_at=datetime.fromtimestamp(created, timezone.utc).isoformat(timespec="milliseconds"),
        )
        for session_id, created in sessions
    ]
    return _json(200, SessionListReply(data=SessionList(count=len(items), items=items)))


def uploaded(message: str) -> JSONResponse:
    return _json(200, UploadReply(data=UploadResult(status="success", message=message)))


def upload_refused(message: str) -> JSONResponse:
    return _json(400, UploadRefused(error=UploadRefusedDetail(code=400, message=message)))


def upload_session_not_found(message: str) -> JSONResponse:
    # Nested twice, as the contract has it; so is the next one.
    return _json(404, UploadSessionNotFound(error=_response(404, message)))


def upload_failed(message: str) -> JSONResponse:
    return _json(500, UploadFailed(error=_response(500, message)))


def failure(operation: str, status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    """Return an error as this operation answers it."""
    if operation == "upload_file" and status in (404, 500):
        return _json(status, UploadFailed(error=_response(status, message)), headers)
    return error(status, message, headers)


def error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return _json(status, _response(status, message), headers)


def _response(status: int, message: str) -> ErrorResponse:
    return ErrorResponse(error=ErrorDetail(code=status, message=message))


def _json(status: int, body: _Model, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(body.to_dict(), status_code=status, headers=headers)
