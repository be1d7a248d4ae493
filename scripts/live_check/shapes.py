"""The shape of a JSON body: as a schema has it, as it came, and where the two differ without breaking the schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openapi.documented import Contract, Json

__all__ = ["documented_shape", "observed_shape", "strangers", "undocumented"]

_LIMIT = 300


def documented_shape(contract: Contract, schema: Json) -> str:
    """Return a schema in one line: `{error: {code: integer, message: string}}`."""
    schema = contract.resolve(schema)
    properties = schema.get("properties", {})
    if not properties:
        return str(schema.get("type", "anything"))
    inner = (f"{name}: {documented_shape(contract, property_)}" for name, property_ in properties.items())
    return "{" + ", ".join(inner) + "}"


def observed_shape(value: Any) -> str:
    """Return a body in the same words."""
    text = _shape(value)
    return text if len(text) <= _LIMIT else f"{text[:_LIMIT]}…"


def strangers(contract: Contract, schema: Json, value: Any, place: str = "body") -> Iterator[str]:
    """Name the objects that have properties, but none of those that are documented.

    Where nothing is required and everything is allowed, the schema takes them; but then it speaks of something else.
    """
    for where, properties, found in _objects(contract, schema, value, place):
        if found and properties and not properties.keys() & found.keys():
            yield f"{where} has {', '.join(map(repr, found))} and not {' or '.join(map(repr, properties))}"


def undocumented(contract: Contract, schema: Json, value: Any, place: str = "body") -> Iterator[str]:
    """Name the properties that the schema does not."""
    for where, properties, found in _objects(contract, schema, value, place):
        yield from (f"{where}.{name}" for name in found if properties and name not in properties)


def _objects(contract: Contract, schema: Json, value: Any, place: str) -> Iterator[tuple[str, Json, dict[str, Any]]]:
    properties = contract.resolve(schema).get("properties", {})
    if not isinstance(value, dict):
        return
    yield place, properties, value
    for name in properties.keys() & value.keys():
        yield from _objects(contract, properties[name], value[name], f"{place}.{name}")


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shape(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dict.fromkeys(map(_shape, value))) + "]"
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", float: "number", str: "string"}
    return names[type(value)]
