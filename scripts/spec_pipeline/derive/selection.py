"""From vendored documents to the contract that code is generated from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openapi import yaml
from openapi.document import Operation, listed, route, select
from openapi.errors import SpecError
from openapi.layout import laid_out
from openapi.validation import validate
from spec_pipeline.derive.merge import merge
from spec_pipeline.form_a.conversion import to_openapi
from spec_pipeline.published.page import detect_form
from spec_pipeline.published.source import Source

__all__ = ["Selection", "openapi", "selected", "vendored"]


@dataclass(frozen=True)
class Selection:
    """A contract in the one layout, and the published operations that were left out of it."""

    document: dict[str, Any]
    left: tuple[Operation, ...]


def selected(documents: list[tuple[str, object]], wanted: list[Operation]) -> Selection:
    """Return what published documents, each with its name, say about the `wanted` operations.

    Raises:
        SpecError: one cannot be read or is no valid OpenAPI, or two contradict each other. Its place names it.
    """
    parts: list[tuple[str, dict[str, Any]]] = []
    left: list[Operation] = []
    routes = {route(*operation) for operation in wanted}
    for name, document in documents:
        try:
            whole = openapi(document)
            left += [operation for operation in listed(whole) if route(*operation) not in routes]
            contract = laid_out(select(whole, wanted))
            validate(contract, name="")
            parts.append((name, contract))
        except SpecError as error:
            raise SpecError(error.message, f"{name} {error.place}".rstrip()) from error
    # A page of another operation has nothing to say, not even what the document is called.
    parts = [part for part in parts if part[1]["paths"]] or parts[:1]
    document = parts[0][1] if len(parts) == 1 else merge(parts)
    return Selection(document, tuple(left))


def openapi(document: object) -> dict[str, Any]:
    """Return what a published document says, of whichever form, as OpenAPI."""
    if not isinstance(document, dict) or "openapi" not in document:
        return to_openapi(document)
    detect_form(document)
    return document


def vendored(source: Source, spec: Path, wanted: list[Operation]) -> Selection:
    """Return the contract of what is vendored in the directory `spec`."""
    name = f"spec/{source.file}"
    found = yaml.load_all((spec / source.file).read_bytes(), name=name)
    several = len(found) > 1
    named = [(f"{name} (document {index + 1})" if several else name, item) for index, item in enumerate(found)]
    return selected(named, wanted)
