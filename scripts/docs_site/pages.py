"""Markdown of the repository as pages of the site, with links that lead to where it stands there."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pdoc.render import env
from pdoc.render_helpers import to_html

ROOT = Path(__file__).resolve().parents[2]
GUIDES = ".github/docs"
_TARGETS = {
    "README.md": "index.html",
    "CHANGELOG.md": "changelog.html",
    ".github/CONTRIBUTING.md": "contributing.html",
    "SECURITY.md": "security.html",
}
# The README leads to files by their address, for it is read elsewhere, too.
REPOSITORY = re.compile(
    r"https://(github\.com/anchor-uploads/anchor-uploads/blob|"
    r"raw\.githubusercontent\.com/anchor-uploads/anchor-uploads)/main/"
)
_ORDER = ("command", "official-sdk", "fastapi", "pytest", "browser-use", "selenium", "batches", "docker")


@dataclass(frozen=True)
class Page:
    """A page: the Markdown that it is made of, and where it stands on the site."""

    source: str
    target: str

    @property
    def text(self) -> str:
        return (ROOT / self.source).read_text("utf-8")

    @property
    def title(self) -> str:
        return self.text.partition("\n")[0].removeprefix("# ")

    @property
    def guide(self) -> bool:
        return self.source.startswith(GUIDES)


def pages() -> list[Page]:
    """Return the pages of the site, the guides in the order in which they are useful."""
    names = sorted((path.stem for path in (ROOT / GUIDES).glob("*.md")), key=_ORDER.index)
    guides = [Page(f"{GUIDES}/{name}.md", f"{name}.html") for name in names]
    first, *others = [Page(source, target) for source, target in _TARGETS.items()]
    return [first, *guides, *others]


def rendered(page: Page, site: list[Page]) -> tuple[str, list[Path]]:
    """Return a page as HTML, and the files that are no pages, but that it leads to.

    Raises `LookupError` for a link that leads nowhere.
    """
    targets = {each.source: each.target for each in site}
    files: list[Path] = []

    def led(match: re.Match[str]) -> str:
        path, hash_, anchor = match[2].partition("#")
        ours = REPOSITORY.match(path)
        if not path or (re.match(r"[a-z]+:", path) and not ours):
            return match[0]
        source = path[ours.end() :] if ours else posixpath.join(posixpath.dirname(page.source), path)
        source = posixpath.normpath(source)
        if source not in targets:
            if not (ROOT / source).is_file():
                raise LookupError(f"{page.source} leads to {match[2]}, which is not there")
            files.append(ROOT / source)
        return f'{match[1]}="{targets.get(source, posixpath.basename(source))}{hash_}{anchor}"'

    body: Any = to_html(page.text)
    html = re.sub(r'\b(href|src)="([^"]+)"', led, str(body))
    return env.get_template("page.html.jinja2").render(page=page, body=html, toc=body.toc_html or ""), files
