"""Pages for people: each stands alone, and runs nothing but what is in its own template."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import datetime, timezone
from html import escape
from importlib.resources import files

from starlette.responses import HTMLResponse

from anchor_uploads._human import human_size
from anchor_uploads.local.sessions import StoredFile

__all__ = ["NOT_KEPT", "Page", "upload_rows"]

NOT_KEPT = {"cache-control": "no-store", "referrer-policy": "no-referrer", "x-content-type-options": "nosniff"}
"""Headers of what shows a session."""

_ROOM = files("anchor_uploads.local.http")


class Page:
    """A template with places such as {{id}}."""

    def __init__(self, name: str) -> None:
        template = _ROOM.joinpath(name).read_text("utf-8")
        self._template = template.replace("{{style}}", _ROOM.joinpath("pages.css").read_text("utf-8"))
        # File names are strangers' text: should one get through, it must not run.
        policy = (
            "default-src 'none'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            f"style-src {self._hash('style')}; script-src {self._hash('script')}"
        )
        self._headers = {**NOT_KEPT, "content-security-policy": policy}

    def filled(self, status: int, **html: str) -> HTMLResponse:
        """Return the page, with HTML in its places."""
        # In one go, so that nothing that was put in is taken for a place.
        text = re.sub(r"\{\{(\w+)\}\}", lambda place: html[place[1]], self._template)
        return HTMLResponse(text, status, self._headers)

    def _hash(self, element: str) -> str:
        content = self._template.partition(f"<{element}>")[2].partition(f"</{element}>")[0]
        return (
            f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" if content else "'none'"
        )


def upload_rows(stored: list[StoredFile]) -> str:
    """Return the rows of a table of uploads."""
    return "".join(map(_row, stored))


def _row(file: StoredFile) -> str:
    when = datetime.fromtimestamp(file.stored, timezone.utc)
    return (
        f'<tr><td class="name">{escape(file.name)}</td><td class="size">{_size(file.size)}</td>'
        f'<td class="when"><time datetime="{when.isoformat()}">{when:%H:%M:%S} UTC</time></td></tr>'
    )


def _size(size: int) -> str:
    exact = "1 byte" if size == 1 else f"{size:,} bytes"
    return exact if size < 1024 else f'<span title="{exact}">{human_size(size)}</span>'
