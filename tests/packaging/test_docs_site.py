"""Links lead somewhere: in the Markdown as GitHub shows it, and in the site that is built of it."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from docs_site.pages import REPOSITORY
from docs_site.reference import MODULES

ROOT = Path(__file__).resolve().parents[2]
MARKDOWN = [
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    if not name.startswith("tests/")
]


def anchors(markdown: str) -> set[str]:
    """The anchors that GitHub gives the headings."""
    prose = re.sub(r"^```.*?^```$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", MARKDOWN, ids=[str(page.relative_to(ROOT)) for page in MARKDOWN])
def test_the_links_of_the_markdown_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        path, _hash, anchor = link.partition("#")
        ours = REPOSITORY.match(path)
        if re.match(r"[a-z]+:", path) and not ours:
            assert path.startswith("https://"), link
            continue
        target = ROOT / path[ours.end() :] if ours else (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text("utf-8")), link


def test_the_readme_leads_to_no_file_by_a_path_that_only_a_clone_has() -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


class Links(HTMLParser):
    """What a page leads to and what it loads, and the places in it that can be led to."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.to: set[str] = set()
        self.loaded: set[str] = set()
        self.places: set[str] = set()
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        self.places |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.to.add(given["href"])
        elif tag in ("link", "script", "img", "iframe"):
            self.loaded |= {given[name] for name in ("src", "href") if name in given}


def build(directory: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-X", "utf8", "-W", "error", "-m", "docs_site", str(directory)]
    return subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, encoding="utf-8", check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Links]:
    directory = tmp_path_factory.mktemp("built") / "site"
    done = build(directory)
    assert done.stdout.strip() == str(directory / "index.html"), done.stderr
    return {page: Links(page.read_text("utf-8")) for page in directory.rglob("*.html")}


def test_a_site_is_made_anew_and_nothing_else_is_removed(site: dict[Path, Links], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    done = build(tmp_path)
    assert (done.returncode, "is no site" in done.stderr) == (1, True)
    assert (tmp_path / "thesis.txt").exists()
    directory = next(page for page in site if page.name == "index.html").parent
    (directory / "old.html").write_text("of a page that is gone")
    assert build(directory).returncode == 0
    assert not (directory / "old.html").exists()


def test_the_links_of_the_site_lead_somewhere(site: dict[Path, Links]) -> None:
    assert len(site) > len(MODULES) + 8
    for page, links in site.items():
        for link in links.to:
            path, _hash, anchor = link.partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = (page.parent / unquote(path)).resolve() if path else page
            assert target.is_file(), (page.name, link)
            assert not anchor or unquote(anchor) in site[target].places, (page.name, link)


def test_every_page_can_be_reached_from_the_first(site: dict[Path, Links]) -> None:
    first = next(page for page in site if page.name == "index.html")
    reached = {(first.parent / link.partition("#")[0]).resolve() for link in site[first].to if ":" not in link}
    assert site.keys() <= reached | {first}


def test_the_site_loads_nothing_from_elsewhere(site: dict[Path, Links]) -> None:
    for page, links in site.items():
        loaded = {each for each in links.loaded if not each.startswith("data:")}
        assert loaded == ({"demo.svg", "bench.svg"} if page.name == "index.html" else set()), page.name
        assert not re.search(r"@import|url\([\"']?https?:", page.read_text("utf-8")), page.name


def test_the_reference_has_every_public_name_once_and_no_private_one(site: dict[Path, Links]) -> None:
    by_name = {page.name: page.read_text("utf-8") for page in site}
    places = [place for links in site.values() for place in links.places]
    for name in ("UploadClient", "UploadClient.from_settings", "StatusError", "RemoteFile", "attach", "LocalServer"):
        assert places.count(name) == 1, name
    assert '<a href="#Timeouts">Timeouts</a>' in by_name["anchor_uploads.html"]
    for page in by_name.values():
        assert not re.search(r"anchor_uploads(</span>|<span[^>]*>|\.|\w)*\._[a-z]", page)
