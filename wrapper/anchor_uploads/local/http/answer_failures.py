"""What a client hears of a fault of this server's own."""

from __future__ import annotations

import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anchor_uploads.local.http import replies

__all__ = ["AnswerFailures"]

_logger = logging.getLogger("anchor_uploads.local")


class AnswerFailures:
    """Answers 500 in place of an application that raised, and logs what it raised.

    Starlette's own answer leaves the exception to the server outside, which then closes a connection that the answer
    had promised to keep: what the client sends next is lost.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noting_send(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noting_send)
        except Exception as problem:
            if scope["type"] != "http" or begun:
                raise
            _logger.exception("%s %s failed", scope["method"], scope["path"])
            await replies.error(500, f"{type(problem).__name__}: see the server's log")(scope, receive, send)
