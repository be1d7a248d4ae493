"""Notes each request and how it was answered."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anchor_uploads.local.clock import monotonic
from anchor_uploads.local.records import ReceivedRequest, Records

__all__ = ["RecordRequests"]

_OF_THE_SERVER_ITSELF = ("/healthz", "/live/", "/local/")


class RecordRequests:
    """Tells `records` of requests, before the answer's end goes out: whoever has the answer finds the request.

    Left out are those that are not meant for Anchor: what a test asks of the server, and who looks at a live view. The
    connection's state must have its "broken".
    """

    def __init__(self, app: ASGIApp, *, records: Records) -> None:
        self._app = app
        self._records = records

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_OF_THE_SERVER_ITSELF):
            await self._app(scope, receive, send)
            return
        began = monotonic()
        status: int | None = None
        recorded = False

        def record() -> None:
            nonlocal recorded
            if not recorded:
                recorded = True
                seconds = monotonic() - began
                self._records.add_request(ReceivedRequest(scope["method"], scope["path"], status, seconds))

        async def recording_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start" and not scope["state"]["broken"]():
                status = message["status"]
            elif message["type"] == "http.response.body" and not message.get("more_body", False):
                record()
            await send(message)

        try:
            await self._app(scope, receive, recording_send)
        finally:
            record()
