"""The page behind `live_view_url`."""

from __future__ import annotations

from html import escape

from anchor_uploads.local.sessions import Session

__all__ = ["live_view_page"]


def live_view_page(session: Session) -> str:
    """An HTML page that lists the session's uploads with their sizes. Blocks on the disk."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{size:,} bytes</td></tr>" for name, size in session.stored_files())
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Session {session.id}</title><h1>Session {session.id}</h1>"
        f"<table><caption>Uploads</caption>{rows or '<tr><td>none yet</td></tr>'}</table></html>"
    )
