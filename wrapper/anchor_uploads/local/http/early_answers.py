"""Answers that go out before the request's body has been read."""

from __future__ import annotations

from collections.abc import Callable

from anyio import move_on_after
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["EarlyAnswers"]

_IDLE_SECONDS = 1.0
_TOTAL_SECONDS = 5.0


class EarlyAnswers:
    """Sends an answer at once, then reads on for a while and throws away what comes.

    Closing a connection with unread bytes resets it, and the reset can overtake the answer: the
    client would see a broken pipe instead of the reason. Memory stays flat, and the reading ends
    after 5 seconds, after 1 second of silence, or when `stopping()` says so.
    """

    def __init__(self, app: ASGIApp, *, stopping: Callable[[], bool]) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        body_ended = False
        body_begun = False
        answered_early = False

        async def watched_receive() -> Message:
            nonlocal body_ended, body_begun
            message = await receive()
            body_begun = True
            body_ended = message["type"] != "http.request" or not message.get("more_body", False)
            return message

        async def early_send(message: Message) -> None:
            nonlocal answered_early
            if message["type"] == "http.response.start" and not body_ended:
                answered_early = True
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
            last = message["type"] == "http.response.body" and not message.get("more_body", False)
            if not (last and answered_early):
                await send(message)
                return
            await send({**message, "more_body": True})
            # Who waits for "100 Continue" has sent nothing, and will not.
            if body_begun or not _expects_continue(scope):
                await read_on()
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        async def read_on() -> None:
            with move_on_after(_TOTAL_SECONDS):
                while not body_ended and not self._stopping():
                    with move_on_after(_IDLE_SECONDS) as silence:
                        await watched_receive()
                    if silence.cancelled_caught:
                        return

        await self._app(scope, watched_receive, early_send)


def _has_body(scope: Scope) -> bool:
    headers = dict(scope["headers"])
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"


def _expects_continue(scope: Scope) -> bool:
    expectation: bytes = dict(scope["headers"]).get(b"expect", b"")
    return expectation.lower() == b"100-continue"
