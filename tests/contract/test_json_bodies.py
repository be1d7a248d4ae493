"""Bodies that answers are judged with are what the contract allows, or nearly that; what cannot be made is named."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openapi.documented import Contract
from support.json_bodies import closed, near, refuses_something, valid, with_more

PLACE = "/components/schemas/Tried"
ITEM = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}, "size": {"type": "integer"}}}
REF = {"$ref": "#/components/schemas/Item"}
UNDERSTOOD: dict[str, dict[str, Any]] = {
    "a reference": {**REF, "description": "with words beside it"},
    "required": {**ITEM, "required": ["id", "size"]},
    "closed": {**ITEM, "additionalProperties": False},
    "open, and says so": {**ITEM, "additionalProperties": True},
    "a map": {"type": "object", "additionalProperties": {"type": "integer"}},
    "any object": {"type": "object"},
    "an empty object": {"type": "object", "additionalProperties": False},
    "an array": {"type": "array", "items": REF, "minItems": 1, "maxItems": 2},
    "an array of anything": {"type": "array"},
    "nullable": {"type": ["array", "null"], "items": {"type": "boolean"}},
    "an enum": {"type": "string", "enum": ["a", "b"]},
    "a nullable enum": {"type": ["string", "null"], "enum": ["a", None]},
    "const": {"const": "a"},
    "text": {"type": "string", "minLength": 2, "maxLength": 3},
    "a pattern": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 20},
    "a whole number": {"type": "integer", "format": "int64", "minimum": -3, "exclusiveMaximum": 9},
    "a number": {"type": "number", "exclusiveMinimum": 0, "maximum": 0.5},
    **{f"the format {name}": {"type": "string", "format": name} for name in ("uuid", "date", "date-time", "ipv4")},
    "anyOf": {"anyOf": [REF, {"type": "null"}]},
    "oneOf": {"oneOf": [REF, {"type": "object", "properties": {"size": {"type": "integer"}}}]},
    "allOf": {"allOf": [REF, {"type": "object", "properties": {"more": {"type": "string"}}}]},
    "several types": {"type": ["string", "integer"]},
}
NOT_UNDERSTOOD: dict[str, tuple[dict[str, Any], str]] = {
    "another keyword": ({"type": "array", "uniqueItems": True}, "with uniqueItems in mind"),
    "another format": ({"type": "string", "format": "duration"}, "with the format duration in mind"),
    "a format of numbers": ({"type": "integer", "format": "date-time"}, "with the format date-time in mind"),
    "a format and more": ({"type": "string", "format": "uuid", "maxLength": 9}, "with maxLength beside a format"),
    "no type": ({"properties": {}}, "with properties without a type in mind"),
    "beside a reference": ({**REF, "maxProperties": 1}, "with maxProperties beside a reference in mind"),
    "beside a combination": ({"anyOf": [REF], "required": ["id"]}, "with required beside anyOf in mind"),
    "an enum of numbers": ({"enum": [1, 2]}, "with an enum of what is not text in mind"),
    "only required": ({"type": "object", "required": ["a"]}, "with a that is only required in mind"),
    "named and unnamed": (
        {"type": "object", "properties": {}, "additionalProperties": {"type": "string"}},
        "with additionalProperties of a schema beside properties in mind",
    ),
    "itself": ({"type": "array", "items": {"$ref": "#/components/schemas/Tried"}}, "with a schema that holds itself"),
    "nothing": ({"type": "array", "items": False}, "/items: bodies are not made with false as a schema in mind"),
}
NAMES = st.text(max_size=8)
some = settings(max_examples=60, deadline=None, derandomize=True)


def contract(schema: dict[str, Any]) -> Contract:
    return Contract({"paths": {}, "components": {"schemas": {"Tried": schema, "Item": ITEM}}})


@pytest.mark.parametrize("what", UNDERSTOOD)
def test_valid_bodies_are_valid_and_hold_nothing_undocumented(what: str) -> None:
    judge = closed(contract(UNDERSTOOD[what]))

    @some
    @given(body=valid(contract(UNDERSTOOD[what]), PLACE))
    def check(body: Any) -> None:
        assert judge.problems(PLACE, body) == []

    check()


@pytest.mark.parametrize("what", UNDERSTOOD)
def test_what_is_nearly_valid_is_often_not(what: str) -> None:
    judge = contract(UNDERSTOOD[what])
    found = []

    @some
    @given(body=near(judge, PLACE))
    def check(body: Any) -> None:
        found.append(bool(judge.problems(PLACE, body)))

    check()
    assert sum(found) >= 20


@pytest.mark.parametrize("what", UNDERSTOOD)
def test_a_body_with_more_is_allowed_but_not_documented(what: str) -> None:
    judge = contract(UNDERSTOOD[what])
    strict = closed(judge)
    found = []

    @some
    @given(pair=with_more(judge, PLACE, NAMES))
    def check(pair: tuple[Any, Any]) -> None:
        body, more = pair
        assert judge.problems(PLACE, more) == []
        assert bool(strict.problems(PLACE, more)) == (more != body)
        found.append(more != body)

    check()
    opens = ("a reference", "required", "open, and says so", "an array", "anyOf")
    assert any(found) == (what in opens)


@pytest.mark.parametrize("what", NOT_UNDERSTOOD)
@pytest.mark.parametrize("make", [valid, near])
def test_what_bodies_cannot_be_made_of_is_named_with_its_place(make: Any, what: str) -> None:
    schema, said = NOT_UNDERSTOOD[what]
    with pytest.raises(NotImplementedError, match=said) as caught:
        make(contract(schema), PLACE)
    assert str(caught.value).startswith(PLACE)


def test_only_a_schema_that_says_nothing_refuses_nothing() -> None:
    assert refuses_something(contract({"type": "string"}), PLACE)
    assert not refuses_something(contract({"description": "anything", "x-of": "ours"}), PLACE)
