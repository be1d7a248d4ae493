"""The keywords of a schema that hold no schema: each with what it may be set to."""

from __future__ import annotations

import copy
from collections.abc import Callable

from openapi.errors import SpecError
from openapi.pointers import place_of
from openapi.values import boolean, sequence, string

__all__ = ["PLAIN_KEYWORDS", "distinct_strings"]

_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")


def _number(value: object, place: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SpecError(f"a number was expected, not {value!r}", place)
    return value


def _count(value: object, place: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SpecError(f"a count was expected, not {value!r}", place)
    return value


def _types(value: object, place: str) -> object:
    items = value if isinstance(value, list) else [value]
    if not items:
        raise SpecError("no type at all: check the published page", place)
    for item in items:
        if item not in _TYPES:
            raise SpecError(
                f"the type {item!r} is not known here:"
                " teach spec_pipeline.form_a.keywords this type after checking what it means",
                place,
            )
    return copy.copy(value)


def _values(value: object, place: str) -> object:
    if not sequence(value, place):
        raise SpecError("an enum without values allows nothing: check the published page", place)
    return copy.deepcopy(value)


def distinct_strings(value: object, place: str) -> list[str]:
    """Return `value`. Raises `SpecError` unless it is a list of strings, none of them twice."""
    names = [string(item, place_of(place, i)) for i, item in enumerate(sequence(value, place))]
    if len(set(names)) != len(names):
        raise SpecError("a name stands here twice: check the published page", place)
    return names


def _any(value: object, _place: str) -> object:
    return copy.deepcopy(value)


# Keywords that hold no schema. What is not here, nor among those that hold schemas, is refused.
PLAIN_KEYWORDS: dict[str, Callable[[object, str], object]] = {
    "type": _types,
    "title": string,
    "description": string,
    "format": string,
    "pattern": string,
    "enum": _values,
    "required": distinct_strings,
    "default": _any,
    "example": _any,
    "deprecated": boolean,
    "readOnly": boolean,
    "writeOnly": boolean,
    "uniqueItems": boolean,
    "minimum": _number,
    "maximum": _number,
    # A number as in 3.1. OpenAPI 3.0 has a boolean here, which never was published.
    "exclusiveMinimum": _number,
    "exclusiveMaximum": _number,
    "multipleOf": _number,
    "minLength": _count,
    "maxLength": _count,
    "minItems": _count,
    "maxItems": _count,
    "minProperties": _count,
    "maxProperties": _count,
}
