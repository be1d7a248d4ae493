"""Form A converts to what form B says of an endpoint, and what is not understood is refused."""

from __future__ import annotations

import contextlib
import copy
import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

from openapi.errors import SpecError
from openapi.yaml import dump, load
from spec_pipeline.form_a.conversion import to_openapi
from spec_pipeline.published.page import read_page

PAGES = Path(__file__).parent / "pages"
ENDPOINTS = ["lend-book", "return-book", "scan-page"]


@functools.lru_cache
def _block(name: str) -> object:
    text = (PAGES / name).read_text("utf-8")
    return load(read_page(text, name=name).block, name=name)


def block(name: str) -> Any:
    return copy.deepcopy(_block(name))


def form_a(endpoint: str) -> Any:
    return block(f"{endpoint}.mintlify.md")


def without_what_form_a_loses(document: Any) -> Any:
    document = copy.deepcopy(document)
    document["info"].pop("description", None)
    for item in document["paths"].values():
        for operation in item.values():
            for key in ("tags", "summary", "description", "operationId"):
                operation.pop(key, None)
    return document


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_form_a_converts_to_form_b(endpoint: str) -> None:
    expected = without_what_form_a_loses(block(f"{endpoint}.openapi.md"))
    # As text, because the order of keys is part of what is compared.
    assert dump(to_openapi(form_a(endpoint))) == dump(expected)


def test_form_c_holds_the_same_as_form_b() -> None:
    assert block("scan-page.whole.md") == block("scan-page.openapi.md")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_result_is_valid_openapi(endpoint: str) -> None:
    errors = OpenAPIV31SpecValidator(to_openapi(form_a(endpoint))).iter_errors()
    assert [error.message for error in errors] == []


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_the_document_is_left_alone_and_nothing_is_shared_with_it(endpoint: str) -> None:
    document = form_a(endpoint)
    converted = to_openapi(document)
    assert document == form_a(endpoint)
    theirs = {id(value) for _, value, _ in walk(document)}
    ours = {id(value) for _, value, _ in walk(converted)}
    assert not theirs & ours


def walk(value: Any, place: str = "", *, data: bool = False) -> Iterator[tuple[str, Any, bool]]:
    """Yield every mapping and list with its place, and whether it lies inside an example's value.

    The pages keep examples, enums and defaults free of mappings elsewhere, so that the key `value`
    of a named example is the only way into data.
    """
    if isinstance(value, (dict, list)):
        yield place, value, data
    if isinstance(value, dict):
        for key, item in value.items():
            inside = data or (key == "value" and re.search(r"/examples/\w+$", place) is not None)
            yield from walk(item, f"{place}/{escaped(key)}", data=inside)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from walk(item, f"{place}/{index}", data=data)


def escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")


def at(document: Any, pointer: str) -> Any:
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        document = document[int(key)] if isinstance(document, list) else document[key]
    return document


MAPPINGS = {
    endpoint: [place for place, value, data in walk(form_a(endpoint)) if isinstance(value, dict) and not data]
    for endpoint in ENDPOINTS
}


@settings(deadline=None)
@given(data=st.data(), word=st.text(st.characters(exclude_categories=["Cs"])))
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_unknown_key_is_refused_wherever_it_stands(endpoint: str, data: st.DataObject, word: str) -> None:
    place = data.draw(st.sampled_from(MAPPINGS[endpoint]))
    document = form_a(endpoint)
    at(document, place)[f"x-{word}"] = 1
    with pytest.raises(SpecError) as caught:
        to_openapi(document)
    assert caught.value.place.startswith(f"{place}/x-{escaped(word)}")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_unknown_key_is_refused_at_every_mapping(endpoint: str) -> None:
    for place in MAPPINGS[endpoint]:
        document = form_a(endpoint)
        at(document, place)["x-new"] = 1
        with pytest.raises(SpecError) as caught:
            to_openapi(document)
        assert caught.value.place == f"{place}/x-new"


OTHERS: list[object] = [None, True, 7, 1.5, "word", [], {}, [[]], {"a": {}}]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_value_of_another_kind_is_refused_or_kept_never_a_crash(endpoint: str) -> None:
    for place, value, _ in walk(form_a(endpoint)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            for other in OTHERS:
                document = form_a(endpoint)
                at(document, place)[key] = other
                with contextlib.suppress(SpecError):
                    to_openapi(document)


def test_the_message_says_what_to_do() -> None:
    document = form_a("return-book")
    document["paths"]["webhooks"] = {}
    with pytest.raises(SpecError, match="unknown key 'webhooks': teach"):
        to_openapi(document)


BODY = "/paths/request/body/application~1json"
LOAN = f"{BODY}/schemaArray/0"
OK = "/paths/response/200/application~1json"
ABSENT = object()

# What is changed in lend-book, to what, where the refusal points, and a word of it.
REFUSALS: list[tuple[str, str, object, str, str]] = [
    ("no components", "/components", ABSENT, "", "'components' is missing"),
    ("no response", "/paths/response", ABSENT, "/paths", "'response' is missing"),
    ("empty response", "/paths/response", {}, "/paths/response", "no response"),
    ("webhook", "/paths/type", "webhook", "/paths/type", "'webhook'"),
    ("method", "/paths/method", "fetch", "/paths/method", "'fetch'"),
    ("method in capitals", "/paths/method", "POST", "/paths/method", "'POST'"),
    ("deprecated as text", "/paths/deprecated", "false", "/paths/deprecated", "true or false"),
    ("relative path", "/paths/path", "v1/{library_id}", "/paths/path", "slash"),
    ("open brace", "/paths/path", "/v1/{library_id}/{", "/paths/path", "braces"),
    ("twice", "/paths/path", "/{library_id}/{library_id}", "/paths/path", "twice"),
    (
        "placeholder without parameter",
        "/paths/path",
        "/v1/{library_id}/{shelf}",
        "/paths/request/parameters/path",
        "{shelf}",
    ),
    (
        "parameter without placeholder",
        "/paths/path",
        "/v1",
        "/paths/request/parameters/path/library_id",
        "{library_id}",
    ),
    (
        "optional path parameter",
        "/paths/request/parameters/path/library_id/schema/0/required",
        False,
        "/paths/request/parameters/path/library_id/schema/0/required",
        "not required",
    ),
    (
        "path parameter that does not say",
        "/paths/request/parameters/path/library_id/schema/0/required",
        ABSENT,
        "/paths/request/parameters/path/library_id/schema/0",
        "not required",
    ),
    (
        "two schemas of a parameter",
        "/paths/request/parameters/query",
        {"q": {"schema": [{"type": "string"}, {"type": "integer"}]}},
        "/paths/request/parameters/query/q/schema",
        "not of 2",
    ),
    (
        "deprecated parameter",
        "/paths/request/parameters/query",
        {"q": {"schema": [{"type": "string", "deprecated": True}]}},
        "/paths/request/parameters/query/q/schema/0/deprecated",
        "or its schema",
    ),
    (
        "enum<string> without enum",
        "/paths/request/parameters/query",
        {"q": {"schema": [{"type": "enum<string>"}]}},
        "/paths/request/parameters/query/q/schema/0",
        "without an enum",
    ),
    (
        "enum<string> of numbers",
        "/paths/request/parameters/query",
        {"q": {"schema": [{"type": "enum<string>", "enum": ["a", 1]}]}},
        "/paths/request/parameters/query/q/schema/0/enum/1",
        "string",
    ),
    (
        "enum<integer>",
        "/paths/request/parameters/query",
        {"q": {"schema": [{"type": "enum<integer>", "enum": [1]}]}},
        "/paths/request/parameters/query/q/schema/0/type",
        "enum<integer>",
    ),
    (
        "security title twice",
        "/paths/request/security/1/title",
        "api key header",
        "/paths/request/security/1",
        "'api_key_header'",
    ),
    (
        "security title with a dot and a comma",
        "/paths/request/security/1/title",
        "a, b",
        "/paths/request/security/1/title",
        "'a, b'",
    ),
    (
        "alternative of two schemes",
        "/paths/request/security/1/parameters/query",
        {"key": {"type": "apiKey"}},
        "/paths/request/security/1/parameters",
        "with 2 keys",
    ),
    (
        "alternative of no scheme",
        "/paths/request/security/1/parameters/cookie",
        {},
        "/paths/request/security/1/parameters",
        "with 0 keys",
    ),
    (
        "bearer token",
        "/paths/request/security/1/parameters/cookie/reader/type",
        "http",
        "/paths/request/security/1/parameters/cookie/reader/type",
        "apiKey",
    ),
    (
        "two schemas of a body",
        f"{BODY}/schemaArray",
        [{"type": "object"}, {"type": "array"}],
        f"{BODY}/schemaArray",
        "not of 2",
    ),
    ("no schema", f"{BODY}/schemaArray", [], f"{BODY}/schemaArray", "not of 0"),
    ("required as text", f"{LOAN}/required", "true", f"{LOAN}/required", "true or false"),
    ("required as list", f"{LOAN}/required", ["type"], f"{LOAN}/required", "true or false"),
    (
        "body required in one media type only",
        "/paths/request/body/text~1plain",
        {"schemaArray": [{"type": "string"}]},
        "/paths/request/body",
        "not in another",
    ),
    (
        "body described twice",
        "/paths/request/body/text~1plain",
        {"schemaArray": [{"type": "string", "required": True}], "description": "Text"},
        "/paths/request/body",
        "different descriptions",
    ),
    (
        "requiredProperties without property",
        f"{LOAN}/requiredProperties",
        ["type", "shelf"],
        f"{LOAN}/requiredProperties",
        "'shelf'",
    ),
    (
        "requiredProperties twice",
        f"{LOAN}/requiredProperties",
        ["type", "type"],
        f"{LOAN}/requiredProperties",
        "twice",
    ),
    (
        "required of a response",
        f"{OK}/schemaArray/0/required",
        True,
        f"{OK}/schemaArray/0/required",
        "unknown key 'required'",
    ),
    (
        "authors' required without property",
        f"{OK}/schemaArray/0/properties/data/allOf/0/required",
        ["id", "shelf"],
        f"{OK}/schemaArray/0/properties/data/allOf/0/required",
        "'shelf'",
    ),
    (
        "required of a part without property",
        "/components/schemas/Adult/anyOf/1/required",
        ["shelf"],
        "/components/schemas/Adult/anyOf/1/required",
        "'shelf'",
    ),
    (
        "inlined components that disagree",
        "/paths/response/default/application~1json/schemaArray/0/properties/error/allOf/0/properties/code/type",
        "string",
        "/paths/response/default/application~1json/schemaArray/0",
        "'Refusal' is defined at /paths/response/400/application~1json/schemaArray/0",
    ),
    (
        "component that disagrees with what was inlined",
        "/components/schemas/Refusal/description",
        "Another one",
        "/components/schemas/Refusal",
        "'Refusal'",
    ),
    (
        "component that lacks what was inlined",
        "/components/schemas/LoanRequest",
        {"type": "object"},
        "/components/schemas/LoanRequest",
        "'LoanRequest'",
    ),
    (
        "refIdentifier elsewhere",
        f"{LOAN}/refIdentifier",
        "other.yaml#/Loan",
        f"{LOAN}/refIdentifier",
        "other.yaml",
    ),
    (
        "name that no component may have",
        "/components/schemas/A B",
        {"type": "string"},
        "/components/schemas/A B",
        "A B",
    ),
    (
        "reference to nothing",
        "/components/schemas/Kind",
        ABSENT,
        f"{LOAN}/properties/type/allOf/0/$ref",
        "'Kind'",
    ),
    (
        "reference elsewhere",
        f"{LOAN}/properties/reader/allOf/0/$ref",
        "#/components/responses/A",
        f"{LOAN}/properties/reader/allOf/0/$ref",
        "components/responses",
    ),
    (
        "discriminator to nothing",
        "/components/schemas/Reader/discriminator/mapping/adult",
        "Elder",
        "/components/schemas/Reader/discriminator/mapping/adult",
        "'Elder'",
    ),
    (
        "discriminator without property",
        "/components/schemas/Reader/discriminator",
        {"mapping": {}},
        "/components/schemas/Reader/discriminator",
        "'propertyName' is missing",
    ),
    (
        "Mintlify's type in an author's schema",
        f"{LOAN}/properties/note/allOf/0/type",
        "enum<string>",
        f"{LOAN}/properties/note/allOf/0/type",
        "enum<string>",
    ),
    (
        "Mintlify's key in an author's schema",
        f"{LOAN}/properties/labels/allOf/0/requiredProperties",
        [],
        f"{LOAN}/properties/labels/allOf/0/requiredProperties",
        "unknown key",
    ),
    (
        "contentMediaType",
        f"{LOAN}/properties/note/allOf/0/contentMediaType",
        "application/octet-stream",
        f"{LOAN}/properties/note/allOf/0/contentMediaType",
        "unknown key",
    ),
    (
        "any as a type",
        f"{OK}/schemaArray/0",
        {"type": "any"},
        f"{OK}/schemaArray/0/type",
        "'any'",
    ),
    (
        "file in another encoding",
        f"{OK}/schemaArray/0",
        {"type": "file", "contentEncoding": "base64"},
        f"{OK}/schemaArray/0/contentEncoding",
        "'base64'",
    ),
    (
        "file without an encoding",
        f"{OK}/schemaArray/0",
        {"type": "file"},
        f"{OK}/schemaArray/0",
        "without contentEncoding",
    ),
    (
        "file with a format",
        f"{OK}/schemaArray/0",
        {"type": "file", "contentEncoding": "binary", "format": "uri"},
        f"{OK}/schemaArray/0/format",
        "format",
    ),
    (
        "contentEncoding of a string",
        f"{OK}/schemaArray/0",
        {"type": "string", "contentEncoding": "binary"},
        f"{OK}/schemaArray/0/contentEncoding",
        "unknown key",
    ),
    (
        "exclusiveMinimum of OpenAPI 3.0",
        f"{LOAN}/properties/weeks/allOf/0/exclusiveMinimum",
        True,
        f"{LOAN}/properties/weeks/allOf/0/exclusiveMinimum",
        "number",
    ),
    (
        "negative length",
        f"{LOAN}/properties/note/allOf/0/maxLength",
        -1,
        f"{LOAN}/properties/note/allOf/0/maxLength",
        "count",
    ),
    (
        "empty enum",
        "/components/schemas/Kind/enum",
        [],
        "/components/schemas/Kind/enum",
        "allows nothing",
    ),
    (
        "no type in the list",
        "/components/schemas/Kind/type",
        [],
        "/components/schemas/Kind/type",
        "no type",
    ),
    (
        "empty combination",
        "/components/schemas/Reader/oneOf",
        [],
        "/components/schemas/Reader/oneOf",
        "empty list",
    ),
    (
        "nullable without a type",
        f"{LOAN}/properties/note/allOf/0/type",
        ABSENT,
        f"{LOAN}/properties/note/allOf/0/nullable",
        "no effect",
    ),
    (
        "nullable combination",
        "/components/schemas/Reader/nullable",
        True,
        "/components/schemas/Reader/nullable",
        "combination",
    ),
    (
        "nullable as text",
        f"{LOAN}/properties/note/allOf/0/nullable",
        "true",
        f"{LOAN}/properties/note/allOf/0/nullable",
        "true or false",
    ),
    ("status", "/paths/response/600", {}, "/paths/response/600", "no status"),
    ("undescribed", f"{OK}/description", ABSENT, "/paths/response/200", "without a description"),
    ("empty status", "/paths/response/200", {}, "/paths/response/200", "without a description"),
    (
        "response described twice",
        "/paths/response/200/text~1plain",
        {"schemaArray": [{"type": "string"}], "description": "Text"},
        "/paths/response/200",
        "different descriptions",
    ),
    (
        "headers of a response",
        "/paths/response/200/headers",
        {"schemaArray": [{"type": "string"}], "description": "Lent"},
        "/paths/response/200/headers",
        "unknown key 'headers'",
    ),
    (
        "placeholder beside a body",
        "/paths/response/202/application~1json",
        {"schemaArray": [{"type": "string"}], "description": "Will be lent"},
        "/paths/response/202/_mintlify~1placeholder",
        "other media types",
    ),
    (
        "placeholder with a type",
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0/type",
        "string",
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0/type",
        "'string'",
    ),
    (
        "placeholder with a schema",
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0/properties",
        {},
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0/properties",
        "unknown key",
    ),
    (
        "placeholder described twice",
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0/description",
        "Is lent",
        "/paths/response/202/_mintlify~1placeholder/schemaArray/0",
        "two ways",
    ),
    (
        "placeholder with an example",
        "/paths/response/202/_mintlify~1placeholder/examples",
        {"lent": {"value": 1}},
        "/paths/response/202/_mintlify~1placeholder/examples",
        "example",
    ),
    (
        "required placeholder",
        "/paths/request/body",
        {"_mintlify/placeholder": {"schemaArray": [{"type": "any", "required": True}]}},
        "/paths/request/body/_mintlify~1placeholder/schemaArray/0/required",
        "unknown key",
    ),
    (
        "described placeholder of a request",
        "/paths/request/body",
        {"_mintlify/placeholder": {"schemaArray": [{"type": "any"}], "description": "None"}},
        "/paths/request/body",
        "'None'",
    ),
    (
        "example without value",
        f"{BODY}/examples/bySomebody/value",
        ABSENT,
        f"{BODY}/examples/bySomebody",
        "without a value",
    ),
    (
        "example elsewhere",
        f"{BODY}/examples/bySomebody/externalValue",
        "https://library.example/loan.json",
        f"{BODY}/examples/bySomebody/externalValue",
        "unknown key",
    ),
    (
        "variables of a server",
        "/paths/servers/0/variables",
        {},
        "/paths/servers/0/variables",
        "unknown key",
    ),
]


@pytest.mark.parametrize(
    ("pointer", "value", "place", "words"),
    [row[1:] for row in REFUSALS],
    ids=[row[0] for row in REFUSALS],
)
def test_refusals_name_the_place(pointer: str, value: object, place: str, words: str) -> None:
    document = form_a("lend-book")
    above, _, last = pointer.rpartition("/")
    parent = at(document, above)
    key: Any = int(last) if isinstance(parent, list) else last.replace("~1", "/").replace("~0", "~")
    if value is ABSENT:
        del parent[key]
    else:
        parent[key] = value
    with pytest.raises(SpecError, match=re.escape(words)) as caught:
        to_openapi(document)
    assert caught.value.place == place


def converted_property(schema: object) -> Any:
    document = form_a("lend-book")
    at(document, f"{OK}/schemaArray/0/properties")["tried"] = {"allOf": [schema]}
    converted = to_openapi(document)
    response = at(converted, f"/paths/{escaped(document['paths']['path'])}/post/responses/200")
    return response["content"]["application/json"]["schema"]["properties"]["tried"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        # An authors' wrapper inside Mintlify's stays.
        (
            {"allOf": [{"type": "string"}], "description": "Mine"},
            {"allOf": [{"type": "string"}], "description": "Mine"},
        ),
        ({"allOf": [{"type": "string"}]}, {"allOf": [{"type": "string"}]}),
        # Deeper properties and items are the authors', so a lone allOf there is, too.
        (
            {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}]}}},
            {"type": "object", "properties": {"a": {"allOf": [{"type": "string"}]}}},
        ),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "string", "nullable": True, "enum": ["a", None]},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
            {"type": "object", "properties": {"nullable": {"type": "boolean"}}},
        ),
        # Names from the parts of a combination cannot be told, so they are not doubted.
        (
            {"allOf": [{"$ref": "#/components/schemas/Child"}, {"required": ["type"]}]},
            {"allOf": [{"$ref": "#/components/schemas/Child"}, {"required": ["type"]}]},
        ),
        ({"not": {"type": "string"}}, {"not": {"type": "string"}}),
        ({}, {}),
    ],
)
def test_schemas_as_their_authors_wrote_them(schema: object, expected: object) -> None:
    assert converted_property(schema) == expected


def test_data_is_not_read_as_schema() -> None:
    data = {"nullable": True, "allOf": [{"x-new": 1}], "$ref": "nowhere", "type": "file"}
    schema = {"type": "object", "default": data, "example": data, "enum": [data]}
    assert converted_property(schema) == schema


@pytest.mark.parametrize(("inlined", "listed"), [(1, True), (1, 1.0), (False, 0)])
def test_components_are_compared_as_json_is(inlined: object, listed: object) -> None:
    document = form_a("scan-page")
    scanner = {"type": "string", "enum": ["flat", "drum"]}
    schema = document["paths"]["request"]["parameters"]["header"]["Scanner"]["schema"][0]
    schema["default"] = inlined
    document["components"]["schemas"]["Scanner"] = {**scanner, "default": listed}
    with pytest.raises(SpecError) as caught:
        to_openapi(document)
    assert caught.value.place == "/components/schemas/Scanner"
    document["components"]["schemas"]["Scanner"]["default"] = inlined
    to_openapi(document)


def test_the_same_scheme_may_stand_in_two_alternatives() -> None:
    document = form_a("lend-book")
    document["paths"]["request"]["security"].append(document["paths"]["request"]["security"][0])
    (path,) = to_openapi(document)["paths"].values()
    names = [list(alternative) for alternative in path["post"]["security"]]
    assert names == [["api_key_header"], ["reader_cookie"], ["api_key_header"]]


def test_no_body_may_be_a_placeholder() -> None:
    document = form_a("lend-book")
    document["paths"]["request"]["body"] = {"_mintlify/placeholder": {"schemaArray": [{"type": "any"}], "examples": {}}}
    (path,) = to_openapi(document)["paths"].values()
    assert "requestBody" not in path["post"]
