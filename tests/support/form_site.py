"""A web site with upload forms of all kinds, and a record of what arrives in them.

It answers under two names of this machine, 127.0.0.1 and localhost, which are two sites for a browser: a frame of the
one in a page of the other runs in a process of its own.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from python_multipart.multipart import MultipartParser, parse_options_header

BLOCK = 256 * 1024
FORM = """
<form method=post action="http://127.0.0.1:{port}/submit" enctype=multipart/form-data>
  <input type=file name=document {attributes}><button>Send</button>
</form>
"""
SHADOW = """
<div id=host></div>
<script>
  window.root = document.querySelector("#host").attachShadow({{mode: "open"}});
  root.innerHTML = {markup!r};
</script>
"""
BUTTON = '<button type=button id=open onclick="document.querySelector(`input`).click()">Choose</button>'
ZONE = """
<style>.zone {{ width: 200px; height: 100px; background: #ddd }}</style>
<div class=zone id=zone {attributes}>Drop files here</div><div class=zone id=neighbour>Or here</div>
"""
ZONE_SCRIPT = """
<script>
  window.heard = [];
  const zones = (window.root ?? document).querySelectorAll(".zone");
  for (const zone of zones)
    for (const type of ["dragenter", "dragover", "dragleave", "drop"])
      zone.addEventListener(type, event => {
        heard.push([zone.id, type, event.isTrusted]);
        event.preventDefault();
        if (type !== "drop") return;
        window.entries = Array.from(event.dataTransfer.items, item => item.webkitGetAsEntry()?.name);
        const body = new FormData();
        for (const file of event.dataTransfer.files) body.append(zone.id, file);
        fetch("http://127.0.0.1:PORT/submit", {method: "POST", mode: "no-cors", body});
      });
</script>
"""
DETACHED = """
<button type=button id=open>Choose</button>
<script>
  document.querySelector("#open").onclick = () => {{
    const input = Object.assign(document.createElement("input"), {{type: "file", multiple: {multiple}}});
    input.onchange = () => {{
      const body = new FormData();
      for (const file of input.files) body.append("document", file);
      input.value = "";
      fetch("/submit", {{method: "POST", body}});
    }};
    input.click();
  }};
</script>
"""


@dataclass
class Received:
    """A file that arrived in a form."""

    name: str
    size: int
    sha256: str


@dataclass
class _Part:
    """What the parser tells of the part that it is in."""

    files: list[Received] = field(default_factory=list)
    header: bytearray = field(default_factory=bytearray)
    value: bytearray = field(default_factory=bytearray)
    name: str | None = None
    size: int = 0
    digest: Any = None

    def callbacks(self) -> Any:
        return {
            "on_part_begin": self.begin,
            "on_header_field": lambda data, start, end: self.header.extend(data[start:end]),
            "on_header_value": lambda data, start, end: self.value.extend(data[start:end]),
            "on_header_end": self.header_end,
            "on_part_data": self.data,
            "on_part_end": self.end,
        }

    def begin(self) -> None:
        self.name, self.size, self.digest = None, 0, hashlib.sha256()

    def header_end(self) -> None:
        if self.header.lower() == b"content-disposition":
            options = parse_options_header(bytes(self.value))[1]
            self.name = options[b"filename"].decode() if b"filename" in options else None
        self.header.clear()
        self.value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        self.digest.update(memoryview(data)[start:end])
        self.size += end - start

    def end(self) -> None:
        # An input without a file sends a part with an empty name.
        if self.name:
            self.files.append(Received(self.name, self.size, self.digest.hexdigest()))


class FormSite:
    """The site, on a free port of loopback, while its `with` block runs."""

    def __init__(self) -> None:
        self._submitted: queue.Queue[list[Received]] = queue.Queue()
        self._own: dict[str, str] = {}

    def __enter__(self) -> FormSite:
        submitted, pages = self._submitted, self._own

        class Handler(_Handler):
            received = submitted
            own = pages

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, place: str = "main", attributes: str = "", host: str = "127.0.0.1") -> str:
        """The address of a page whose form is in `place`, with these attributes of its input."""
        return f"http://{host}:{self.port}/{place}?attributes={quote(attributes)}"

    def put(self, place: str, html: str) -> str:
        """Serve a page of the caller's own there, and return its address."""
        self._own[f"/{place}"] = html
        return f"http://127.0.0.1:{self.port}/{place}"

    def zone(self, place: str = "main", attributes: str = "") -> str:
        """The address of a page with two drop zones in `place`, with these attributes of the first one."""
        return f"http://127.0.0.1:{self.port}/{place}?of=zone&attributes={quote(attributes)}"

    def submitted(self) -> list[Received]:
        """The files of the next form that arrives."""
        return self._submitted.get(timeout=20)


class _Handler(BaseHTTPRequestHandler):
    received: queue.Queue[list[Received]]
    own: dict[str, str]

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        attributes = query.get("attributes", [""])[0]
        port = self.server.server_address[1]
        form = FORM.format(port=port, attributes=attributes)
        script = ""
        if query.get("of") == ["zone"]:
            form, script = ZONE.format(attributes=attributes), ZONE_SCRIPT.replace("PORT", str(port))
        shadow = SHADOW.format(markup=" ".join(form.split())) + script
        pages = {
            "/main": form + script,
            "/same-origin": f'<iframe src="/main?{url.query}"></iframe>',
            "/cross-origin": f'<iframe src="http://localhost:{port}/main?{url.query}"></iframe>',
            "/nested": f'<iframe src="http://localhost:{port}/same-origin?{url.query}"></iframe>',
            "/scaled": f'<iframe style="transform: scale(.5) translate(40px, 30px); border: 7px solid; padding: 3px" '
            f'src="http://localhost:{port}/main?{url.query}"></iframe>',
            "/shadow": shadow,
            "/closed-shadow": shadow.replace('"open"', '"closed"'),
            "/hidden": form.replace("<input ", "<input hidden style='display: none' "),
            "/chooser": form + BUTTON,
            "/detached": DETACHED.format(multiple=str("multiple" in attributes).lower()),
        }
        if url.path in self.own:
            self._reply(200, self.own[url.path])
        elif url.path in pages:
            self._reply(200, f"<!doctype html><title>{url.path}</title><link rel=icon href=data:,>{pages[url.path]}")
        else:
            self._reply(404, "no such page")

    def do_POST(self) -> None:
        boundary = parse_options_header(self.headers["Content-Type"])[1][b"boundary"]
        part = _Part()
        parser = MultipartParser(boundary, part.callbacks())
        left = int(self.headers["Content-Length"])
        while left and (block := self.rfile.read(min(left, BLOCK))):
            left -= len(block)
            parser.write(block)
        if not left:
            parser.finalize()
            self.received.put(part.files)
            self._reply(200, "<!doctype html><title>received</title>Thank you")

    def _reply(self, status: int, html: str) -> None:
        body = html.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""
