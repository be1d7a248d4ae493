"""Does to requests what a test asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from anchor_uploads.local.clock import monotonic
from anchor_uploads.local.faults import Fault, Faults
from anchor_uploads.local.http import replies

__all__ = ["InjectFaults"]


class InjectFaults:
    """Does to requests what `faults` say, until `stopping()`. The connection's state must have its "abort"."""

    def __init__(self, app: ASGIApp, *, faults: Faults, stopping: Callable[[], bool]) -> None:
        self._app = app
        self._faults = faults
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._faults.take(scope["method"], scope["path"]) if scope["type"] == "http" else None
        if fault is None:
            await self._app(scope, receive, send)
            return
        conversation = _Conversation(fault, scope["state"]["abort"], self._stopping, receive, send)
        await conversation.pause(fault.delay)
        if fault.drop_after == 0:
            await conversation.drop()
        elif fault.status is None:
            await self._app(scope, conversation.receive, conversation.send)
        else:
            if fault.drop_after is not None or fault.bytes_per_second is not None:
                await conversation.read_all()
            if not conversation.dropped:
                await _answer(fault)(scope, conversation.receive, conversation.send)


class _Conversation:
    """One request and its answer, as far as the fault lets them through."""

    def __init__(
        self, fault: Fault, abort: Callable[[], None], stopping: Callable[[], bool], receive: Receive, send: Send
    ) -> None:
        self.dropped = False
        self._fault = fault
        self._abort = abort
        self._stopping = stopping
        self._receive = receive
        self._send = send
        self._received = 0
        self._began = monotonic()

    async def pause(self, seconds: float) -> None:
        until = monotonic() + seconds
        while monotonic() < until and not self._stopping():  # noqa: ASYNC110
            await asyncio.sleep(min(until - monotonic(), 0.1))

    async def drop(self) -> None:
        self.dropped = True
        self._abort()
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def receive(self) -> Message:
        if self.dropped:
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._received += len(message.get("body", b""))
        if self._fault.bytes_per_second is not None:
            due = self._began + self._received / self._fault.bytes_per_second
            await self.pause(due - monotonic())
        if self._fault.drop_after is not None and self._received >= self._fault.drop_after:
            await self.drop()
            return {"type": "http.disconnect"}
        return message

    async def read_all(self) -> None:
        while True:
            message = await self.receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return

    async def send(self, message: Message) -> None:
        if self._fault.drop_answer:
            if not self.dropped:
                await self.drop()
        elif not self.dropped:
            await self._send(message)


def _answer(fault: Fault) -> Response:
    assert fault.status is not None
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    if fault.status in (204, 205, 304):
        return Response(None, fault.status, headers)
    if fault.body is None:
        return replies.failure(fault.operation, fault.status, "a fault that was asked for", headers)
    if isinstance(fault.body, (str, bytes)):
        return Response(fault.body, fault.status, {"content-type": "text/plain; charset=utf-8", **headers})
    return Response(json.dumps(fault.body), fault.status, {"content-type": "application/json", **headers})
