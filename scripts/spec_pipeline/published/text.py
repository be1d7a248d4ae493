"""One published page or document, taken apart: its form, the bytes that are vendored, and what they say."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath

from openapi import yaml
from openapi.errors import SpecError
from openapi.text import decoded
from spec_pipeline.published.fetch import is_address
from spec_pipeline.published.page import Form, detect_form, read_page

__all__ = ["Published", "joined", "read"]

_BLOCK = re.compile(r"^ {0,3}(?:`{3,}|~{3,})yaml \S+ [A-Za-z]+ /", re.MULTILINE)
_SOURCE = re.compile(r"\A\ufeff?# Source: (?P<address>https?://\S+)")


@dataclass(frozen=True)
class Published:
    """A page or document as it was published.

    `name` is what it was called, for messages; `page` its address, as far as that is known. `text` is the page's
    block, or the whole document, as it stands there; `document` is what that says.
    """

    name: str
    page: str
    form: Form
    text: str
    document: object


def read(data: bytes, name: str) -> Published:
    """Take apart what `name` (a path or an address) holds.

    Raises:
        SpecError: it is neither a page with one block of the three forms nor a document of form A or OpenAPI 3.1.
    """
    text = decoded(data, name)
    if text.lstrip("\ufeff \t\r\n").startswith("<"):
        raise SpecError("this is HTML; the page's source is at the same address with .md at its end", name)
    # A copy on disk is best known by where it says that it is from.
    named = _SOURCE.match(text)
    address = named["address"] if named else name if is_address(name) else PurePath(name).name
    if _BLOCK.search(text):
        page = read_page(text, name=name)
        return Published(name, address, page.form, page.block, page.document)
    try:
        document = yaml.load(text, name=name)
        form = detect_form(document)
    except SpecError as error:
        place = error.place if error.place.startswith(name) else f"{name} {error.place}".strip()
        raise SpecError(f"neither a page with a ````yaml block nor a document: {error.message}", place) from error
    return Published(name, address, form, text, document)


def joined(parts: list[Published]) -> str:
    """Return the text to vendor: the published one, or, of several, a YAML stream with each as it was published."""
    if len(parts) == 1:
        return parts[0].text
    text = ""
    for part in parts:
        # A byte order mark is of a file, and would be a character within one.
        own = part.text.removeprefix("\ufeff")
        text += yaml.separator(own, name=part.name, first=not text) + own
        text += "" if text.endswith("\n") else "\n"
    return text
