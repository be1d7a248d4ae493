"""An OpenAPI document and its operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from openapi.pointers import followed, place_of, steps
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
    """Return `document` with those of its operations that are wanted, and of its components what they lead to.

    The rest may be what nobody can read, and is not looked at.
    """
    kept = {route(*operation) for operation in wanted}
    paths: Node = {}
    for path, item, at in members(document.get("paths", {}), "/paths"):
        methods = [method for method in METHODS if route(method, path) in kept]
        held = followed(document, item, at)[0] if methods else {}
        if any(method in held for method in methods):
            paths[path] = {key: part for key, part in held.items() if key not in METHODS or key in methods}
    result = {key: part for key, part in document.items() if key != "webhooks"} | {"paths": paths}
    if isinstance(components := document.get("components"), dict):
        result["components"] = _reached(components, paths)
    return result


def _reached(components: Node, value: object) -> Node:
    """Return those of the components that `value` refers to, directly or not; and the security schemes."""
    reached: set[tuple[str, str]] = set()
    waiting = [value]
    while waiting:
        for reference in _references(waiting.pop()):
            # A discriminator may name a schema without its place.
            way = steps(reference)[1:3] if reference.startswith("#/components/") else ["schemas", reference]
            kind, name = way if len(way) == 2 else ("", "")
            parts = components.get(kind)
            if isinstance(parts, dict) and name in parts and (kind, name) not in reached:
                reached.add((kind, name))
                waiting.append(parts[name])
    return {
        # Security schemes are not referred to, but called by their names.
        kind: {name: part for name, part in parts.items() if kind == "securitySchemes" or (kind, name) in reached}
        if isinstance(parts, dict)
        else parts
        for kind, parts in components.items()
    }


def _references(value: object) -> Iterator[str]:
    """Yield all below `value` that may be meant as a reference, be it data."""
    if isinstance(value, dict):
        for key, item in value.items():
            targets = item.values() if key == "mapping" and isinstance(item, dict) else [item]
            yield from (target for target in targets if key in ("$ref", "mapping") and isinstance(target, str))
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)
