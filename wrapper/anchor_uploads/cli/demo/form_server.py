"""A small web server of the kind that is out there: it serves forms and takes what they post.

It never holds the file: blocks go through the multipart parser into the hash, and are gone.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from types import TracebackType
from typing import TYPE_CHECKING

import attrs
from python_multipart.multipart import MultipartParser, parse_options_header

from anchor_uploads.cli.demo.page import Receipt

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks
    from typing_extensions import Self

BLOCK = 256 * 1024


def form_page(receipt: Receipt | None = None, *, action: str = "") -> str:
    """Return the form, or what arrived. Without an `action` the page hashes the file itself, and posts nothing."""
    # Inside <script> the one thing that JSON does not protect from is a tag.
    data = json.dumps(receipt and attrs.asdict(receipt)).replace("<", "\\u003c")
    html = files("anchor_uploads.cli.demo").joinpath("form.html").read_text(encoding="utf-8")
    return html.replace("{{receipt}}", data).replace("{{action}}", action)


class FormServer:
    """The server, on a free port of loopback, while its `with` block runs. receipts: what came, in order.

    Another site than the demo's has its own `page`, `thanks` and `keep`.
    """

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []

    def __enter__(self) -> Self:
        site: FormServer = self

        class Handler(_FormHandler):
            form_server = site

        # Bound before the thread starts, so that the port is known and connections wait.
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port: int = self._server.server_port
        self.origin: str = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        # Not server_close(): it would wait for handlers whose browser is gone.
        self._server.socket.close()

    def page(self, path: str) -> str | None:
        """Return the HTML that is at a path, with its query; None if nothing is."""
        return form_page(action="/") if path == "/" else None

    def thanks(self, receipts: Sequence[Receipt]) -> str:
        """Return the HTML that answers a form in which these files came."""
        return form_page(receipts[-1] if receipts else None, action="/")

    def keep(self, receipts: Sequence[Receipt]) -> None:
        """Note the files of a form that has come whole."""
        self.receipts.extend(receipts)


class _FormHandler(BaseHTTPRequestHandler):
    form_server: FormServer
    timeout = 60

    def do_GET(self) -> None:
        html = self.form_server.page(self.path)
        if html is None:
            self.send_error(404)
        else:
            self._reply(html)

    def do_POST(self) -> None:
        kind, options = parse_options_header(self.headers.get("Content-Type"))
        if kind != b"multipart/form-data" or b"boundary" not in options:
            self.send_error(415)
            return
        parts = _Parts()
        parser = MultipartParser(options[b"boundary"], parts.callbacks())
        left = int(self.headers["Content-Length"])
        while left:
            block = self.rfile.read(min(left, BLOCK))
            if not block:
                return
            left -= len(block)
            parser.write(block)
        parser.finalize()
        self.form_server.keep(parts.receipts)
        # The page may have gone elsewhere by now.
        with suppress(ConnectionError):
            self._reply(self.form_server.thanks(parts.receipts))

    def _reply(self, html: str) -> None:
        body = html.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: those who started the server tell what happens."""


class _Parts:
    """What the parser tells of a form's parts; each that has the name of a file is one."""

    def __init__(self) -> None:
        self.receipts: list[Receipt] = []
        self._header_name = bytearray()
        self._header_value = bytearray()

    def callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._on_part_begin,
            "on_header_field": self._on_header_field,
            "on_header_value": self._on_header_value,
            "on_header_end": self._on_header_end,
            "on_part_data": self._on_part_data,
            "on_part_end": self._on_part_end,
        }

    def _on_part_begin(self) -> None:
        self._name, self._size, self._digest = "", 0, hashlib.sha256()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]

    def _on_header_end(self) -> None:
        if self._header_name.lower() == b"content-disposition":
            self._name = parse_options_header(bytes(self._header_value))[1].get(b"filename", b"").decode()
        self._header_name.clear()
        self._header_value.clear()

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._digest.update(memoryview(data)[start:end])
        self._size += end - start

    def _on_part_end(self) -> None:
        # An input without a file sends a part with an empty name.
        if self._name:
            self.receipts.append(Receipt(self._name, self._size, self._digest.hexdigest()))
