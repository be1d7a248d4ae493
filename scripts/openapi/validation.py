"""Whether a document is valid OpenAPI 3.1, and if not, where."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from functools import reduce
from typing import Any, ClassVar

from jsonschema_path import SchemaPath
from openapi_spec_validator import OpenAPIV31SpecValidator
from openapi_spec_validator.validation.keywords import OpenAPIV31SchemaValidator

from openapi.errors import SpecError
from openapi.pointers import place_of

__all__ = ["validate"]

_MOST = 10
_LONGEST = 300


def validate(document: dict[str, Any], *, name: str) -> None:
    """Raise `SpecError` with every finding unless `document` is valid OpenAPI 3.1; its place is the first one's."""
    findings = [
        (_whole_place(document, list(error.absolute_path), error.instance), error.message)
        for error in _Validator(document).iter_errors()
    ]
    if findings:
        # The validator quotes what it finds fault with, however long that is.
        texts = "\n".join(f"{place}: {message[:_LONGEST]}" for place, message in findings[:_MOST])
        raise SpecError(f"it is not a valid OpenAPI 3.1 document:\n{texts}", place=f"{name} {findings[0][0]}".strip())


class _Schemas(OpenAPIV31SchemaValidator):
    """Holds a schema against its dialect once: most stand in each document of a run, and that takes the longest."""

    _valid: ClassVar[set[tuple[str, str]]] = set()

    def _get_schema_checker(self, schema: SchemaPath, schema_value: Any) -> Callable[[Any], None]:
        check = super()._get_schema_checker(schema, schema_value)
        known = self._get_schema_dialect_id(schema, schema_value), json.dumps(schema_value)

        def once(value: Any) -> None:
            if known not in self._valid:
                check(value)
                self._valid.add(known)

        return once


_KEYWORDS = {**OpenAPIV31SpecValidator.keyword_validators, "schema": _Schemas}


class _Validator(OpenAPIV31SpecValidator):
    keyword_validators = _KEYWORDS


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
