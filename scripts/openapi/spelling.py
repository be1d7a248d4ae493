"""OpenAPI 3.0's spellings of a schema, written as 3.1 has them, so that both mean the same to all that follows.

Source: "Migrating from OpenAPI 3.0 to 3.1.0" of the OpenAPI Initiative, and OpenAPI 3.1.0, §4.8.24 "Schema Object".
One goes the other way: the content keywords of 3.1 become `format: binary` and `format: byte`, because generators
take `contentMediaType` for a text field without a warning.
"""

from __future__ import annotations

import copy
from typing import Any

from openapi.document import METHODS
from openapi.errors import SpecError
from openapi.pointers import place_of

__all__ = ["LIST", "MAP", "ONE", "member", "nullable", "respelled"]

_COMBINERS = ("allOf", "anyOf", "oneOf")
# What a member of an object of OpenAPI is: the shape in which it holds them, and what these are. What is not here is
# data (examples, extensions) or a plain value, and stays as it is.
ONE, MAP, LIST = "one", "map", "list"
_MEMBERS: dict[str, dict[str, tuple[str, str]]] = {
    "document": {"paths": (MAP, "path"), "webhooks": (MAP, "path"), "components": (ONE, "components")},
    "components": {
        "schemas": (MAP, "schema"),
        "responses": (MAP, "response"),
        "parameters": (MAP, "parameter"),
        "requestBodies": (MAP, "body"),
        "headers": (MAP, "parameter"),
        "callbacks": (MAP, "callback"),
        "pathItems": (MAP, "path"),
    },
    "path": {"parameters": (LIST, "parameter"), **dict.fromkeys(METHODS, (ONE, "operation"))},
    "operation": {
        "parameters": (LIST, "parameter"),
        "requestBody": (ONE, "body"),
        "responses": (MAP, "response"),
        "callbacks": (MAP, "callback"),
    },
    "parameter": {"schema": (ONE, "schema"), "content": (MAP, "media")},
    "body": {"content": (MAP, "media")},
    "response": {"headers": (MAP, "parameter"), "content": (MAP, "media")},
    "media": {"schema": (ONE, "schema"), "encoding": (MAP, "encoding")},
    "encoding": {"headers": (MAP, "parameter")},
    "securityScheme": {},
    "server": {},
    "schema": {
        **dict.fromkeys(("properties", "patternProperties", "$defs", "dependentSchemas"), (MAP, "schema")),
        **dict.fromkeys(("items", "additionalProperties", "not", "contains", "propertyNames"), (ONE, "schema")),
        **dict.fromkeys(("if", "then", "else", "unevaluatedItems", "unevaluatedProperties"), (ONE, "schema")),
        "contentSchema": (ONE, "schema"),
        **dict.fromkeys((*_COMBINERS, "prefixItems"), (LIST, "schema")),
    },
}


def member(role: str, key: str) -> tuple[str, str]:
    """Return the shape and the role of a member of what OpenAPI has in `role`; both are empty for a plain value."""
    if role == "callback":
        # Its keys are expressions.
        return ONE, "path"
    return _MEMBERS[role].get(key, ("", ""))


def respelled(document: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an OpenAPI document with every schema in the spelling of 3.1.

    Raises:
        SpecError: a `nullable` can be read in two ways. Its place is a JSON pointer.
    """
    result: dict[str, Any] = _respelled(document, "document", "")
    return result


def _respelled(value: Any, role: str, place: str) -> Any:
    if not isinstance(value, dict):
        return copy.deepcopy(value)
    result: dict[str, Any] = {}
    for key, item in value.items():
        shape, held = member(role, key)
        at = place_of(place, key)
        if shape == ONE:
            result[key] = _respelled(item, held, at)
        elif shape == MAP and isinstance(item, dict):
            result[key] = {name: _respelled(part, held, place_of(at, name)) for name, part in item.items()}
        elif shape == LIST and isinstance(item, list):
            result[key] = [_respelled(part, held, place_of(at, index)) for index, part in enumerate(item)]
        else:
            result[key] = copy.deepcopy(item)
    return _schema(result, place) if role == "schema" else result


def _schema(schema: dict[str, Any], place: str) -> dict[str, Any]:
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and bound in schema:
                schema = {exclusive if key == bound else key: item for key, item in schema.items()}
    if (form := _content_format(schema)) and "format" not in schema:
        schema = {"format" if key == form[0] else key: form[1] if key == form[0] else schema[key] for key in schema}
    if "nullable" in schema:
        is_nullable = schema.pop("nullable")
        if is_nullable is True:
            return nullable(schema, place_of(place, "nullable"))
    return schema


def _content_format(schema: dict[str, Any]) -> tuple[str, str] | None:
    """Return the keyword that says how bytes are written, and the `format` that says the same."""
    encoding, media_type = schema.get("contentEncoding"), schema.get("contentMediaType")
    if media_type is None and encoding in ("binary", "base64"):
        return "contentEncoding", "binary" if encoding == "binary" else "byte"
    if media_type == "application/octet-stream" and encoding is None:
        return "contentMediaType", "binary"
    return None


def nullable(schema: dict[str, Any], place: str) -> dict[str, Any]:
    """Return `schema`, which says `nullable: true` at `place`, as 3.1 says it."""
    if any(key in schema for key in (*_COMBINERS, "not")):
        raise SpecError("nullable beside a combination: OpenAPI 3.0 leaves open what it allows", place)
    if "$ref" in schema:
        reference = {"$ref": schema["$ref"]}
        rest = {key: item for key, item in schema.items() if key != "$ref"}
        return {"anyOf": [reference, {"type": "null"}], **rest}
    if "type" not in schema:
        raise SpecError("nullable without a type has no effect in OpenAPI 3.0: what is meant?", place)
    kind, words = schema["type"], schema.get("enum")
    kinds = kind if isinstance(kind, list) else [kind]
    schema["type"] = kinds if "null" in kinds else [*kinds, "null"]
    if isinstance(words, list) and None not in words:
        schema["enum"] = [*words, None]
    return schema
