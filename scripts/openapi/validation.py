"""Whether a document is valid OpenAPI 3.1, and if not, where."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import reduce
from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from openapi.errors import SpecError
from openapi.pointers import place_of

__all__ = ["validate"]

_MOST = 10
_LONGEST = 300


def validate(document: dict[str, Any], *, name: str) -> None:
    """Raise `SpecError` with every finding unless `document` is valid OpenAPI 3.1; its place is the first one's."""
    findings = [
        (_whole_place(document, list(error.absolute_path), error.instance), error.message)
        for error in OpenAPIV31SpecValidator(document).iter_errors()
    ]
    if findings:
        # The validator quotes what it finds fault with, however long that is.
        texts = "\n".join(f"{place}: {message[:_LONGEST]}" for place, message in findings[:_MOST])
        raise SpecError(f"it is not a valid OpenAPI 3.1 document:\n{texts}", place=f"{name} {findings[0][0]}".strip())


def _whole_place(document: dict[str, Any], path: list[str | int], instance: object) -> str:
    """Return the place of a finding: the validator tells those in a schema from the schema on, not from the top."""
    return reduce(place_of, path, next(_leading_to(instance, path, document, ""), ""))


def _leading_to(instance: object, path: list[str | int], value: Any, place: str) -> Iterator[str]:
    """Yield the places below `value` from which `path` leads to `instance` itself."""
    end = value
    with contextlib.suppress(KeyError, IndexError, TypeError):
        for step in path:
            end = end[step]
        if end is instance:
            yield place
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield from _leading_to(instance, path, part, place_of(place, key))
