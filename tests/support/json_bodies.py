"""Strategies for JSON bodies: valid under a schema of the contract, nearly valid, or anything."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from openapi.documented import Contract, Json

UNDERSTOOD = {"type", "properties", "title", "description", "format", "$ref"}
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=40),
    "integer": st.integers(),
}
# No whole-number floats: to JSON Schema 400.0 is an integer, to the strict models it is not; that has its own test.
ANY_SCALAR = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not number.is_integer())
    | st.text(max_size=20)
)
ANYTHING = st.recursive(
    ANY_SCALAR,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def valid(contract: Contract, schema: Json) -> st.SearchStrategy[Any]:
    """Bodies that the schema allows and that hold nothing it does not name."""
    schema = contract.resolve(schema)
    unknown = schema.keys() - UNDERSTOOD
    if unknown:
        raise NotImplementedError(f"bodies are not made with {sorted(unknown)} in mind; teach this strategy about it")
    if schema["type"] == "object":
        properties = {name: valid(contract, inner) for name, inner in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=properties)
    return SCALARS[schema["type"]]


def near(contract: Contract, schema: Json) -> st.SearchStrategy[Any]:
    """Bodies with documented names only, where each value may be of any kind: some valid, most not."""
    schema = contract.resolve(schema)
    wrong = ANY_SCALAR | st.lists(ANY_SCALAR, max_size=2)
    if schema["type"] != "object":
        return SCALARS[schema["type"]] | wrong
    properties = {name: near(contract, inner) for name, inner in schema["properties"].items()}
    return st.fixed_dictionaries({}, optional=properties) | wrong | st.just({})


@st.composite
def with_more(draw: st.DrawFn, contract: Contract, schema: Json, names: st.SearchStrategy[str]) -> tuple[Any, Any]:
    """A valid body, and the same with properties that the schema does not name, in any of its objects."""
    body = draw(valid(contract, schema))
    return body, _widened(draw, contract, schema, body, names)


def _widened(draw: st.DrawFn, contract: Contract, schema: Json, body: Any, names: st.SearchStrategy[str]) -> Any:
    schema = contract.resolve(schema)
    if schema["type"] != "object":
        return body
    documented = schema["properties"]
    more = draw(st.dictionaries(names.filter(lambda name: name not in documented), ANYTHING, max_size=2))
    inner = {name: _widened(draw, contract, documented[name], value, names) for name, value in body.items()}
    return {**more, **inner}
