"""A server that reads uploads and throws them away, as fast as Python can. Prints its port, runs until stdin closes."""

from __future__ import annotations

import re
import socket
import sys
import threading

REPLY = b'{"data":{"status":"success","message":"File saved at /uploads/a.bin"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(REPLY), REPLY)


def serve(connection: socket.socket) -> None:
    scratch = memoryview(bytearray(1 << 20))
    pending = b""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while True:
            while b"\r\n\r\n" not in pending:
                block = connection.recv(65536)
                if not block:
                    return
                pending += block
            head, _, rest = pending.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: *(\d+)", head)
            left = int(length[1]) - len(rest) if length else 0
            while left > 0:
                left -= connection.recv_into(scratch, min(left, len(scratch)))
            pending = b""
            connection.sendall(ANSWER)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
