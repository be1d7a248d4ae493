"""A relay in front of a server of this machine that counts the bytes which go to it."""

from __future__ import annotations

import contextlib
import socket
import threading
from urllib.parse import urlsplit

BLOCK = 256 * 1024


class CountingRelay:
    """Relays to the server that `url` names, on a free port of loopback, while its `with` block runs."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._server = (parts.hostname, parts.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self._threads: list[threading.Thread] = []
        self.url = parts._replace(netloc=f"127.0.0.1:{self._listener.getsockname()[1]}").geturl()
        self.sent = 0

    def __enter__(self) -> CountingRelay:
        self._start(self._accept)
        return self

    def __exit__(self, *_exception: object) -> None:
        for each in self._sockets:
            # Whoever reads or accepts there wakes up by it; a socket that is merely closed may leave it waiting.
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join()

    def _start(self, target: object, *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _address = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._start(self._copy, client, server, True)
                self._start(self._copy, server, client, False)

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                if counted:
                    self.sent += len(block)
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)
