"""Create, get, list and end sessions: calls without a file, each attempt of which sends the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from anchor_uploads._call import contract, reply
from anchor_uploads._call.contract import Operation, SessionId
from anchor_uploads._call.exchange import Answer, Calls, Send
from anchor_uploads._call.reply import Session, SessionInfo
from anchor_uploads._call.settings import Deadline, Settings
from anchor_uploads._call.table import judged, may_have_taken_effect, repeated
from anchor_uploads.errors import AnchorUploadsError, SessionNotFound

Result = TypeVar("Result")


def create_session(settings: Settings, body: dict[str, Any]) -> Calls[Session]:
    """Return the steps that start a session; `body` is sent as it is."""
    return _call(settings, contract.create(body), "create_session", reply.created_session, idempotent=False)


def get_session(settings: Settings, session: SessionId) -> Calls[str | None]:
    """Return the steps that ask for the status of a session."""
    session_id = session.uuid()
    return _call(settings, contract.get(session_id), f"get_session {session_id}", reply.session_status, idempotent=True)


def end_session(settings: Settings, session: SessionId) -> Calls[str | None]:
    """Return the steps that end a session."""
    session_id = session.uuid()
    return _call(
        settings,
        contract.end(session_id),
        f"end_session {session_id}",
        reply.session_status,
        idempotent=True,
        gone_is_done=True,
    )


def list_sessions(settings: Settings) -> Calls[tuple[SessionInfo, ...]]:
    """Return the steps that ask which sessions there are."""
    return _call(settings, contract.list_all(), "list_sessions", reply.listed_sessions, idempotent=True)


def end_all_sessions(settings: Settings) -> Calls[str | None]:
    """Return the steps that end all sessions."""
    return _call(settings, contract.end_all(), "end_all_sessions", reply.session_status, idempotent=True)


def _call(
    settings: Settings,
    operation: Operation,
    what: str,
    read: Callable[[Answer, str], Result | AnchorUploadsError],
    *,
    idempotent: bool,
    gone_is_done: bool = False,
) -> Calls[Any]:
    send = Send(settings, operation, Deadline(settings.deadline))
    may_be_done = False

    def attempt(_number: int) -> Calls[Any]:
        nonlocal may_be_done
        came = yield send
        result = judged(came, send, what, read)
        if isinstance(result, SessionNotFound) and gone_is_done and may_be_done:
            # An earlier attempt of the same call has done it, without saying so.
            return None
        may_be_done |= isinstance(result, AnchorUploadsError) and may_have_taken_effect(result)
        return result

    return repeated(attempt, settings, send.deadline, idempotent=idempotent)
