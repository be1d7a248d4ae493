"""A proxy that lets TLS through (RFC 9110 §9.3.6), spoken to in plain HTTP or in TLS itself."""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress


class Tunnel:
    """Leads to `port` of this machine whatever it is asked for, while its `with` block runs.

    asked: the request lines. tls: what it is spoken to with, None for plain HTTP.
    """

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[str] = []
        self._target = port
        self._tls = tls
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Tunnel:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://localhost:{self._port}"

    async def _serve(self) -> None:
        self._loop, self._stopping = asyncio.get_running_loop(), asyncio.Event()
        self._tunnels: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._tunnel, "127.0.0.1", 0, ssl=self._tls)
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopping.wait()
        server.close()
        for tunnel in self._tunnels:
            tunnel.cancel()
        await asyncio.gather(*self._tunnels, return_exceptions=True)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tunnels.add(task)
        onward: asyncio.StreamWriter | None = None
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.asked.append(head.partition(b"\r\n")[0].decode())
            back, onward = await asyncio.open_connection("127.0.0.1", self._target)
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            await asyncio.gather(_copy(reader, onward), _copy(back, writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tunnels.discard(task)
            for end in filter(None, (writer, onward)):
                end.close()
                with suppress(OSError, asyncio.CancelledError):
                    await end.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while block := await reader.read(64 * 1024):
        writer.write(block)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()
    else:
        writer.close()
