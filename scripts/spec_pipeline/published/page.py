"""A page of the published reference: Markdown prose around one fenced YAML block.

The site has published three forms (see `Form`). A and B share one fence, so the body decides
between them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from openapi import yaml
from openapi.document import METHODS
from openapi.errors import SpecError

__all__ = ["Fence", "Form", "Page", "detect_form", "read_page"]


class Form(Enum):
    """What a page's block holds.

    A: Mintlify's intermediate form of one operation.
    B: an OpenAPI 3.1 document, behind the fence of form A.
    C: an OpenAPI 3.1 document, behind a fence that names the published `openapi.yaml`.
    """

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True)
class Fence:
    """The info string of the block's fence."""

    file_name: str
    method: str
    path: str


@dataclass(frozen=True)
class Page:
    """A published page.

    `summary` is the quotation under the title, `description` the prose after it. `block` is
    the text between the fences as it stands in the page, line ends included; `document` is what it says.
    """

    title: str
    summary: str
    description: str
    fence: Fence
    block: str
    form: Form
    document: object


_MINTLIFY_FILE = "openapi-mintlify.yaml"
_OPENAPI_FILE = "/openapi.yaml"

_FENCE = re.compile(r" {0,3}(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)")
_INFO = re.compile(r"yaml (?P<file>\S+) (?P<method>[A-Za-z]+) (?P<path>/\S*)")


def read_page(text: str, *, name: str) -> Page:
    """Read one published page.

    Pass the text as it was published: read the file with `newline=""`, or the block is not the
    published one.

    Raises:
        SpecError: there is no title, not exactly one block of the three forms, the fence is not
            closed, or its file name, method or path contradicts the body. Its place is
            `<name> line <n>`.
    """
    lines = list(_lines(text))
    blocks = [(found, info) for found in _fenced(lines, name) if (info := _INFO.fullmatch(found.info))]
    if len(blocks) != 1:
        at = ", ".join(str(found.start + 1) for found, _ in blocks) or "none"
        raise SpecError(
            f"a page holds exactly one block fenced as ````yaml <file> <method> <path>; lines with one: {at}",
            f"{name} line {blocks[1][0].start + 1}" if blocks else name,
        )
    found, info = blocks[0]
    place = f"{name} line {found.start + 1}"
    fence = Fence(info["file"], info["method"].lower(), info["path"])
    block = "".join(lines[found.start + 1 : found.end])
    document = yaml.load(block, name=name, first_line=found.start + 2)
    try:
        body, paths = _body(document)
        operation = _operation(body, paths)
    except SpecError as error:
        raise SpecError(f"{error.message} (at {error.place or 'the top'})", place) from error
    if operation != (fence.method, fence.path):
        raise SpecError(
            f"the fence says {fence.method} {fence.path}, the body {' '.join(operation)}:"
            " find out which of them is meant before vendoring this page",
            place,
        )
    title, summary, description = _prose(lines[: found.start], name)
    return Page(title, summary, description, fence, block, _form(fence, body, place), document)


def detect_form(document: object) -> Form:
    """Tell form A from an OpenAPI document, which is called B here: only a fence makes it C.

    Raises:
        SpecError: the document is neither, or both. Its place is a JSON pointer.
    """
    return _body(document)[0]


def _body(document: object) -> tuple[Form, dict[str, Any]]:
    if not isinstance(document, dict):
        raise SpecError("a mapping was expected", "")
    paths = document.get("paths")
    if not isinstance(paths, dict):
        raise SpecError("neither form A nor OpenAPI 3.1: both keep a mapping here", "/paths")
    if "openapi" in document:
        version = document["openapi"]
        if not isinstance(version, str) or not re.fullmatch(r"3\.1\.\d+", version):
            raise SpecError(
                f"OpenAPI {version!r} is not 3.1: check what changed before reading it as 3.1",
                "/openapi",
            )
        # Names of paths start with a slash; these do not, so the document is half one, half other.
        if "path" in paths or "method" in paths:
            raise SpecError("an OpenAPI document with the `paths` of form A", "/paths")
        return Form.B, paths
    if isinstance(paths.get("path"), str) and isinstance(paths.get("method"), str):
        return Form.A, paths
    raise SpecError("neither form A (paths.path, paths.method) nor OpenAPI 3.1 (openapi)", "")


def _form(fence: Fence, body: Form, place: str) -> Form:
    if fence.file_name == _MINTLIFY_FILE:
        return body
    if fence.file_name == _OPENAPI_FILE and body is Form.B:
        return Form.C
    raise SpecError(
        f"no known form has a fence for {fence.file_name} and a body like form {body.value}:"
        " teach spec_pipeline.published.page this form after checking what it means",
        place,
    )


def _operation(form: Form, paths: dict[str, Any]) -> tuple[str, str]:
    if form is Form.A:
        return paths["method"], paths["path"]
    operations = [
        (method, path) for path, item in paths.items() if isinstance(item, dict) for method in item if method in METHODS
    ]
    if len(operations) != 1:
        raise SpecError(f"a page documents one operation, this has {len(operations)}", "/paths")
    return operations[0]


def _lines(text: str) -> Iterator[str]:
    # str.splitlines would also break at form feeds and U+2028, which stand inside lines here.
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


@dataclass(frozen=True)
class _Fenced:
    info: str
    start: int
    end: int


def _fenced(lines: list[str], name: str) -> Iterator[_Fenced]:
    opened: tuple[str, str, int] | None = None
    for number, line in enumerate(lines):
        match = _FENCE.fullmatch(line.rstrip())
        if match is None:
            continue
        if opened is None:
            opened = (match["ticks"], match["info"].strip(), number)
        else:
            ticks, info, start = opened
            # CommonMark: a fence is closed by one of its own kind, as long or longer, without info.
            if match["ticks"].startswith(ticks) and not match["info"]:
                yield _Fenced(info, start, number)
                opened = None
    if opened is not None:
        raise SpecError("this fence is never closed: fetch the page again", f"{name} line {opened[2] + 1}")


def _prose(lines: list[str], name: str) -> tuple[str, str, str]:
    fenced = {number for found in _fenced(lines, name) for number in range(found.start, found.end + 1)}
    title: str | None = None
    summary: list[str] = []
    description: list[str] = []
    for number, line in enumerate(lines):
        text = line.rstrip().removeprefix("\ufeff")
        heading = number not in fenced
        if title is None:
            # Some copies of a page name their source in a heading of its own; quotations above the
            # title are the site's notices.
            if heading and text.startswith("# ") and not text.startswith("# Source: "):
                title = text[2:].strip()
        elif heading and text == "## OpenAPI":
            break
        elif heading and text.startswith(">") and not "".join(description):
            summary.append(text[1:].strip())
        else:
            description.append(text)
    if not title:
        raise SpecError("the page has no title: a line starting with one #", name)
    return title, "\n".join(summary).strip(), "\n".join(description).strip()
