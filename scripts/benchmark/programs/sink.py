"""A server that reads uploads and throws them away: `python -m benchmark.programs.sink [CERTIFICATE]`.

Its port is the first line that it prints. To each line that it is sent it prints, as JSON, the CPU seconds that it has
taken so far; it ends with its standard input.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import sys
import threading
import time

REPLY = b'{"data":{"status":"success","message":"File saved at /uploads/a.bin"}}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(REPLY), REPLY)
LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


def serve(connection: socket.socket, context: ssl.SSLContext | None) -> None:
    scratch = memoryview(bytearray(1 << 20))
    # Linux discards what has come without copying it, so that a sink in Python is as fast as any.
    flags = socket.MSG_TRUNC if sys.platform == "linux" and not context else 0
    pending = b""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection if context is None else context.wrap_socket(connection, server_side=True) as stream:
        while True:
            while b"\r\n\r\n" not in pending:
                block = stream.recv(65536)
                if not block:
                    return
                pending += block
            head, _, rest = pending.partition(b"\r\n\r\n")
            length = LENGTH.search(head)
            left = int(length[1]) - len(rest) if length else 0
            if b"100-continue" in head:
                # curl waits a second for it.
                stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            while left > 0:
                got = stream.recv_into(scratch, min(left, len(scratch)), flags)
                if not got:
                    return
                left -= got
            pending = b""
            stream.sendall(ANSWER)


def main(*certificate: str) -> None:
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate[0])
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection, context), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    print(listener.getsockname()[1], flush=True)
    for _ in sys.stdin:
        print(json.dumps({"cpu": time.process_time()}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
