"""Schemas of Mintlify's intermediate form, as schemas of OpenAPI 3.1.

There are two kinds. Mintlify's own stand in a `schemaArray` and under a parameter: their
properties and items are wrapped in an `allOf` of one, types read `enum<string>` and `file`,
and `required`, `requiredProperties` and `refIdentifier` stand beside the keywords. Everything
below them is a schema as its authors wrote it, `nullable` of OpenAPI 3.0 included.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TypeAlias

from openapi.errors import SpecError
from openapi.pointers import place_of
from openapi.spelling import nullable
from openapi.values import boolean, fields, mapping, members, refuse_key, same, sequence, string
from spec_pipeline.form_a.keywords import PLAIN_KEYWORDS, distinct_strings

__all__ = ["Schemas"]

Schema = dict[str, object]

_COMPONENTS = "#/components/schemas/"
_NAME = re.compile(r"[A-Za-z0-9._-]+")
# The names a `required` may hold, besides a schema's own properties; None where they cannot be told
# without following references.
_Names: TypeAlias = "frozenset[str] | None"
_COMBINERS = ("allOf", "anyOf", "oneOf")


@dataclass
class Schemas:
    """Converts schemas, and gathers the components they are part of."""

    components: dict[str, Schema] = field(default_factory=dict)
    _defined_at: dict[str, str] = field(default_factory=dict)
    _references: list[tuple[str, str]] = field(default_factory=list)

    def mintlify(self, value: object, place: str, *, beside: tuple[str, ...] = ()) -> Schema:
        """Convert one of Mintlify's own schemas; `beside` are keys the caller reads itself.

        A schema with `refIdentifier` becomes a component, and a reference to it is returned.

        Raises:
            SpecError: it holds a key or a type not known here, can be read in two ways, or defines
                a component otherwise than elsewhere.
        """
        node = {key: item for key, item in mapping(value, place).items() if key not in beside}
        if "required" in node:
            # In an author's schema this is a list; here it is a flag, which the caller expects.
            refuse_key(place, "required")
        identifier = node.pop("refIdentifier", None)
        names = node.pop("requiredProperties", None)
        if node.get("type") == "enum<string>":
            node["type"] = "string"
            _check_words(node, place)
        elif node.get("type") == "file":
            node = _file(node, place)
        schema = self._schema(node, place, frozenset(), wrapped=True)
        if names is not None:
            at = place_of(place, "requiredProperties")
            required = distinct_strings(names, at)
            _check_required(required, at, node, frozenset())
            schema = _with_required(schema, required)
        if identifier is None:
            return schema
        at = place_of(place, "refIdentifier")
        reference = string(identifier, at)
        self._define(_component_name(reference, at), schema, place)
        return {"$ref": reference}

    def define(self, value: object, place: str) -> None:
        """Take in the document's own `components.schemas`.

        Raises:
            SpecError: as for `mintlify`.
        """
        for name, schema, at in members(value, place):
            _component_name(f"{_COMPONENTS}{name}", at)
            self._define(name, self._schema(schema, at, frozenset()), at)

    def check_references(self) -> None:
        """Raise `SpecError` for the first reference to a component that is not there."""
        for name, place in self._references:
            if name not in self.components:
                raise SpecError(f"there is no component {name!r}: the published page may be cut short", place)

    def _define(self, name: str, schema: Schema, place: str) -> None:
        if name not in self.components:
            self.components[name] = schema
            self._defined_at[name] = place
        elif not same(self.components[name], schema):
            raise SpecError(
                f"this is not how the component {name!r} is defined at {self._defined_at[name]}:"
                " find out which of them is meant",
                place,
            )

    def _schema(self, value: object, place: str, inherited: _Names, *, wrapped: bool = False) -> Schema:
        node = mapping(value, place)
        in_parts = _names_for_parts(node, inherited)
        schema: Schema = {}
        for key, item, at in members(node, place):
            if key in PLAIN_KEYWORDS:
                schema[key] = PLAIN_KEYWORDS[key](item, at)
            elif key == "properties":
                schema[key] = {
                    name: self._child(member, member_at, wrapped) for name, member, member_at in members(item, at)
                }
            elif key == "items":
                schema[key] = self._child(item, at, wrapped)
            elif key == "additionalProperties":
                schema[key] = item if isinstance(item, bool) else self._child(item, at, False)
            elif key in _COMBINERS:
                schema[key] = [
                    self._schema(part, place_of(at, index), in_parts) for index, part in enumerate(_some(item, at))
                ]
            elif key == "not":
                schema[key] = self._schema(item, at, in_parts)
            elif key == "$ref":
                schema[key] = reference = string(item, at)
                self._references.append((_component_name(reference, at), at))
            elif key == "discriminator":
                schema[key] = self._discriminator(item, at)
            elif key != "nullable":
                refuse_key(place, key)
        if isinstance(required := schema.get("required"), list):
            _check_required(required, place_of(place, "required"), node, inherited)
        at = place_of(place, "nullable")
        return nullable(schema, at) if boolean(node.get("nullable", False), at) else schema

    def _child(self, value: object, place: str, wrapped: bool) -> Schema:
        if wrapped and isinstance(value, dict) and list(value) == ["allOf"]:
            parts = _some(value["allOf"], place_of(place, "allOf"))
            if len(parts) == 1:
                value, place = parts[0], place_of(place_of(place, "allOf"), 0)
        return self._schema(value, place, frozenset())

    def _discriminator(self, value: object, place: str) -> Schema:
        node = fields(value, place, required=("propertyName",), optional=("mapping",))
        result: Schema = {"propertyName": string(node["propertyName"], place_of(place, "propertyName"))}
        if "mapping" in node:
            targets: Schema = {}
            for name, target, at in members(node["mapping"], place_of(place, "mapping")):
                targets[name] = reference = string(target, at)
                # A bare name is as good as a reference here (OpenAPI 3.1.0, Discriminator Object).
                if "/" not in reference:
                    reference = f"{_COMPONENTS}{reference}"
                self._references.append((_component_name(reference, at), at))
            result["mapping"] = targets
        return result


def _some(value: object, place: str) -> list[object]:
    items = sequence(value, place)
    if not items:
        raise SpecError("an empty list says nothing here: check the published page", place)
    return items


def _component_name(reference: str, place: str) -> str:
    name = reference.removeprefix(_COMPONENTS)
    if name == reference or not _NAME.fullmatch(name):
        raise SpecError(f"{reference!r} does not name a component under {_COMPONENTS}", place)
    return name


def _check_words(node: Schema, place: str) -> None:
    at = place_of(place, "enum")
    if "enum" not in node:
        raise SpecError("enum<string> without an enum: check the published page", place)
    for index, word in enumerate(sequence(node["enum"], at)):
        string(word, place_of(at, index))


def _file(node: Schema, place: str) -> Schema:
    if "contentEncoding" not in node:
        raise SpecError("a file without contentEncoding: check the published page", place)
    if (encoding := node["contentEncoding"]) != "binary":
        raise SpecError(
            f"a file is known with contentEncoding binary only, not {encoding!r}",
            place_of(place, "contentEncoding"),
        )
    if "format" in node:
        raise SpecError("a file with a format: which of them holds?", place_of(place, "format"))
    result: Schema = {}
    for key, item in node.items():
        if key == "type":
            # Not contentMediaType, the idiom of 3.1: generators take that for a text field.
            result |= {"type": "string", "format": "binary"}
        elif key != "contentEncoding":
            result[key] = item
    return result


def _with_required(schema: Schema, required: list[str]) -> Schema:
    result: Schema = {}
    for key, item in schema.items():
        if key == "properties":
            result["required"] = required
        result[key] = item
    result.setdefault("required", required)
    return result


def _names_for_parts(node: Schema, inherited: _Names) -> _Names:
    if inherited is None or "$ref" in node or "allOf" in node:
        return None
    return inherited | _own_names(node)


def _own_names(node: Schema) -> frozenset[str]:
    properties = node.get("properties")
    return frozenset(properties) if isinstance(properties, dict) else frozenset()


def _check_required(required: list[str], place: str, node: Schema, inherited: _Names) -> None:
    if inherited is None or any(key in node for key in ("$ref", *_COMBINERS)):
        return
    for name in required:
        if name not in inherited | _own_names(node):
            raise SpecError(f"{name!r} is required, but there is no such property", place)
