"""Speaks CDP over a WebSocket, with nothing between."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from websockets.sync.client import ClientConnection, connect


class Cdp:
    """Just enough of a CDP client."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._last = 0

    def send(self, method: str, session: str | None = None, **params: object) -> dict[str, Any]:
        self._last += 1
        command: dict[str, object] = {"id": self._last, "method": method, "params": params}
        if session is not None:
            command["sessionId"] = session
        self._connection.send(json.dumps(command))
        while True:
            message: dict[str, Any] = json.loads(self._connection.recv(timeout=20))
            if message.get("id") == self._last:
                assert "result" in message, message
                result: dict[str, Any] = message["result"]
                return result

    def page(self) -> str:
        """Attach to the first page, and return the session to send its commands with."""
        targets = self.send("Target.getTargets")["targetInfos"]
        page_id = next(target["targetId"] for target in targets if target["type"] == "page")
        session = self.send("Target.attachToTarget", targetId=page_id, flatten=True)["sessionId"]
        assert isinstance(session, str)
        return session

    def evaluate(self, page: str, expression: str) -> Any:
        return self.send("Runtime.evaluate", page, expression=expression, returnByValue=True)["result"]["value"]


@contextmanager
def cdp(url: str, **options: Any) -> Iterator[Cdp]:
    with connect(url, max_size=None, proxy=None, **options) as connection:
        yield Cdp(connection)
