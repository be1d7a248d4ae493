"""Several published documents as one contract, unless they contradict each other."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

from openapi.document import listed, operations, route, select
from openapi.errors import SpecError
from openapi.layout import laid_out
from openapi.pointers import place_of
from spec_pipeline.changes.change import Impact
from spec_pipeline.changes.documents import diff

__all__ = ["merge"]

Node: TypeAlias = "dict[str, Any]"


def merge(documents: list[tuple[str, Node]]) -> Node:
    """Return one document, in the layout of `plain`, of several that are in it. Each comes with its name.

    Where they differ in words only, the first one's stand.

    Raises:
        SpecError: two of them say different things about one operation, schema or security scheme. It names both.
    """
    merged: Node = copy.deepcopy(documents[0][1])
    origins: dict[str, str] = {}
    for name, document in documents:
        for method, path, operation, place in operations(document):
            # By what is sent: two names for one path parameter are two descriptions of one operation.
            if origins.setdefault(" ".join(route(method, path)), name) == name:
                mine = copy.deepcopy(operation)
                mine.setdefault("servers", document["servers"])
                merged["paths"].setdefault(path, {})[method] = mine
            origins.setdefault(place, origins[" ".join(route(method, path))])
        for kind, parts in document["components"].items():
            for part, definition in parts.items():
                place = place_of(place_of("/components", kind), part)
                if origins.setdefault(place, name) == name:
                    merged["components"].setdefault(kind, {})[part] = definition
    _same_servers(merged)
    merged = laid_out(merged)
    for name, document in documents:
        _refuse_contradiction(merged, document, name, origins)
    return merged


def _same_servers(document: Node) -> None:
    """Let servers that differ in words only be the same, or they would have to stand at each operation."""
    found = [operation for _method, _path, operation, _place in operations(document)]
    for operation in found[1:]:
        first = found[0]["servers"]
        if list(map(_without_words, operation["servers"])) == list(map(_without_words, first)):
            operation["servers"] = first


def _without_words(server: Node) -> Node:
    return {key: item for key, item in server.items() if key != "description"}


def _refuse_contradiction(merged: Node, document: Node, name: str, origins: dict[str, str]) -> None:
    for change in diff(select(merged, listed(document)), document):
        if change.impact is Impact.WORDING:
            continue
        other = next((origin for place, origin in origins.items() if change.pointer.startswith(place)), "another")
        raise SpecError(
            f"this and {other} contradict each other at {change.pointer} ({change.what}: {other} says {change.old!r}, "
            f"{name} {change.new!r}). Find out which of them is meant before vendoring both",
            name,
        )
