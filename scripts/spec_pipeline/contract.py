"""From vendored documents to the contract that code is generated from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spec_pipeline import yaml_documents
from spec_pipeline.errors import SpecError
from spec_pipeline.merge import merge
from spec_pipeline.operations import Operation, published, route, select
from spec_pipeline.plain import plain
from spec_pipeline.published import openapi
from spec_pipeline.source import Source

__all__ = ["Contract", "read_contract", "vendored"]


@dataclass(frozen=True)
class Contract:
    """A contract in the layout of `plain`, and the published operations that were left out of it."""

    document: dict[str, Any]
    left: tuple[Operation, ...]


def read_contract(documents: list[tuple[str, object]], wanted: list[Operation]) -> Contract:
    """Return what published documents, each with its name, say about the ``wanted`` operations.

    Raises:
        SpecError: one cannot be read, or two contradict each other. Its place names the document.
    """
    parts: list[tuple[str, dict[str, Any]]] = []
    left: list[Operation] = []
    routes = {route(*operation) for operation in wanted}
    for name, document in documents:
        try:
            whole = openapi(document)
            left += [operation for operation in published(whole) if route(*operation) not in routes]
            parts.append((name, plain(select(whole, wanted))))
        except SpecError as error:
            raise SpecError(error.message, f"{name} {error.place}".rstrip()) from error
    # A page of another operation has nothing to say, not even what the document is called.
    parts = [part for part in parts if part[1]["paths"]] or parts[:1]
    document = parts[0][1] if len(parts) == 1 else merge(parts)
    return Contract(document, tuple(left))


def vendored(source: Source, spec: Path, wanted: list[Operation]) -> Contract:
    """Return the contract of what is vendored in the directory ``spec``."""
    name = f"spec/{source.file}"
    found = yaml_documents.load_all((spec / source.file).read_bytes().decode(), name=name)
    several = len(found) > 1
    named = [(f"{name} (document {index + 1})" if several else name, item) for index, item in enumerate(found)]
    return read_contract(named, wanted)
