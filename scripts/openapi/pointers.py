"""JSON pointers (RFC 6901) and the references of OpenAPI, which hold them."""

from __future__ import annotations

from typing import Any

from openapi.errors import SpecError

__all__ = ["find", "followed", "place_of", "steps"]


def place_of(place: str, key: str | int) -> str:
    """Return the pointer to a member of the value at `place`."""
    return f"{place}/{str(key).replace('~', '~0').replace('/', '~1')}"


def steps(pointer: str) -> list[str]:
    """Return the keys that a pointer goes along."""
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def find(document: dict[str, Any], reference: str, place: str) -> Any:
    """Return what `reference` names in `document`. Raises `SpecError`, at `place`, if there is nothing."""
    if not reference.startswith("#/"):
        raise SpecError(f"{reference!r} is outside of this document: give the whole of it", place)
    value: Any = document
    for key in steps(reference[1:]):
        if not isinstance(value, dict) or key not in value:
            raise SpecError(f"{reference!r} names nothing: the document may be cut short", place)
        value = value[key]
    return value


def followed(document: dict[str, Any], value: Any, place: str) -> tuple[dict[str, Any], str]:
    """Return the object that `value` is or refers to, and its place; what stands beside a reference adds to it.

    Raises:
        SpecError: it is no mapping, or a reference names nothing, or itself.
    """
    seen: set[object] = set()
    while True:
        if not isinstance(value, dict):
            raise SpecError(f"a mapping was expected, not {value!r}", place)
        reference = value.get("$ref")
        if reference is None:
            return value, place
        if not isinstance(reference, str):
            raise SpecError(f"a string was expected, not {reference!r}", place_of(place, "$ref"))
        if reference in seen:
            raise SpecError(f"{reference!r} refers to itself", place)
        seen.add(reference)
        found = find(document, reference, place)
        beside = {key: item for key, item in value.items() if key != "$ref"}
        value, place = {**found, **beside} if isinstance(found, dict) else found, reference[1:]
