"""A server that answers each upload after 20 ms, however many there are. Prints its port, runs until stdin closes.

GET tells how many connections have carried uploads since the last GET.
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

from benchmark.sink import ANSWER

_DELAY = 0.02
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


class _Connection(asyncio.Protocol):
    uploading = 0

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pending = b""
        self._left = 0
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._left:
            self._left -= len(data)
        else:
            self._pending += data
            head, end, rest = self._pending.partition(b"\r\n\r\n")
            if not end:
                return
            self._pending = b""
            length = _LENGTH.search(head)
            if not length:
                self._tell()
                return
            self._left = int(length[1]) - len(rest)
            self._count()
        if not self._left:
            self._loop.call_later(_DELAY, self._transport.write, ANSWER)

    def _count(self) -> None:
        if not self._counted:
            self._counted = True
            _Connection.uploading += 1

    def _tell(self) -> None:
        count = str(_Connection.uploading).encode()
        self._transport.write(b"HTTP/1.0 200 OK\r\n\r\n" + count)
        self._transport.close()
        _Connection.uploading = 0


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
