"""Build the site into a directory, which is made anew."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pdoc
import pdoc.render
from pdoc import doc
from pygments.formatters import HtmlFormatter  # type: ignore[import-untyped]

import _environment
import anchor_uploads
from docs_site.pages import ROOT, Page, pages, rendered
from docs_site.reference import MODULES, Reference


def build(directory: Path) -> None:
    """Build the site. Raises `FileExistsError` for a directory of something else, `LookupError` for a dead link."""
    if directory.exists() and any(directory.iterdir()) and not (directory / "search.js").is_file():
        raise FileExistsError(f"{directory} is no site; name a directory that is one, is empty, or is not there")
    reference = Reference()
    site = pages()
    pdoc.render.configure(docformat="google", show_source=False, template_directory=Path(__file__).parent / "templates")
    pdoc.render.env.globals.update(
        version=anchor_uploads.__version__,
        pages=site,
        modules=MODULES,
        shown=reference.shown,
        methods=reference.methods,
        depth=depth,
        dark_code=HtmlFormatter(style="github-dark").get_style_defs(".pdoc-code"),
    )
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for page in site:
        write(directory / page.target, reference.linked(with_copies(page, site, directory), page.target))
    for name, module in reference.modules.items():
        target = f"{name.replace('.', '/')}.html"
        write(directory / target, reference.linked(pdoc.render.html_module(module, reference.modules), target))
    write(directory / "search.js", reference.searchable(pdoc.render.search_index(reference.modules)))


def with_copies(page: Page, site: list[Page], directory: Path) -> str:
    """Return a page as HTML, having copied the files of the repository that it leads to."""
    html, files = rendered(page, site)
    for file in files:
        shutil.copyfile(file, directory / file.name)
    return html


def depth(module: doc.Module | None) -> str:
    """Return what leads from a page to the top of the site."""
    return "../" * module.modulename.count(".") if module else ""


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, "utf-8", newline="\n")


def main() -> None:
    where = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".cache" / "site"
    build(where)
    print(where / "index.html")


if __name__ == "__main__":
    _environment.run(main)
