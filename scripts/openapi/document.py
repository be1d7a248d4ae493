"""An OpenAPI document and its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from openapi.pointers import place_of
from openapi.values import mapping, members

__all__ = ["METHODS", "Node", "Operation", "address", "listed", "operations", "route", "select", "shown"]

Node: TypeAlias = "dict[str, Any]"
Operation: TypeAlias = "tuple[str, str]"
"""Method, in lower case, and path."""

_PORTS = {"http": ":80", "https": ":443"}
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def operations(document: Node) -> Iterator[tuple[str, str, Any, str]]:
    """Yield method, path, value and place of each operation of a document."""
    for path, item, at in members(document.get("paths", {}), "/paths"):
        for method in METHODS if path.startswith("/") else ():
            held = mapping(item, at)
            if method in held:
                yield method, path, held[method], place_of(at, method)


def listed(document: Node) -> list[Operation]:
    """Return the operations that a document holds."""
    return [(method, path) for method, path, _, _ in operations(document)]


def route(method: str, path: str) -> Operation:
    """Return what is the same for operations that are called alike: the names in a path are not sent."""
    return method, re.sub(r"\{[^{}]*\}", "{}", path)


def address(url: str) -> str:
    """Return a server's URL as it is sent, however it was written (RFC 3986 §6.2)."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return url.rstrip("/")
    host, slash, path = rest.partition("/")
    scheme, host = scheme.lower(), host.lower()
    return f"{scheme}://{host.removesuffix(_PORTS.get(scheme, ''))}{slash}{path}".rstrip("/")


def shown(operation: Operation) -> str:
    return f"{operation[0].upper()} {operation[1]}"


def select(document: Node, wanted: Iterable[Operation]) -> Node:
    """Return ``document`` with those of its operations that are wanted; what they share stays where it is."""
    kept = {route(*operation) for operation in wanted}
    paths: Node = {}
    for path, item in mapping(document.get("paths", {}), "/paths").items():
        if not isinstance(item, dict) or not path.startswith("/"):
            continue
        rest = {key: part for key, part in item.items() if key not in METHODS or route(key, path) in kept}
        if any(key in METHODS for key in rest) or "$ref" in rest:
            paths[path] = rest
    return {**document, "paths": paths}
