"""A server that answers each upload after 20 ms: `python -m benchmark.programs.slow_answers [CERTIFICATE [SECONDS]]`.

With SECONDS a proxy stands before it, which keeps all that passes for so long, each way. Its port is the first line
that it prints. To each line that it is sent it prints, as JSON, how many connections have carried uploads since the
last one; it ends with its standard input.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from typing import cast

from benchmark.programs.sink import ANSWER, LENGTH

ANSWERED_AFTER = 0.02


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
            length = LENGTH.search(head)
            self._left = int(length[1]) - len(rest) if length else 0
            if not self._counted:
                self._counted = True
                _Connection.uploading += 1
        if not self._left:
            self._loop.call_later(ANSWERED_AFTER, self._transport.write, ANSWER)


async def _pass_on_late(seconds: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def write() -> None:
        while True:
            due, block = await waiting.get()
            await asyncio.sleep(due - loop.time())
            if not block:
                writer.close()
                return
            writer.write(block)

    writing = asyncio.ensure_future(write())
    while block := await reader.read(65536):
        waiting.put_nowait((loop.time() + seconds, block))
    waiting.put_nowait((loop.time() + seconds, b""))
    await writing


async def _start_proxy(port: int, seconds: float) -> asyncio.Server:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(
            _pass_on_late(seconds, reader, far_writer),
            _pass_on_late(seconds, far_reader, writer),
            return_exceptions=True,
        )

    return await asyncio.start_server(relay, "127.0.0.1", 0, backlog=1024)


async def main(*arguments: str) -> None:
    loop = asyncio.get_running_loop()
    context = None
    if arguments:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(arguments[0])
    server = await loop.create_server(_Connection, "127.0.0.1", 0, backlog=1024, ssl=context)
    front = server
    if len(arguments) > 1:
        front = await _start_proxy(server.sockets[0].getsockname()[1], float(arguments[1]))
    print(front.sockets[0].getsockname()[1], flush=True)
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps({"connections": _Connection.uploading}), flush=True)
        _Connection.uploading = 0


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
