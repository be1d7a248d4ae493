"""Two contracts are compared by what they mean: which way each change goes, where it is, and who is hit."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from openapi import yaml
from openapi.errors import SpecError
from openapi.layout import laid_out
from spec_pipeline.changes import documents
from spec_pipeline.changes.change import ABSENT, Area, Change, Impact
from spec_pipeline.changes.keywords import Located, Reader
from spec_pipeline.changes.meaning import Meaning
from spec_pipeline.form_a import conversion as mintlify
from spec_pipeline.form_a.losses import without_what_form_a_loses
from spec_pipeline.published.page import Form, read_page

BREAKING, COMPATIBLE, WORDING = Impact.BREAKING, Impact.COMPATIBLE, Impact.WORDING
PAGES = Path(__file__).parent / "pages"
SCHEMAS = "#/components/schemas/"


def document(request: Any = None, response: Any = None, **schemas: Any) -> dict[str, Any]:
    operation: dict[str, Any] = {"responses": {"200": {"description": "Done"}}}
    if request is not None:
        operation["requestBody"] = {"content": {"application/json": {"schema": request}}}
    if response is not None:
        operation["responses"]["200"]["content"] = {"application/json": {"schema": response}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "paths": {"/a": {"post": operation}},
        "components": {"schemas": schemas},
    }


REQUEST = "/paths/~1a/post/requestBody/content/application~1json/schema"
ITSELF = {"$ref": f"{SCHEMAS}A"}
RESPONSE = "/paths/~1a/post/responses/200/content/application~1json/schema"


def diff(old: Any, new: Any) -> list[Change]:
    return documents.diff(laid_out(old), laid_out(new))


def worst(changes: list[Change]) -> Impact | None:
    return max((change.impact for change in changes), default=None)


def both_ways(old: Any, new: Any, **schemas: Any) -> tuple[Impact | None, Impact | None]:
    """Return what a change of a schema does to a request and to a response."""
    return (
        worst(diff(document(request=old, **schemas), document(request=new, **schemas))),
        worst(diff(document(response=old, **schemas), document(response=new, **schemas))),
    )


def thing(**keywords: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"type": "string"}}, **keywords}


NARROWER = (BREAKING, COMPATIBLE)
WIDER = (COMPATIBLE, BREAKING)
EITHER = (BREAKING, BREAKING)
HARMLESS = (COMPATIBLE, COMPATIBLE)
WORDS = (WORDING, WORDING)
NOTHING = (None, None)
A, B = {"type": "string"}, {"type": "integer"}
FILE = {"type": "string", "format": "binary"}
CHANGES = {
    "type, another": (A, B, EITHER),
    "type, one more": (A, {"type": ["string", "null"]}, WIDER),
    "type, one less": ({"type": ["string", "null"]}, A, NARROWER),
    "type, none": (A, {}, WIDER),
    "type, number for integer": (B, {"type": "number"}, WIDER),
    "type, a list of one": (A, {"type": ["string"]}, NOTHING),
    "type, integer beside number": ({"type": "number"}, {"type": ["integer", "number"]}, NOTHING),
    "nullable": (A, {"type": "string", "nullable": True}, WIDER),
    "nullable, false": (A, {"type": "string", "nullable": False}, NOTHING),
    "nullable, in 3.1": ({"type": "string", "nullable": True}, {"type": ["string", "null"]}, NOTHING),
    "enum, one less": ({"enum": [1, 2]}, {"enum": [1]}, NARROWER),
    "enum, one more": ({"enum": [1]}, {"enum": [1, 2]}, WIDER),
    "enum, another": ({"enum": [1]}, {"enum": [2]}, EITHER),
    "enum, order": ({"enum": [1, 2]}, {"enum": [2, 1]}, NOTHING),
    "enum, comes": (A, {**A, "enum": ["a"]}, NARROWER),
    "enum, goes": ({**A, "enum": ["a"]}, A, WIDER),
    "enum, true is not 1": ({"enum": [1]}, {"enum": [True]}, EITHER),
    "enum, 1.0 is 1": ({"enum": [1]}, {"enum": [1.0]}, NOTHING),
    "const, as an enum": ({"const": 1}, {"enum": [1]}, NOTHING),
    "const, another": ({"const": 1}, {"const": 2}, EITHER),
    "const, comes beside an enum": ({"enum": ["a", "b"]}, {"enum": ["a", "b"], "const": "a"}, NARROWER),
    "const, goes beside an enum": ({"enum": ["a", "b"], "const": "a"}, {"enum": ["a", "b"]}, WIDER),
    "const, another beside an enum": ({"enum": [1, 2], "const": 1}, {"enum": [1, 2], "const": 2}, EITHER),
    "const, beside an enum of it": ({"const": 1}, {"const": 1, "enum": [1.0, 2]}, NOTHING),
    "const, beside an enum without it": ({"enum": [1]}, {"enum": [1], "const": 2}, NARROWER),
    "const, beside a part with an enum": (
        {"allOf": [{"enum": [1, 2]}]},
        {"allOf": [{"enum": [1, 2]}], "const": 1},
        NARROWER,
    ),
    "const, beside a wider enum": ({"const": 1, "enum": [1]}, {"const": 1, "enum": [1, 2]}, NOTHING),
    "format, comes": (A, {**A, "format": "uuid"}, NARROWER),
    "format, goes": ({**A, "format": "uuid"}, A, WIDER),
    "format, another": ({**A, "format": "uuid"}, {**A, "format": "date"}, EITHER),
    "format, binary comes": (A, FILE, EITHER),
    "format, binary goes": (FILE, A, EITHER),
    "contentMediaType, as binary": (FILE, {**A, "contentMediaType": "application/octet-stream"}, NOTHING),
    "contentEncoding, as binary": (FILE, {**A, "contentEncoding": "binary"}, NOTHING),
    "contentEncoding, as byte": ({**A, "format": "byte"}, {**A, "contentEncoding": "base64"}, NOTHING),
    "contentMediaType, another": (A, {**A, "contentMediaType": "image/png"}, EITHER),
    "pattern, comes": (A, {**A, "pattern": "a"}, NARROWER),
    "pattern, goes": ({**A, "pattern": "a"}, A, WIDER),
    "pattern, another": ({**A, "pattern": "a"}, {**A, "pattern": "b"}, EITHER),
    "minLength, up": ({**A, "minLength": 1}, {**A, "minLength": 2}, NARROWER),
    "minLength, down": ({**A, "minLength": 2}, {**A, "minLength": 1}, WIDER),
    "minLength, of 0": (A, {**A, "minLength": 0}, NOTHING),
    "maxLength, up": ({**A, "maxLength": 1}, {**A, "maxLength": 2}, WIDER),
    "maxLength, down": ({**A, "maxLength": 2}, {**A, "maxLength": 1}, NARROWER),
    "maxLength, comes": (A, {**A, "maxLength": 2}, NARROWER),
    "minimum, up": ({**B, "minimum": 1}, {**B, "minimum": 2}, NARROWER),
    "minimum, goes": ({**B, "minimum": 1}, B, WIDER),
    "minimum, 1.0 is 1": ({**B, "minimum": 1}, {**B, "minimum": 1.0}, NOTHING),
    "maximum, up": ({**B, "maximum": 1}, {**B, "maximum": 2}, WIDER),
    "exclusiveMinimum, up": ({**B, "exclusiveMinimum": 1}, {**B, "exclusiveMinimum": 2}, NARROWER),
    "exclusiveMaximum, up": ({**B, "exclusiveMaximum": 1}, {**B, "exclusiveMaximum": 2}, WIDER),
    "exclusiveMinimum, of 3.0": ({**B, "minimum": 1, "exclusiveMinimum": True}, {**B, "exclusiveMinimum": 1}, NOTHING),
    "exclusiveMaximum, of 3.0": ({**B, "maximum": 1, "exclusiveMaximum": False}, {**B, "maximum": 1}, NOTHING),
    "multipleOf, comes": (B, {**B, "multipleOf": 2}, NARROWER),
    "multipleOf, a multiple of it": ({**B, "multipleOf": 2}, {**B, "multipleOf": 4}, NARROWER),
    "multipleOf, a part of it": ({**B, "multipleOf": 4}, {**B, "multipleOf": 2}, WIDER),
    "multipleOf, another": ({**B, "multipleOf": 2}, {**B, "multipleOf": 3}, EITHER),
    "multipleOf, of tenths": ({"multipleOf": 0.1}, {"multipleOf": 0.3}, NARROWER),
    "minItems, up": ({"minItems": 1}, {"minItems": 2}, NARROWER),
    "maxItems, up": ({"maxItems": 1}, {"maxItems": 2}, WIDER),
    "uniqueItems, comes": ({"type": "array"}, {"type": "array", "uniqueItems": True}, NARROWER),
    "uniqueItems, false": ({"type": "array"}, {"type": "array", "uniqueItems": False}, NOTHING),
    "minProperties, up": ({"minProperties": 1}, {"minProperties": 2}, NARROWER),
    "maxProperties, up": ({"maxProperties": 1}, {"maxProperties": 2}, WIDER),
    "items, another": ({"items": A}, {"items": B}, EITHER),
    "items, come": ({"type": "array"}, {"type": "array", "items": A}, NARROWER),
    "items, go": ({"type": "array", "items": A}, {"type": "array"}, WIDER),
    "property, another type": (thing(), thing(properties={"a": B}), EITHER),
    "property, renamed": (thing(), thing(properties={"b": A}), EITHER),
    "property, goes": (thing(), thing(properties={}), EITHER),
    "property, comes": (thing(), thing(properties={"a": A, "b": A}), HARMLESS),
    "property, comes and is required": (thing(), thing(properties={"a": A, "b": A}, required=["b"]), NARROWER),
    "property, called like a keyword": (
        thing(properties={"description": A, "type": A, "example": A}),
        thing(properties={"description": B, "type": A, "example": A}),
        EITHER,
    ),
    "required, now": (thing(), thing(required=["a"]), NARROWER),
    "required, no longer": (thing(required=["a"]), thing(), WIDER),
    "required, order": (thing(required=["a", "b"]), thing(required=["b", "a"]), NOTHING),
    "required, nothing": (thing(), thing(required=[]), NOTHING),
    "additionalProperties, no more": (thing(), thing(additionalProperties=False), NARROWER),
    "additionalProperties, again": (thing(additionalProperties=False), thing(), HARMLESS),
    "additionalProperties, true": (thing(), thing(additionalProperties=True), NOTHING),
    "additionalProperties, anything": (thing(), thing(additionalProperties={}), NOTHING),
    "additionalProperties, some": (thing(), thing(additionalProperties=A), NARROWER),
    "additionalProperties, none instead of some": (
        thing(additionalProperties=A),
        thing(additionalProperties=False),
        NARROWER,
    ),
    "additionalProperties, others": (thing(additionalProperties=A), thing(additionalProperties=B), EITHER),
    "default, another": ({**A, "default": "a"}, {**A, "default": "b"}, (BREAKING, COMPATIBLE)),
    "default, goes": ({**A, "default": "a"}, A, (BREAKING, COMPATIBLE)),
    "default, comes": (A, {**A, "default": "a"}, HARMLESS),
    "deprecated": (A, {**A, "deprecated": True}, HARMLESS),
    "deprecated, false": (A, {**A, "deprecated": False}, NOTHING),
    "readOnly": (A, {**A, "readOnly": True}, (BREAKING, WORDING)),
    "readOnly, no longer": ({**A, "readOnly": True}, A, (COMPATIBLE, WORDING)),
    "writeOnly": (A, {**A, "writeOnly": True}, (WORDING, BREAKING)),
    "not, comes": (A, {**A, "not": {"const": "a"}}, NARROWER),
    "not, another": ({"not": {"const": "a"}}, {"not": {"const": "b"}}, EITHER),
    "not, in other words": ({"not": {"const": "a"}}, {"not": {"enum": ["a"]}}, NOTHING),
    "not, with a title": ({"not": {"const": "a"}}, {"not": {"const": "a", "title": "t"}}, WORDS),
    "not, of a union in another order": ({"not": {"anyOf": [A, B]}}, {"not": {"anyOf": [B, A]}}, NOTHING),
    "prefixItems, in other words": ({"prefixItems": [{"const": 1}, B]}, {"prefixItems": [{"enum": [1]}, B]}, NOTHING),
    "prefixItems, order": ({"prefixItems": [A, B]}, {"prefixItems": [B, A]}, EITHER),
    "patternProperties, in other words": (
        {"patternProperties": {"^a": {"const": 1}}},
        {"patternProperties": {"^a": {"enum": [1]}}},
        NOTHING,
    ),
    "patternProperties, another pattern": ({"patternProperties": {"^a": A}}, {"patternProperties": {"^b": A}}, EITHER),
    "contains, another": ({"contains": A}, {"contains": B}, EITHER),
    "unevaluatedProperties, anything": ({"unevaluatedProperties": True}, {"unevaluatedProperties": {}}, NOTHING),
    "oneOf, one more": ({"oneOf": [A]}, {"oneOf": [A, B]}, WIDER),
    "oneOf, one less": ({"oneOf": [A, B]}, {"oneOf": [A]}, NARROWER),
    "oneOf, order": ({"oneOf": [A, B]}, {"oneOf": [B, A]}, NOTHING),
    "oneOf, order inside and out": (
        {"oneOf": [{"anyOf": [thing(), B]}, {"anyOf": [thing(required=["a"]), B]}]},
        {"oneOf": [{"anyOf": [B, thing(required=["a"])]}, {"anyOf": [B, thing()]}]},
        NOTHING,
    ),
    "oneOf, of one": (A, {"oneOf": [A]}, NOTHING),
    "oneOf, with a lone schema before": (A, {"oneOf": [B, A]}, WIDER),
    "oneOf, order of values inside and out": (
        {"oneOf": [{"enum": [1, 2]}, {"enum": [1, 3]}]},
        {"oneOf": [{"enum": [3, 1]}, {"enum": [2, 1]}]},
        NOTHING,
    ),
    "oneOf, order of what differs in its default": (
        {"oneOf": [{**thing(), "default": {"title": 1}}, {**thing(), "default": {"title": 2}}]},
        {"oneOf": [{**thing(), "default": {"title": 2}}, {**thing(), "default": {"title": 1}}]},
        NOTHING,
    ),
    "oneOf, beside another keyword": (thing(), {"oneOf": [thing(), thing(required=["a"])], "minProperties": 1}, EITHER),
    "oneOf, inside of each": (
        {"oneOf": [thing(), {"type": "array", "items": A}]},
        {"oneOf": [thing(required=["a"]), {"type": "array", "items": A, "minItems": 1}]},
        NARROWER,
    ),
    "oneOf, inside of one": ({"oneOf": [thing(), B]}, {"oneOf": [B, thing(required=["a"])]}, NARROWER),
    "anyOf, one more": ({"anyOf": [A]}, {"anyOf": [A, B]}, WIDER),
    "anyOf, with null": ({"type": ["string", "null"]}, {"anyOf": [A, {"type": "null"}]}, NOTHING),
    "allOf, of one": (thing(), {"allOf": [thing()]}, NOTHING),
    "allOf, one more": ({"allOf": [thing(), {}]}, {"allOf": [thing(), {}, {"required": ["a"]}]}, NARROWER),
    "allOf, one less": ({"allOf": [thing(), {"required": ["a"]}]}, {"allOf": [thing()]}, WIDER),
    "allOf, of the same properties": (
        thing(properties={"a": A, "b": B}, required=["b"]),
        {"allOf": [thing(), {"properties": {"b": B}, "required": ["b"]}], "title": "t"},
        WORDS,
    ),
    "allOf, of properties beside properties": (
        thing(properties={"a": A, "b": B}),
        thing(allOf=[{"properties": {"b": B}}]),
        NOTHING,
    ),
    "allOf, of properties that contradict each other": (
        thing(),
        {"allOf": [thing(), {"properties": {"a": B}}]},
        NARROWER,
    ),
    "anyOf, of types": ({"type": ["string", "integer"]}, {"anyOf": [A, B]}, NOTHING),
    "oneOf, of types": ({"type": ["string", "integer"]}, {"oneOf": [{**A, "x-a": 1}, B]}, NOTHING),
    "oneOf, of types that overlap": ({"type": "number"}, {"oneOf": [{"type": "number"}, B]}, WIDER),
    "discriminator, another": (
        {"oneOf": [A, B], "discriminator": {"propertyName": "a"}},
        {"oneOf": [A, B], "discriminator": {"propertyName": "b"}},
        EITHER,
    ),
    "boolean schema": (A, False, EITHER),
    "boolean schema, in other words": (False, {"not": {}}, NOTHING),
    "true for everything": ({}, True, NOTHING),
    "a keyword that is not known": (A, {**A, "if": {"minLength": 1}}, EITHER),
    "an extension": (A, {**A, "x-a": 1}, WORDS),
    "title": (A, {**A, "title": "t"}, WORDS),
    "xml": (A, {**A, "xml": {"name": "a"}}, WORDS),
    "$defs that nothing refers to, and $id": (A, {**A, "$defs": {"B": B}, "$id": "https://docs.example/a"}, WORDS),
    "description": ({**A, "description": "a"}, {**A, "description": "b"}, WORDS),
    "example": (A, {**A, "example": "a"}, WORDS),
    "example, of 3.0": ({**A, "example": "a"}, {**A, "examples": ["a"]}, NOTHING),
}


@pytest.mark.parametrize("name", CHANGES)
def test_which_way_a_change_of_a_schema_goes(name: str) -> None:
    old, new, expected = CHANGES[name]
    assert both_ways(old, new) == expected


@pytest.mark.parametrize("name", CHANGES)
def test_what_widens_one_way_narrows_the_other(name: str) -> None:
    old, new, expected = CHANGES[name]
    turned = {NARROWER: WIDER, WIDER: NARROWER, NOTHING: NOTHING, EITHER: EITHER}
    renamed = ("property", "additionalProperties", "default")
    if expected in turned and not name.startswith(renamed):
        assert both_ways(new, old) == turned[expected]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_behind_a_reference_is_the_same_change(name: str) -> None:
    old, new, expected = CHANGES[name]
    schema = {"$ref": f"{SCHEMAS}A"}
    request = diff(document(request=schema, A=old), document(request=schema, A=new))
    response = diff(document(response=schema, A=old), document(response=schema, A=new))
    assert (worst(request), worst(response)) == expected
    assert all(change.pointer.startswith("/components/schemas/A") for change in request + response)


# Of 2020-12, what holds schemas; nothing refers to `$defs` here.
HOLDERS: dict[str, Any] = {
    **{key: lambda it: {"a": it} for key in ("properties", "patternProperties", "dependentSchemas")},
    **{key: lambda it: [it, {"minProperties": 1}] for key in ("allOf", "anyOf", "oneOf", "prefixItems")},
    **{key: lambda it: it for key in ("items", "additionalProperties", "not", "contains", "propertyNames")},
    **{key: lambda it: it for key in ("if", "then", "else", "unevaluatedItems", "unevaluatedProperties")},
    "contentSchema": lambda it: it,
}
M = {"$ref": f"{SCHEMAS}M"}
BEHIND = {
    "another type": (A, B, BREAKING),
    "a description": (A, {**A, "description": "d"}, WORDING),
    "a description, further behind": (
        thing(properties={"b": A}),
        thing(properties={"b": {**A, "title": "t"}}),
        WORDING,
    ),
    "other words": ({"const": "a"}, {"enum": ["a"]}, None),
    "another type, in a ring": (thing(properties={"b": M, "c": A}), thing(properties={"b": M, "c": B}), BREAKING),
    "nothing, in a ring": (thing(properties={"b": M}), thing(properties={"b": M}), None),
}


@pytest.mark.parametrize("name", BEHIND)
@pytest.mark.parametrize("keyword", HOLDERS)
def test_a_change_behind_a_reference_is_found_through_every_keyword_that_holds_schemas(keyword: str, name: str) -> None:
    old, new, expected = BEHIND[name]
    schema = {keyword: HOLDERS[keyword](M)}
    for place in ("request", "response"):
        changes = diff(document(**{place: schema}, M=old), document(**{place: schema}, M=new))
        assert worst(changes) is expected, changes


@pytest.mark.parametrize("keyword", HOLDERS)
def test_a_component_may_be_renamed_in_every_keyword_that_holds_schemas(keyword: str) -> None:
    old, new = ({keyword: HOLDERS[keyword]({"$ref": SCHEMAS + name})} for name in "MN")
    assert diff(document(request=old, M=thing()), document(request=new, N=thing())) == []


# A third party's judgement: whatever an old caller may send, and a new contract refuses, has to be breaking.

SCALARS = st.one_of(
    st.fixed_dictionaries({}, optional={"type": st.sampled_from(["string", "integer", "null", ["string", "null"]])}),
    st.fixed_dictionaries({"enum": st.lists(st.sampled_from(["a", "b", 1, None]), min_size=1, max_size=3)}),
    st.fixed_dictionaries({"const": st.sampled_from(["a", 1])}),
    st.fixed_dictionaries(
        {"type": st.just("integer")}, optional={"minimum": st.integers(0, 3), "maximum": st.integers(0, 3)}
    ),
    st.fixed_dictionaries(
        {"type": st.just("string")}, optional={"minLength": st.integers(0, 2), "pattern": st.just("a")}
    ),
    st.booleans(),
)
NAMES = ["a", "b"]


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    properties = st.fixed_dictionaries(dict.fromkeys(NAMES, inner))
    return st.one_of(
        # All of them name the same properties: that undocumented ones may come is no news to a reader.
        st.builds(
            lambda held, required: {
                "type": "object",
                "properties": held,
                "required": required,
                "additionalProperties": False,
            },
            properties,
            st.lists(st.sampled_from(NAMES), unique=True),
        ),
        st.builds(lambda item: {"type": "array", "items": item}, inner),
        st.builds(lambda parts: {"anyOf": parts}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda parts: {"allOf": parts}, st.lists(inner, min_size=1, max_size=2)),
    )


SOME_SCHEMAS = st.recursive(SCALARS, nested, max_leaves=5)
VALUES: list[Any] = ["a", "bb", "", 0, 1, 2, 4, None, [], ["a"], [1, None], {}]
VALUES += [dict(zip(NAMES, pair, strict=True)) for pair in itertools.product(["a", 1, None, {}], repeat=2)]
VALUES += [{name: value} for name in NAMES for value in ("a", 1, None)]


def parts_of(schema: Any) -> list[dict[str, Any]]:
    """Return every schema in ``schema`` that has keywords, itself included."""
    if not isinstance(schema, dict):
        return []
    below = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("allOf", [])]
    return [schema, *(part for child in [*below, schema.get("items")] for part in parts_of(child))]


CLOSE: dict[str, list[Any]] = {
    "type": ["string", "integer", "object", ["string", "null"], ["string", "integer"]],
    "enum": [["a"], ["a", "b"], ["a", 1, None]],
    "const": ["a", 1],
    "required": [["a"], ["b", "a"]],
    "minimum": [1, 2],
    "maximum": [1, 2],
    "minLength": [1, 2],
    "maxLength": [1, 2],
    "not": [{"const": "a"}, {"type": "integer"}],
    "anyOf": [[{"type": "string"}, {"type": "null"}], [{"type": "string"}, {"type": "integer"}, {"type": "object"}]],
    "allOf": [[{"required": ["a"]}, {"required": ["b"]}]],
    "minItems": [1, 2],
    "items": [{"type": "string"}, True],
}


@st.composite
def a_schema_and_one_close_to_it(draw: st.DrawFn) -> tuple[Any, Any]:
    old = draw(SOME_SCHEMAS.filter(lambda schema: isinstance(schema, dict)))
    new = copy.deepcopy(old)
    part = draw(st.sampled_from(parts_of(new)))
    key = draw(st.sampled_from(sorted(CLOSE)))
    change = draw(st.sampled_from([*CLOSE[key], None]))
    if change is None:
        part.pop(key, None)
    else:
        part[key] = change
    return old, new


PAIRS = st.tuples(SOME_SCHEMAS, SOME_SCHEMAS) | a_schema_and_one_close_to_it()


@settings(max_examples=400, deadline=None)
@given(PAIRS)
def test_no_narrowing_of_a_request_and_no_widening_of_a_response_is_missed(pair: tuple[Any, Any]) -> None:
    old, new = pair
    before, after = Draft202012Validator(old), Draft202012Validator(new)
    refused = [value for value in VALUES if before.is_valid(value) and not after.is_valid(value)]
    added = [value for value in VALUES if after.is_valid(value) and not before.is_valid(value)]
    request, response = both_ways(old, new)
    assert not refused or request is BREAKING
    assert not added or response is BREAKING


@settings(max_examples=100, deadline=None)
@given(SOME_SCHEMAS)
def test_a_contract_does_not_differ_from_itself(schema: Any) -> None:
    assert both_ways(schema, copy.deepcopy(schema)) == (None, None)


CLOSED = {"allOf": [thing(), {"properties": {"b": B}}], "additionalProperties": False}


def test_what_is_closed_from_outside_is_not_joined() -> None:
    assert both_ways(thing(properties={"a": A, "b": B}, additionalProperties=False), CLOSED)[0] is BREAKING


def test_const_beside_a_reference_is_an_enum_beside_what_is_there() -> None:
    only = {"$ref": f"{SCHEMAS}A", "const": "a"}
    assert both_ways(only, {**A, "enum": ["a"]}, A=A) == NOTHING
    assert both_ways({"$ref": f"{SCHEMAS}A"}, only, A={"enum": ["a", "b"]}) == NARROWER


def test_without_servers_it_is_the_one_that_the_document_is_from() -> None:
    assert diff(document(), {**document(), "servers": [{"url": "/"}]}) == []


def ladder(steps: int, combiner: str, last: Any) -> dict[str, Any]:
    """Schemas each of which names the next one twice: written out, it is as long as two to the power of the steps."""
    names = [f"S{number}" for number in range(steps)]
    held = {
        name: {
            combiner: [
                {"type": "object", "properties": {"a": {"$ref": f"{SCHEMAS}{after}"}}, "title": title} for title in "ab"
            ]
        }
        for name, after in itertools.pairwise(names)
    }
    return {**held, names[-1]: last}


@pytest.mark.parametrize("combiner", ["oneOf", "anyOf", "allOf"])
@pytest.mark.parametrize(("last", "found"), [(A, None), (B, BREAKING), ({"$ref": f"{SCHEMAS}S0"}, BREAKING)])
def test_each_pair_of_schemas_is_compared_once(combiner: str, last: Any, found: Impact | None) -> None:
    first = {"$ref": f"{SCHEMAS}S0"}
    old, new = (document(response=first, **ladder(30, combiner, end)) for end in (A, last))
    assert worst(diff(old, new)) is found


def animals(*, cat: str = "Cat", mapped: bool = True, **more: Any) -> dict[str, Any]:
    """A response of one of two components, told apart by a property."""
    pets = {"Dog": thing(properties={"kind": A, "bark": A}), cat: thing(properties={"kind": A, "purr": A, **more})}
    mapping = {"mapping": {"cat": f"{SCHEMAS}{cat}", "dog": "Dog"}} if mapped else {}
    schema = {"oneOf": [{"$ref": f"{SCHEMAS}{name}"} for name in pets]}
    return document(response={**schema, "discriminator": {"propertyName": "kind", **mapping}}, **pets)


def test_a_component_may_be_renamed_with_its_discriminator_s_mapping() -> None:
    assert diff(animals(), animals(cat="Feline")) == []
    (change,) = diff(animals(), animals(cat="Feline", claws=A))
    assert (change.pointer, change.impact) == ("/components/schemas/Feline/properties/claws", COMPATIBLE)


def test_a_component_is_compared_with_the_one_of_its_name_wherever_that_stands() -> None:
    def either(*names: str, **schemas: Any) -> dict[str, Any]:
        return document(request={"oneOf": [{"$ref": SCHEMAS + name} for name in names]}, **schemas)

    wide, narrow = {"type": "array"}, {"type": "array", "minItems": 1}
    old = either("Thing", "Many", Thing=thing(required=["a"]), Many=narrow)
    assert worst(diff(old, either("Many", "Thing", Thing=thing(), Many=wide))) is COMPATIBLE


@pytest.mark.parametrize(("was", "now", "expected"), [("AB", "ABC", COMPATIBLE), ("ABC", "AB", BREAKING)])
def test_another_value_of_a_discriminator_widens_what_is_taken(was: str, now: str, expected: Impact) -> None:
    def told_apart(names: str) -> dict[str, Any]:
        mapping = {name.lower(): SCHEMAS + name for name in names}
        any_of = {"oneOf": [{"$ref": SCHEMAS + name} for name in "AB"]}
        any_of["discriminator"] = {"propertyName": "a", "mapping": mapping}
        return document(request=any_of, A=thing(), B=thing(required=["a"]), C=thing())

    assert worst(diff(told_apart(was), told_apart(now))) is expected


TOLD_APART = {"oneOf": [A, B], "discriminator": {"propertyName": "a"}}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, None),
        ({"propertyName": "b"}, BREAKING),
        ({"mapping": {"x": f"{SCHEMAS}M"}}, BREAKING),
    ],
)
def test_how_alternatives_are_told_apart_counts_below_a_keyword_that_is_one_thing(
    change: Any, expected: Impact | None
) -> None:
    now = {**TOLD_APART, "discriminator": {**TOLD_APART["discriminator"], **change}}
    found = diff(document(request={"contains": TOLD_APART}, M=A), document(request={"contains": now}, M=A))
    assert worst(found) is expected


def test_what_told_alternatives_apart_is_told_with_what_does() -> None:
    now = {**TOLD_APART, "discriminator": {"propertyName": "b"}}
    (change,) = diff(document(request=TOLD_APART), document(request=now))
    assert (change.old, change.new) == ({"propertyName": "a", "mapping": {}}, {"propertyName": "b", "mapping": {}})


def test_without_a_mapping_the_component_s_name_is_what_is_sent() -> None:
    assert {change.what for change in diff(animals(mapped=False), animals(cat="Feline", mapped=False))} == {
        "discriminator, 'Cat'",
        "discriminator, 'Feline'",
    }


@pytest.mark.parametrize("name", ["mapping", "propertyName", "$ref", "discriminator", "default", "example", "enum"])
def test_a_property_may_be_called_like_a_keyword(name: str) -> None:
    held = thing(properties={"propertyName": A, name: thing(properties={"it": {"$ref": f"{SCHEMAS}A"}})})
    assert both_ways(held, copy.deepcopy(held), A=A) == NOTHING
    (change,) = diff(document(request=held, A=A), document(request=held, A=B))
    assert change.pointer == "/components/schemas/A/type"


def test_what_another_component_does_differently_is_told_where_it_is_used() -> None:
    schemas = {"Short": thing(), "Long": thing(properties={"a": B, "b": A})}
    old, new = (document(response=thing(properties={"it": {"$ref": SCHEMAS + name}}), **schemas) for name in schemas)
    new["paths"]["/b"] = old["paths"]["/b"] = copy.deepcopy(new["paths"]["/a"])
    place = f"{RESPONSE}/properties/it"
    assert [(change.pointer, change.inside, change.impact) for change in diff(old, new)] == [
        (place, "/components/schemas/Long/properties/a/type", BREAKING),
        (place, "/components/schemas/Long/properties/b", COMPATIBLE),
    ]
    assert f"{place} (in /components/schemas/Long/properties/b)\n" in str(diff(old, new)[1])
    del old["paths"]["/b"]
    written_out = document(response=thing(properties={"it": schemas["Long"]}), **schemas)
    assert [change.pointer for change in diff(old, written_out)] == [
        f"{place}/properties/a/type",
        f"{place}/properties/b",
    ]


def test_a_recursive_schema_ends() -> None:
    def tree(leaf: Any) -> dict[str, Any]:
        children = {"type": "array", "items": {"$ref": f"{SCHEMAS}Tree"}}
        return {"type": "object", "properties": {"leaf": leaf, "children": children}}

    schema = {"$ref": f"{SCHEMAS}Tree"}
    (change,) = diff(document(response=schema, Tree=tree(A)), document(response=schema, Tree=tree(B)))
    assert change.pointer == "/components/schemas/Tree/properties/leaf/type"
    written_out = {**tree(A), "properties": {**tree(A)["properties"], "children": {"type": "array", "items": tree(A)}}}
    assert diff(document(response=schema, Tree=tree(A)), document(response=written_out, Tree=tree(A))) == []
    either, turned = {"anyOf": [B, schema]}, {"anyOf": [schema, B]}
    assert diff(document(response=either, Tree=tree(A)), document(response=turned, Tree=tree(A))) == []


def test_what_two_directions_share_is_reported_once_and_as_the_worse() -> None:
    schema = {"$ref": f"{SCHEMAS}A"}
    short = document(request=schema, response=schema, A={**A, "maxLength": 3})
    long = document(request=schema, response=schema, A=A)
    assert [(change.impact, change.area) for change in diff(long, short)] == [(BREAKING, Area.REQUEST)]
    assert [(change.impact, change.area) for change in diff(short, long)] == [(BREAKING, Area.RESPONSE)]


def test_places_are_those_of_the_new_document_or_of_the_old_for_what_is_gone() -> None:
    old = document(request=thing(properties={"a": A, "b": A}))
    new = document(request=thing(properties={"a": B, "c": A}))
    assert [(change.pointer, change.old, change.new) for change in diff(old, new)] == [
        (f"{REQUEST}/properties/a/type", "string", "integer"),
        (f"{REQUEST}/properties/b", A, ABSENT),
        (f"{REQUEST}/properties/c", ABSENT, A),
    ]


def test_a_change_is_told_in_three_lines() -> None:
    (change,) = diff(document(response=thing()), document(response=thing(properties={"a": B})))
    assert str(change).splitlines() == [
        f"{RESPONSE}/properties/a/type",
        '    type: "string" -> "integer"',
        "    wrapper and caller: read what may not be there; local Anchor: answers the old way",
    ]


def test_what_differs_behind_a_reference_only_is_told_so() -> None:
    (change,) = diff(document(request={"contains": M}, M=A), document(request={"contains": M}, M=B))
    told = '    contains: {"$ref": "#/components/schemas/M"}, and what it refers to is another'
    assert str(change).splitlines()[:2] == [f"{REQUEST}/contains", told]


def secured(**schemes: Any) -> dict[str, Any]:
    """A document whose operation takes any of the schemes, and none where there are none."""
    held = document()
    held["components"] = {"securitySchemes": schemes}
    held["paths"]["/a"]["post"]["security"] = [{name: []} for name in schemes] or [{}]
    return held


KEY_OF_A = {"type": "apiKey", "in": "header", "name": "X-Key"}
WORDS_OF = {
    "'a' is now required": (document(request=thing()), document(request=thing(required=["a"]))),
    "'a' is no longer required": (document(request=thing(required=["a"])), document(request=thing())),
    "property 'a' is gone": (document(request=thing()), document(request=thing(properties={}))),
    "new required property 'b'": (
        document(request=thing()),
        document(request=thing(properties={"a": A, "b": A}, required=["b"])),
    ),
    "new optional property 'b'": (document(request=thing()), document(request=thing(properties={"a": A, "b": A}))),
}


@pytest.mark.parametrize("words", WORDS_OF)
def test_a_change_is_told_in_words_that_say_which_way_it_goes(words: str) -> None:
    assert words in {change.what for change in diff(*WORDS_OF[words])}


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (KEY_OF_A, {**KEY_OF_A, "name": "x-key"}, False),
        (KEY_OF_A, {**KEY_OF_A, "name": "X-Other"}, True),
        ({**KEY_OF_A, "in": "query"}, {**KEY_OF_A, "in": "query", "name": "x-key"}, True),
        ({"type": "http", "scheme": "Bearer"}, {"type": "http", "scheme": "bearer"}, False),
        ({"type": "http", "scheme": "bearer"}, {"type": "http", "scheme": "basic"}, True),
    ],
)
@pytest.mark.parametrize("renamed", [False, True])
def test_a_security_scheme_is_what_it_is_on_the_wire(old: Any, new: Any, changed: bool, renamed: bool) -> None:
    found = diff(secured(key=old), secured(**{"other" if renamed else "key": new}))
    assert (worst(found) is BREAKING) == changed


def test_that_no_key_is_asked_for_any_more_is_said() -> None:
    changes = [*diff(secured(key=KEY_OF_A), secured()), *diff(secured(), secured(key=KEY_OF_A))]
    assert [change.what for change in changes] == [
        "no longer enough: key",
        "now enough: no key",
        "no longer enough: no key",
        "now enough: key",
    ]


def test_a_value_is_told_as_it_is_written() -> None:
    (change,) = diff(document(request={"const": "é"}), document(request={"const": "x" * 500}))
    assert '["é"] -> ["xxx' in str(change)
    assert "x" * 161 not in str(change)


@pytest.mark.parametrize("area", Area)
@pytest.mark.parametrize("impact", [BREAKING, COMPATIBLE])
def test_every_kind_of_change_says_who_is_hit(area: Area, impact: Impact) -> None:
    assert not Change("", 1, 2, impact, "it", area).hit.startswith("docs")


def published(name: str) -> dict[str, Any]:
    page = read_page((PAGES / name).read_text("utf-8"), name=name)
    block = yaml.load(page.block, name=name)
    converted = mintlify.to_openapi(block) if page.form is Form.A else block
    assert isinstance(converted, dict)
    return converted


ENDPOINTS = ["lend-book", "return-book", "scan-page"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_forms_of_one_endpoint_do_not_differ(endpoint: str) -> None:
    form_a, form_b = published(f"{endpoint}.mintlify.md"), published(f"{endpoint}.openapi.md")
    assert diff(form_a, form_b) == diff(form_b, form_a) == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_forms_of_one_endpoint_give_the_same_text(endpoint: str) -> None:
    texts = {
        yaml.dump(without_what_form_a_loses(laid_out(published(f"{endpoint}.{form}.md"))))
        for form in ("mintlify", "openapi")
    }
    assert texts == {yaml.dump(published(f"{endpoint}.mintlify.md"))}


def test_examples_that_form_a_cannot_hold_are_left_out_and_the_others_kept() -> None:
    held = document(request=A)
    media = held["paths"]["/a"]["post"]["requestBody"]["content"]["application/json"]
    media["example"] = "one"
    media["examples"] = {"example": {"value": "two"}, "short": {"value": "three"}}
    body = without_what_form_a_loses(laid_out(held))["paths"]["/a"]["post"]["requestBody"]
    assert body["content"]["application/json"] == {"schema": A, "examples": {"short": {"value": "three"}}}


@pytest.mark.parametrize("page", sorted(path.name for path in PAGES.glob("*.md")))
def test_the_one_layout_is_the_layout_of_itself_and_shares_nothing(page: str) -> None:
    original = published(page)
    untouched = copy.deepcopy(original)
    once = laid_out(original)
    assert laid_out(once) == once
    once["info"]["title"] = "another"
    once["paths"].popitem()
    assert original == untouched


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: d["components"]["schemas"].clear(), f"{RESPONSE}/$ref"),
        (lambda d: d["paths"]["/a"]["post"].update(parameters=[{"$ref": "#/components/parameters/No"}]), "/0"),
        (lambda d: d["paths"]["/a"]["post"].update(parameters=[{"$ref": "other.yaml#/A"}]), "/0"),
        (lambda d: d["paths"]["/a"]["post"].update(responses=7), "/responses"),
        (
            lambda d: (
                d["components"].update(parameters={"P": {"$ref": "#/components/parameters/P"}}),
                d["paths"]["/a"]["post"].update(parameters=[{"$ref": "#/components/parameters/P"}]),
            ),
            "/components/parameters/P",
        ),
        (lambda d: d["paths"].update({"/a": 7}), "/paths/~1a"),
        (
            lambda d: d["paths"]["/a"]["post"].update(requestBody={"content": {"a/b": {"encoding": {"c": 7}}}}),
            "/requestBody/content/a~1b/encoding/c",
        ),
        (lambda d: d["components"]["schemas"].update(A={"$ref": f"{SCHEMAS}A"}), "/components/schemas/A"),
        (
            lambda d: d["components"]["schemas"].update(A={"allOf": [{}, {"not": {"$ref": f"{SCHEMAS}A"}}]}),
            "/schemas/A",
        ),
        (lambda d: d.update(jsonSchemaDialect="https://json-schema.org/draft-07/schema"), "/jsonSchemaDialect"),
    ],
)
def test_what_cannot_be_read_is_named(change: Any, place: str) -> None:
    broken = document(response={"$ref": f"{SCHEMAS}A"}, A=A)
    change(broken)
    with pytest.raises(SpecError) as caught:
        diff(broken, broken)
    assert caught.value.place.endswith(place)


def test_what_stands_beside_a_reference_adds_to_it() -> None:
    old = document()
    old["components"]["responses"] = {"Done": {"description": "Done"}}
    old["paths"]["/a"]["post"]["responses"]["200"] = {"$ref": "#/components/responses/Done"}
    new = copy.deepcopy(old)
    new["paths"]["/a"]["post"]["responses"]["200"]["description"] = "Made"
    (change,) = diff(old, new)
    assert (change.pointer, change.new, change.impact) == (
        "/paths/~1a/post/responses/200/description",
        "Made",
        WORDING,
    )


@pytest.mark.parametrize(("old", "new"), [(A, {**A, "minLength": 1}), ({**A, "minLength": 1}, A)])
def test_what_is_shared_is_looked_at_in_each_direction(old: Any, new: Any) -> None:
    schema = {"$ref": f"{SCHEMAS}A"}
    before, after = (document(request=schema, response=schema, A=thing(properties={"a": it})) for it in (old, new))
    assert worst(diff(before, after)) is BREAKING


def test_what_is_shared_and_as_bad_in_each_direction_is_told_once_of_the_first() -> None:
    before, after = (document(request=ITSELF, response=ITSELF, A=it) for it in (A, B))
    assert [(change.pointer, change.area) for change in diff(before, after)] == [
        ("/components/schemas/A/type", Area.REQUEST)
    ]


def test_what_was_the_same_on_an_assumption_is_forgotten_with_it() -> None:
    def ring(last: Any) -> Reader:
        up, down = ({"$ref": SCHEMAS + name} for name in ("Up", "Down"))
        return Reader(document(Up=thing(properties={"down": down}), Down=thing(properties={"up": up, "last": last})))

    down = Located({"$ref": f"{SCHEMAS}Down"}, "/components/schemas/Up/properties/down")
    up = Located({"$ref": f"{SCHEMAS}Up"}, "/components/schemas/Down/properties/up")
    assert Meaning(ring(A), ring(A)).same(down, down)
    different = Meaning(ring(A), ring(B))
    # What is below it was the same but for this, which is met first.
    assert not different.same(down, down)
    assert not different.same(up, up)


HEADER = {"schema": A}


def with_header(header: Any) -> dict[str, Any]:
    held = document()
    held["paths"]["/a"]["post"]["responses"]["200"]["headers"] = {"X-A": header}
    return held


def with_query(parameter: Any) -> dict[str, Any]:
    held = document()
    held["paths"]["/a"]["post"]["parameters"] = [{"name": "a", "in": "query", "schema": {"type": "array"}, **parameter}]
    return held


def with_body(media_type: str) -> dict[str, Any]:
    held = document()
    held["paths"]["/a"]["post"]["requestBody"] = {"content": {media_type: {"schema": A}}}
    return held


def with_callback(schema: Any = None, *, description: str = "d", **schemas: Any) -> dict[str, Any]:
    held = document(**schemas)
    body = {"content": {"application/json": {"schema": schema or {"items": M}}}}
    called = {"post": {"description": description, "requestBody": body, "responses": {"200": {"description": "Done"}}}}
    held["paths"]["/a"]["post"]["callbacks"] = {"done": {"{$request.body#/url}": called}}
    return held


def with_encoding(header: Any, **schemas: Any) -> dict[str, Any]:
    held = document(**schemas)
    media = {"schema": thing(), "encoding": {"a": {"headers": {"X-A": header}}}}
    held["paths"]["/a"]["post"]["requestBody"] = {"content": {"multipart/form-data": media}}
    return held


def with_tag(**said: str) -> dict[str, Any]:
    held = document()
    held["paths"]["/a"]["post"]["tags"] = ["a"]
    return {**held, "tags": [{"name": "a", **said}]} if said else held


def with_links(link: Any) -> dict[str, Any]:
    held = document()
    held["paths"]["/a"]["post"]["responses"]["200"]["links"] = {"next": link}
    return held


H, L = ({"$ref": f"#/components/{kind}/It"} for kind in ("headers", "links"))
LINK = {"operationId": "next"}


def referring(held: Any, kind: str, component: Any) -> dict[str, Any]:
    return {**held, "components": {kind: {"It": component}}}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (with_callback(M=A), with_callback(M=A), None),
        (with_callback(M=A), with_callback(M=B), BREAKING),
        (with_callback(M=A), with_callback(M={**A, "title": "t"}), WORDING),
        (with_callback(M=A), with_callback(M=A, description="e"), WORDING),
        (with_callback(M={"const": "a"}), with_callback(M={"enum": ["a"]}), None),
        (with_callback({**A, "nullable": True}), with_callback({"type": ["string", "null"]}), None),
        (with_callback(M=A), document(), BREAKING),
        (with_encoding({"schema": M}, M=A), with_encoding({"schema": M}, M=A), None),
        (with_encoding({"schema": M}, M=A), with_encoding({"schema": M}, M=B), BREAKING),
        (with_encoding({"schema": M}, M=A), with_encoding({"schema": M}, M={**A, "title": "t"}), WORDING),
        (with_encoding({"schema": M}, M=A), with_encoding({"schema": M, "example": "a"}, M=A), WORDING),
        (with_encoding({"schema": A}), with_encoding({"schema": A, "required": True}), BREAKING),
        (with_encoding({"schema": A}), referring(with_encoding(H), "headers", {"schema": A}), None),
        (with_encoding({"schema": A}), referring(with_encoding(H), "headers", {"schema": B}), BREAKING),
        (with_header({"schema": A}), referring(with_header(H), "headers", {"schema": A}), None),
        (with_tag(description="d"), with_tag(description="e"), WORDING),
        (with_tag(description="d"), with_tag(), None),
        (with_tag(), with_tag(description="d"), None),
        (with_links(LINK), referring(with_links(L), "links", LINK), None),
        # Who reads a header counts on it.
        (with_header(HEADER), with_header({**HEADER, "required": True}), COMPATIBLE),
        (with_header({**HEADER, "required": True}), with_header(HEADER), BREAKING),
        (with_query({}), with_query({"explode": True, "style": "form"}), None),
        (with_query({}), with_query({"explode": False}), BREAKING),
        (with_query({"style": "spaceDelimited"}), with_query({"style": "spaceDelimited", "explode": False}), None),
        # Of headers only the case of a name does not count.
        (with_query({"name": "a"}), with_query({"name": "A"}), BREAKING),
        (with_query({"in": "cookie"}), with_query({"in": "cookie", "name": "A"}), BREAKING),
        (with_query({"in": "header"}), with_query({"in": "header", "name": "A"}), COMPATIBLE),
        (with_body("application/json"), with_body("Application/JSON"), None),
    ],
)
def test_which_way_a_change_outside_of_schemas_goes(old: Any, new: Any, expected: Impact | None) -> None:
    assert worst(diff(old, new)) is expected


def with_operations(*names: str) -> dict[str, Any]:
    held = document()
    held["paths"] = {f"/{name}": held["paths"]["/a"] for name in names}
    return held


def with_servers(**descriptions: str) -> dict[str, Any]:
    held = document()
    held["servers"] = [{"url": f"https://{name}.example", "description": said} for name, said in descriptions.items()]
    return held


def with_bodies(**schemas: Any) -> dict[str, Any]:
    held = document()
    content = {f"application/{name}": {"schema": schema} for name, schema in schemas.items()}
    held["paths"]["/a"]["post"]["requestBody"] = {"content": content}
    return held


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (with_operations("a"), with_operations("b", "a"), ["a new operation"]),
        (with_operations("b", "a"), with_operations("a"), ["the operation is gone"]),
        (with_servers(a="A"), with_servers(b="B", a="The first"), ["a new server", "description"]),
        (with_servers(a="A", b="B"), with_servers(b="B", a="A"), ["another server comes first"]),
        (with_servers(b="B", a="A"), with_servers(a="A", b="B"), ["another server comes first"]),
        (with_bodies(json=A), with_bodies(cbor=A, json=B), ["new media type application/cbor", "type"]),
    ],
)
def test_what_comes_and_goes_hides_no_other_change(old: Any, new: Any, expected: list[str]) -> None:
    assert sorted(change.what for change in diff(old, new)) == sorted(expected)
