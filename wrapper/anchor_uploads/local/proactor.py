"""What asyncio's event loop of Windows leaves open."""

from __future__ import annotations

import socket
from contextlib import suppress
from functools import wraps
from typing import Any

__all__ = ["close_what_was_reset"]


def close_what_was_reset(transports: Any) -> None:
    """Have a class of transports close their sockets also where the other end has reset the connection.

    asyncio shuts a socket down before it closes it. Of a connection that was reset that raises, in a callback where
    nobody hears it: the socket stays open, and the server waits for the connection for ever (Python 3.10 to 3.13). What
    is closed already, it only forgets.
    """
    lost = transports._call_connection_lost
    if hasattr(lost, "__wrapped__"):
        return

    @wraps(lost)
    def close_and_forget(self: Any, error: Exception | None) -> None:
        connection = getattr(self, "_sock", None)
        if isinstance(connection, socket.socket) and connection.fileno() != -1:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        lost(self, error)

    transports._call_connection_lost = close_and_forget
