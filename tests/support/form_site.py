"""A web site with upload forms of all kinds, and a record of what arrives in them.

It answers under two names of this machine, 127.0.0.1 and localhost, which are two sites for a browser: a frame of the
one in a page of the other runs in a process of its own.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from urllib.parse import parse_qs, quote, urlsplit

from anchor_uploads.cli.demo.form_server import FormServer
from anchor_uploads.cli.demo.page import Receipt as Received

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


class FormSite(FormServer):
    """The site, while its `with` block runs."""

    def __init__(self) -> None:
        super().__init__()
        self._submitted: queue.Queue[list[Received]] = queue.Queue()
        self._own: dict[str, str] = {}

    def url(self, place: str = "main", attributes: str = "", host: str = "127.0.0.1") -> str:
        """The address of a page whose form is in `place`, with these attributes of its input."""
        return f"http://{host}:{self.port}/{place}?attributes={quote(attributes)}"

    def put(self, place: str, html: str) -> str:
        """Serve a page of the caller's own there, and return its address."""
        self._own[f"/{place}"] = html
        return f"{self.origin}/{place}"

    def zone(self, place: str = "main", attributes: str = "") -> str:
        """The address of a page with two drop zones in `place`, with these attributes of the first one."""
        return f"{self.origin}/{place}?of=zone&attributes={quote(attributes)}"

    def submitted(self) -> list[Received]:
        """The files of the next form that arrives."""
        return self._submitted.get(timeout=20)

    def keep(self, receipts: Sequence[Received]) -> None:
        """Note the files of a form."""
        self._submitted.put(list(receipts))

    def thanks(self, receipts: Sequence[Received]) -> str:
        """Return the answer to a form."""
        return "<!doctype html><title>received</title>Thank you"

    def page(self, path: str) -> str | None:
        """Return one of the pages."""
        url = urlsplit(path)
        query = parse_qs(url.query)
        attributes = query.get("attributes", [""])[0]
        port = self.port
        form = FORM.format(port=port, attributes=attributes)
        script = ""
        if query.get("of") == ["zone"]:
            form, script = ZONE.format(attributes=attributes), ZONE_SCRIPT.replace("PORT", str(port))
        shadow = SHADOW.format(markup=" ".join(form.split())) + script
        iframe, embed = (
            SHADOW.format(markup=f'<{tag} src="/main?{url.query}"></{tag}>') for tag in ("iframe", "embed")
        )
        pages = {
            "/main": form + script,
            "/same-origin": f'<iframe src="/main?{url.query}"></iframe>',
            "/cross-origin": f'<iframe src="http://localhost:{port}/main?{url.query}"></iframe>',
            "/nested": f'<iframe src="http://localhost:{port}/same-origin?{url.query}"></iframe>',
            "/scaled": f'<iframe style="transform: scale(.5) translate(40px, 30px); border: 7px solid; padding: 3px" '
            f'src="http://localhost:{port}/main?{url.query}"></iframe>',
            "/shadow": shadow,
            "/closed-shadow": shadow.replace('"open"', '"closed"'),
            "/shadow-iframe": iframe,
            "/closed-shadow-iframe": iframe.replace('"open"', '"closed"'),
            "/closed-shadow-embed": embed.replace('"open"', '"closed"'),
            "/beside-iframe": form + script + iframe,
            "/beside-closed-iframe": form + script + iframe.replace('"open"', '"closed"'),
            "/hidden": form.replace("<input ", "<input hidden style='display: none' "),
            "/chooser": form + BUTTON,
            "/detached": DETACHED.format(multiple=str("multiple" in attributes).lower()),
        }
        if url.path in self._own:
            return self._own[url.path]
        if url.path not in pages:
            return None
        return f"<!doctype html><title>{url.path}</title><link rel=icon href=data:,>{pages[url.path]}"
