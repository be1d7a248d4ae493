"""What the wrapper takes from the contract: requests from the generated client, and the facts it does not carry.

No other module of the wrapper names a path, a method, a field or a header of the API. What stands here by hand is
compared with `spec/openapi.yaml` by the contract tests.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from attrs import frozen

from anchor_browser_api_client.api.sessions import (
    create_session,
    end_all_sessions,
    end_session,
    get_session,
    list_sessions,
)
from anchor_browser_api_client.api.uploads import upload_file
from anchor_browser_api_client.models import SessionRequest, UploadForm
from anchor_browser_api_client.types import UNSET, File
from anchor_uploads._sources.names import without_urls_secrets
from anchor_uploads.errors import InvalidArgument

API_KEY_HEADER = "anchor-api-key"


class SessionId:
    """A session id as it was handed in. It is shown only once it was found to be one: a key may stand in its place."""

    def __init__(self, given: object) -> None:
        # A session has its id.
        self._given = getattr(given, "id", given)

    def __repr__(self) -> str:
        return "'…'"

    def uuid(self) -> UUID:
        """Return the UUID that it must be. Raises `InvalidArgument`."""
        parsed = None
        with suppress(ValueError):
            parsed = UUID(str(self._given))
        # UUID() also takes braces, "urn:uuid:" and no hyphens at all, and the service does not.
        if parsed is None or str(parsed) != str(self._given).lower():
            # It may be a URL, of arguments that were exchanged; or the key, which no variable here may hold.
            raise InvalidArgument(
                f"{without_urls_secrets(repr(self._given))} is not a session id: those are UUIDs, as create_session "
                "returns them"
            )
        return parsed


@frozen
class Operation:
    """One request as the contract describes it, without what is sent to whom.

    `path` is relative to the base URL, `field` the multipart field of the file (empty where there is no file), `json`
    the encoded body (empty where there is nothing to say, None where none can be sent), `keep` how many bytes of an
    answer are kept: more than the API has to say.
    """

    method: str
    path: str
    field: str = ""
    json: bytes | None = None
    keep: int = 64 * 1024


def upload(session_id: UUID) -> Operation:
    """Return the operation that puts a file into a session (`uploadFile`)."""
    # The payload is never read from here: the wrapper's own body streams it.
    form = UploadForm(file=File(payload=None))  # type: ignore[arg-type]
    arguments = upload_file._get_kwargs(session_id, body=form)
    ((field, _part),) = arguments["files"]
    return Operation(arguments["method"].upper(), arguments["url"], field=field)


def create(body: dict[str, Any]) -> Operation:
    """Return the operation that starts a session (`createSession`); `body` is sent as JSON unless it is empty.

    Raises `InvalidArgument` if `body` does not have the documented shape, or cannot be JSON.
    """
    try:
        arguments = create_session._get_kwargs(body=SessionRequest.from_dict(body) if body else UNSET)
        content = json.dumps(arguments["json"], allow_nan=False).encode() if "json" in arguments else b""
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InvalidArgument(f"the settings of a session must be objects as documented: {error}") from error
    return Operation(arguments["method"].upper(), arguments["url"], json=content)


def get(session_id: UUID) -> Operation:
    """Return the operation that tells a session's state (`getSession`)."""
    arguments = get_session._get_kwargs(str(session_id))
    return Operation(arguments["method"].upper(), arguments["url"])


def end(session_id: UUID) -> Operation:
    """Return the operation that ends a session (`endSession`)."""
    arguments = end_session._get_kwargs(str(session_id))
    return Operation(arguments["method"].upper(), arguments["url"])


def list_all() -> Operation:
    """Return the operation that tells which sessions there are (`listSessions`)."""
    arguments = list_sessions._get_kwargs()
    # It has no pages. This is room for some 100 000 sessions.
    return Operation(arguments["method"].upper(), arguments["url"], keep=16 * 1024 * 1024)


def end_all() -> Operation:
    """Return the operation that ends all sessions (`endAllSessions`)."""
    arguments = end_all_sessions._get_kwargs()
    return Operation(arguments["method"].upper(), arguments["url"])
