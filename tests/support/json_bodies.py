"""Strategies for JSON bodies: valid under a schema of the contract, nearly valid, or anything.

A schema is given by its place. One that these strategies cannot do justice to raises `NotImplementedError`, which says
where and why.
"""

from __future__ import annotations

import copy
import functools
import math
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from openapi.documented import Contract, Json
from openapi.pointers import place_of

Strategy = st.SearchStrategy[Any]

WORDS = {"title", "description", "default", "deprecated", "example", "examples", "readOnly", "writeOnly"}
COMBINERS = ("anyOf", "oneOf", "allOf")
BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "format"}
UNDERSTOOD: dict[str, set[str]] = {
    "object": {"properties", "required", "additionalProperties"},
    "array": {"items", "minItems", "maxItems"},
    "string": {"minLength", "maxLength", "pattern", "format"},
    "integer": BOUNDS,
    "number": BOUNDS,
    "boolean": set(),
    "null": set(),
}
FORMATS: dict[str, Strategy] = {
    "uuid": st.uuids().map(str),
    "date": st.dates().map(str),
    "date-time": st.datetimes(timezones=st.just(None)).map(lambda it: it.isoformat() + "Z"),
    "ipv4": st.ip_addresses(v=4).map(str),
    "ipv6": st.ip_addresses(v=6).map(str),
    "uri": st.sampled_from(["https://example.com", "https://example.com/a%20b?c=d#e", "http://[::1]:8080/", "urn:a:b"]),
}
# They say no more than the type beside them.
FORMATS_OF_NUMBERS = {"int32", "int64", "float", "double"}
# Nothing that is nearly of the format: the models take more spellings of dates and UUIDs than it allows. And for a URI
# jsonschema takes any text.
NOT_OF: dict[str, Strategy] = {
    name: st.nothing() if name == "uri" else st.sampled_from(["", "?", "of no format"]) for name in FORMATS
}
LARGE = 2**53
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
# No whole-number floats: to JSON Schema 400.0 is an integer, to the strict models it is not; that has its own test.
NO_TEXT = st.none() | st.booleans() | st.integers() | FRACTIONS
ANY_SCALAR = NO_TEXT | st.text(max_size=20)
ANYTHING = st.recursive(
    ANY_SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


# Drawn from again and again: each new strategy is looked through anew before it gives anything.
@functools.cache
def valid(contract: Contract, place: str) -> Strategy:
    """Bodies that the schema allows and that hold nothing it does not name."""
    return _Valid(contract).at(place)


@functools.cache
def near(contract: Contract, place: str) -> Strategy:
    """Bodies with documented names only, where each value may be of any kind: some valid, most not."""
    return _Near(contract).at(place)


@st.composite
def with_more(draw: st.DrawFn, contract: Contract, place: str, names: st.SearchStrategy[str]) -> tuple[Any, Any]:
    """A valid body, and the same with properties that the schema does not name, in any of its open objects."""
    body = draw(valid(contract, place))
    return body, _widened(draw, contract, place, body, names)


def closed(contract: Contract) -> Contract:
    """The same contract with objects that hold nothing undocumented, which is how the strict models read it."""
    document = copy.deepcopy(contract.document)
    for schema in document.get("components", {}).get("schemas", {}).values():
        _close(contract, schema)
    for operation in Contract(document).operations():
        for reply in operation.replies:
            for body in reply.bodies:
                _close(contract, body.schema)
    return Contract(document)


def refuses_something(contract: Contract, place: str) -> bool:
    """Whether there is any body that the schema refuses."""
    schema, _place = _followed(contract, place)
    return bool(_meaning(schema))


def _close(contract: Contract, schema: Any, *, part: bool = False) -> None:
    """part: whether it is one of several that make an object together, so that none of them may refuse the others'."""
    if not isinstance(schema, dict):
        return
    for inner in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
        _close(contract, inner)
    for inner in [*schema.get("anyOf", []), *schema.get("oneOf", [])]:
        _close(contract, inner, part=part)
    if "allOf" in schema:
        # Each part is opened in a copy of its own: what it refers to may stand alone elsewhere, and be closed there.
        schema["allOf"] = [copy.deepcopy(contract.resolve(inner)) for inner in schema["allOf"]]
        for inner in schema["allOf"]:
            _close(contract, inner, part=True)
        if not part:
            schema["unevaluatedProperties"] = False
    elif "properties" in schema and not part and schema.get("additionalProperties", True) is True:
        schema["additionalProperties"] = False


def _followed(contract: Contract, place: str) -> tuple[Any, str]:
    """The schema at a place, or the one that it refers to, and where that stands."""
    schema = contract.at(place)
    while isinstance(schema, dict) and "$ref" in schema:
        _refuse(place, _meaning(schema) - {"$ref"}, " beside a reference")
        place = schema["$ref"].removeprefix("#")
        schema = contract.at(place)
    _refuse(place, {"false"} if schema is False else set(), " as a schema")
    return schema, place


def _meaning(schema: Any) -> set[str]:
    """The keywords of a schema that limit anything."""
    keywords = schema if isinstance(schema, dict) else {}
    return {key for key in keywords if key not in WORDS and not key.startswith("x-")}


def _refuse(place: str, keywords: set[str], where: str = "") -> None:
    if keywords:
        raise NotImplementedError(
            f"{place}: bodies are not made with {', '.join(sorted(keywords))}{where} in mind; "
            "teach tests/support/json_bodies.py about it"
        )


@dataclass
class _Maker:
    """Makes a strategy of a schema: reads what it says, and leaves to its heirs what to make of that.

    Where a value is not `alone`, another schema may take what the one at hand does not.
    """

    contract: Contract
    inside: list[str] = field(default_factory=list)

    def at(self, place: str, *, alone: bool = True) -> Strategy:
        schema, place = _followed(self.contract, place)
        if place in self.inside:
            _refuse(place, {"a schema"}, " that holds itself")
        self.inside.append(place)
        try:
            return self.of(schema, place, alone) if _meaning(schema) else ANYTHING
        finally:
            self.inside.pop()

    def of(self, schema: Json, place: str, alone: bool) -> Strategy:
        raise NotImplementedError

    def combined(self, schema: Json, place: str, alone: bool) -> Strategy | None:
        """What is made of the schemas that this one combines, if it does. Nothing else may stand beside them."""
        for combiner in COMBINERS:
            if combiner in schema:
                _refuse(place, _meaning(schema) - {combiner}, f" beside {combiner}")
                at, number = place_of(place, combiner), len(schema[combiner])
                parts = [self.at(place_of(at, index), alone=alone and number == 1) for index in range(number)]
                return st.tuples(*parts).map(_together) if combiner == "allOf" else st.one_of(parts)
        return None

    def kinds(self, schema: Json, place: str) -> list[str]:
        """The types that a schema allows, once it is known to say nothing about them that is not understood."""
        if "type" not in schema:
            _refuse(place, _meaning(schema), " without a type")
        named = schema["type"]
        kinds: list[str] = [named] if isinstance(named, str) else list(named)
        _refuse(place, _meaning(schema) - {"type"}.union(*(UNDERSTOOD[kind] for kind in kinds)))
        if "format" in schema and schema["format"] not in (FORMATS if "string" in kinds else FORMATS_OF_NUMBERS):
            _refuse(place, {f"the format {schema['format']}"})
        if "string" in kinds and "format" in schema:
            _refuse(place, _meaning(schema) & {"minLength", "maxLength", "pattern"}, " beside a format")
        if "properties" in schema and isinstance(schema.get("additionalProperties"), dict):
            _refuse(place, {"additionalProperties"}, " of a schema beside properties")
        _refuse(place, set(schema.get("required", ())) - schema.get("properties", {}).keys(), " that is only required")
        return kinds

    def words(self, schema: Json, place: str) -> list[Any] | None:
        """The values that a schema lists, if it does."""
        if "const" not in schema and "enum" not in schema:
            return None
        _refuse(place, _meaning(schema) - {"const", "enum", "type"}, " beside an enum")
        words = [schema["const"]] if "const" in schema else list(schema["enum"])
        if not all(word is None or isinstance(word, str) for word in words):
            # The models take true for 1, and 1.0 as well.
            _refuse(place, {"an enum"}, " of what is not text")
        return words

    def an_object(self, schema: Json, place: str, required: list[str]) -> Strategy:
        values = schema.get("additionalProperties", True)
        if "properties" not in schema and values is not False:
            # Open by intent, with names of any kind.
            inner = ANYTHING if values is True else self.at(place_of(place, "additionalProperties"))
            return st.dictionaries(st.text(max_size=5), inner, max_size=3)
        at = place_of(place, "properties")
        properties = {name: self.at(place_of(at, name)) for name in schema.get("properties", {})}
        return st.fixed_dictionaries(
            {name: properties.pop(name) for name in dict.fromkeys(required)}, optional=properties
        )

    def items(self, schema: Json, place: str) -> Strategy:
        return self.at(place_of(place, "items")) if "items" in schema else ANYTHING


class _Valid(_Maker):
    def of(self, schema: Json, place: str, alone: bool) -> Strategy:
        combined = self.combined(schema, place, alone)
        if combined is not None:
            # What one of several allows, another one may allow or refuse, too.
            return combined.filter(lambda body: not self.contract.problems(place, body))
        words = self.words(schema, place)
        if words is not None:
            return st.sampled_from(words)
        return st.one_of([self.of_kind(kind, schema, place) for kind in self.kinds(schema, place)])

    def of_kind(self, kind: str, schema: Json, place: str) -> Strategy:
        if kind == "object":
            return self.an_object(schema, place, schema.get("required", []))
        if kind == "array":
            least = schema.get("minItems", 0)
            return st.lists(
                self.items(schema, place), min_size=least, max_size=min(least + 3, schema.get("maxItems", least + 3))
            )
        if kind in ("integer", "number"):
            return _numbers(schema, whole=kind == "integer")
        if kind == "string":
            return _text(schema)
        return st.booleans() if kind == "boolean" else st.none()


class _Near(_Maker):
    def of(self, schema: Json, place: str, alone: bool) -> Strategy:
        combined = self.combined(schema, place, alone)
        if combined is not None:
            return combined
        words = self.words(schema, place)
        if words is not None:
            return st.sampled_from(words) | NO_TEXT | (st.text(max_size=20) if alone else st.nothing())
        kinds = self.kinds(schema, place)
        wrong: Strategy = NO_TEXT | st.lists(NO_TEXT, max_size=2) | st.just({})
        if "string" in kinds and "format" in schema:
            wrong |= NOT_OF[schema["format"]] if alone else st.nothing()
        elif alone:
            # Numbers as text are what a reader that is not strict would take for numbers.
            wrong |= st.text(max_size=20) | st.integers().map(str)
        return st.one_of([wrong, *(self.of_kind(kind, schema, place) for kind in kinds)])

    def of_kind(self, kind: str, schema: Json, place: str) -> Strategy:
        if kind == "object":
            return self.an_object(schema, place, [])
        if kind == "array":
            return st.lists(self.items(schema, place), max_size=min(3, schema.get("maxItems", 3)) + 1)
        if kind == "string":
            return _text(schema)
        # All other values are among the wrong ones already.
        return st.nothing()


def _together(bodies: tuple[Any, ...]) -> Any:
    """What several schemas of an allOf make together: of objects, all that they hold."""
    if all(isinstance(body, dict) for body in bodies):
        return {name: value for body in bodies for name, value in body.items()}
    return next(body for body in bodies if not isinstance(body, dict))


def _text(schema: Json) -> Strategy:
    if "format" in schema:
        return FORMATS[schema["format"]]
    least, most = schema.get("minLength", 0), schema.get("maxLength", schema.get("minLength", 0) + 40)
    if "pattern" not in schema:
        return st.text(min_size=least, max_size=min(most, least + 40))
    # To Python a dollar also matches before a last line end, and a class holds more than ASCII; not so to the models.
    text = st.from_regex(schema["pattern"], alphabet=st.characters(codec="ascii"))
    return text.filter(lambda it: "\n" not in it and least <= len(it) <= most)


def _numbers(schema: Json, *, whole: bool) -> Strategy:
    over, under = schema.get("exclusiveMinimum", -math.inf), schema.get("exclusiveMaximum", math.inf)
    least, most = max(schema.get("minimum", -LARGE), over), min(schema.get("maximum", LARGE), under)
    numbers: Strategy = (
        st.nothing() if whole else st.floats(float(least), float(most)).filter(lambda it: not it.is_integer())
    )
    if math.ceil(least) <= math.floor(most):
        numbers |= st.integers(math.ceil(least), math.floor(most))
    return numbers.filter(lambda it: over < it < under)


def _widened(draw: st.DrawFn, contract: Contract, place: str, body: Any, names: st.SearchStrategy[str]) -> Any:
    schema, place = _followed(contract, place)
    for combiner in COMBINERS:
        places = [place_of(place_of(place, combiner), index) for index in range(len(schema.get(combiner, ())))]
        # What one of several objects does not name another may, and in another way.
        objects = [inner for inner in places if "object" in str(_followed(contract, inner)[0].get("type"))]
        if len(objects) == 1 and isinstance(body, dict):
            return _widened(draw, contract, objects[0], body, names)
    if isinstance(body, list) and "items" in schema:
        return [_widened(draw, contract, place_of(place, "items"), item, names) for item in body]
    if not isinstance(body, dict) or "properties" not in schema:
        return body
    documented, at = schema["properties"], place_of(place, "properties")
    inner = {name: _widened(draw, contract, place_of(at, name), value, names) for name, value in body.items()}
    if schema.get("additionalProperties", True) is not True:
        return inner
    return {**draw(_more(names, frozenset(documented))), **inner}


@functools.cache
def _more(names: st.SearchStrategy[str], documented: frozenset[str]) -> Strategy:
    return st.dictionaries(names.filter(lambda name: name not in documented), ANYTHING, max_size=2)
