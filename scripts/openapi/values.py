"""Reading a parsed document with every value's place at hand, so that no check fails blindly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NoReturn

from openapi.errors import SpecError
from openapi.pointers import place_of

__all__ = [
    "boolean",
    "fields",
    "mapping",
    "members",
    "one_member",
    "refuse_key",
    "same",
    "sequence",
    "string",
]


def mapping(value: object, place: str) -> dict[str, object]:
    """Return `value`. Raises `SpecError` unless it is a mapping."""
    if not isinstance(value, dict):
        raise SpecError(f"a mapping was expected, not {value!r}", place)
    return value


def members(value: object, place: str) -> Iterator[tuple[str, object, str]]:
    """Yield key, value and place of each member. Raises `SpecError` unless it is a mapping."""
    for key, item in mapping(value, place).items():
        yield key, item, place_of(place, key)


def fields(
    value: object, place: str, *, required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, object]:
    """Return `value`, a mapping with these keys.

    Raises:
        SpecError: it is no mapping, lacks a required key, or has a key that is neither.
    """
    node = mapping(value, place)
    for key in node:
        if key not in required and key not in optional:
            refuse_key(place, key)
    for key in required:
        if key not in node:
            raise SpecError(f"the key {key!r} is missing here: check the published page", place)
    return node


def refuse_key(place: str, key: str) -> NoReturn:
    """Raise the `SpecError` for a key that nothing is known about."""
    raise SpecError(
        f"unknown key {key!r}: teach spec_pipeline.form_a.conversion this key after checking what it means",
        place_of(place, key),
    )


def string(value: object, place: str) -> str:
    """Return `value`. Raises `SpecError` unless it is a string."""
    if not isinstance(value, str):
        raise SpecError(f"a string was expected, not {value!r}", place)
    return value


def boolean(value: object, place: str) -> bool:
    """Return `value`. Raises `SpecError` unless it is true or false."""
    if not isinstance(value, bool):
        raise SpecError(f"true or false was expected, not {value!r}", place)
    return value


def sequence(value: object, place: str) -> list[object]:
    """Return `value`. Raises `SpecError` unless it is a list."""
    if not isinstance(value, list):
        raise SpecError(f"a list was expected, not {value!r}", place)
    return value


def one_member(value: object, place: str) -> tuple[object, str]:
    """Return the only member of a list, and its place. Raises `SpecError` unless it is the only."""
    items = sequence(value, place)
    if len(items) != 1:
        raise SpecError(
            f"a list of one was expected, not of {len(items)}: it cannot be told whether these are"
            " alternatives, all hold, or something else",
            place,
        )
    return items[0], place_of(place, 0)


def same(one: object, other: object) -> bool:
    """Tell whether two documents are equal, as JSON sees it: `1` is neither `true` nor 1.0."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
