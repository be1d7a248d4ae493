"""YAML is read strictly, and written so that loaders of YAML 1.1 and 1.2 agree about it."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import pickle
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from openapi.errors import SpecError
from openapi.values import mapping
from openapi.yaml import dump, load

# Imported by name: it has no types of its own, and whether stubs are installed is not our business.
pyyaml: Any = importlib.import_module("yaml")

TRICKY_WORDS = [
    *("no", "No", "NO", "yes", "on", "off", "y", "n", "true", "False", "null", "Null", "~", ""),
    *("1", "-1", "+1", "0o17", "017", "0x1F", "1_000", "1e5", "1.5", ".5", "1.", "12:30:45", "-"),
    *(".inf", "-.inf", ".nan", "2024-01-01", "2024-01-01T00:00:00Z", "=", "<<", "<<x", "1.0.0"),
    *(" a", "a ", "a: b", "a #b", "#a", "&a", "*a", "!a", "%a", "@a", "`a", "|", ">", "?", "? a"),
    *(":", "a:", "- a", "---", "...", "{}", "[]", "{a", "'", '"', "it's", "\\", "a, b", ", a"),
    *(
        "a\nb",
        "a\nb\n",
        "a\n\nb",
        "a\n\n",
        "\na",
        "a\n b",
        " a\nb",
        "a \nb",
        "# a\nb",
        "---\na",
        "...\n",
    ),
    *(
        "a\tb",
        "\ta",
        "a\rb",
        "a\r\nb",
        "a\x85b",
        "a\u2028b",
        "\ufeffa",
        "a\xa0b",
        "é",
        "😀",
        "\x00",
    ),
    *("$ref", "#/components/schemas/A", "{id}", "/v1/{id}/x", "word " * 60, "w" * 300),
]

texts = st.one_of(
    st.sampled_from(TRICKY_WORDS),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from(list("aé#:-?&*!|>'\"%@`{}[], \n\t\r\x85\u2028.0129_+=~<")), max_size=12),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
documents = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=20,
)


def exactly(document: object) -> object:
    """Make order and types count in a comparison: 1 == True == 1.0 otherwise."""
    if isinstance(document, dict):
        return [(key, exactly(value)) for key, value in document.items()]
    if isinstance(document, list):
        return ["list", *(exactly(value) for value in document)]
    return type(document), repr(document)


@settings(deadline=None)
@given(documents)
def test_every_loader_reads_what_was_dumped(document: object) -> None:
    text = dump(document)
    by_ruamel: object = YAML(typ="safe", pure=True).load(io.StringIO(text))
    assert exactly(load(text, name="dumped")) == exactly(document)
    assert exactly(pyyaml.safe_load(text)) == exactly(document)
    assert exactly(by_ruamel) == exactly(document)


@pytest.mark.parametrize("word", TRICKY_WORDS)
def test_tricky_words_survive_as_values_keys_and_items(word: str) -> None:
    nested = {"value": word, "items": [word, {word: word}], word: None, "last": word}
    for document in (nested, [word], word):
        text = dump(document)
        assert exactly(load(text, name="dumped")) == exactly(document)
        assert exactly(pyyaml.safe_load(text)) == exactly(document)


def test_dump_is_stable_block_style_in_the_order_of_keys() -> None:
    shared = {"no": ["on", "plain words", 1, 1.5, True, None]}
    document = {"z": shared, "a": shared, "empty": {}, "none": [], "prose": "One.\n\nTwo.\n"}
    block = "  'no':\n    - 'on'\n    - plain words\n    - 1\n    - 1.5\n    - true\n    - null\n"
    expected = f"z:\n{block}a:\n{block}empty: {{}}\nnone: []\nprose: |\n  One.\n\n  Two.\n"
    assert dump(document) == expected
    assert dump(load(expected, name="dumped")) == expected


def test_long_lines_are_not_folded() -> None:
    text = dump({"description": "word " * 500 + "end"})
    assert text.count("\n") == 1


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), {1: 2}, datetime.date(2024, 1, 1), ("tuple",), "\ud800"], ids=str
)
def test_dump_refuses_what_json_does_not_have(value: object) -> None:
    with pytest.raises(SpecError, match="not a value JSON has"):
        dump({"a": [value]})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("1", 1),
        ("017", 17),
        ("0o17", 15),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1e3", 1000.0),
        ("-.5", -0.5),
        ("+1", 1),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2023-11-07T05:31:56Z", "2023-11-07T05:31:56Z"),
        ("True", True),
        ("tRUE", "tRUE"),
        ("~", None),
        ("'~'", "~"),
        ('"1"', "1"),
        ("'<<': 1", {"<<": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ("a: |\r\n  b\r\n", {"a": "b\n"}),
        ("a:", {"a": None}),
        ("%YAML 1.2\n---\na", "a"),
        ("200: ok", {"200": "ok"}),
        ("a: b\t\nc: d", {"a": "b", "c": "d"}),
        ("a: b\x85c", {"a": "b\x85c"}),
        ("a: |\n  b\u2028c\n", {"a": "b\u2028c\n"}),
        ('{"a": "\\ud83d\\ude00, \\/ and \\\\ud83d"}', {"a": "😀, / and \\ud83d"}),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert exactly(load(text, name="text")) == exactly(value)


def test_aliases_become_independent_copies() -> None:
    document: Any = load("a: &x {list: [1]}\nb: *x\nc: {d: *x}\n", name="text")
    document["a"]["list"].append(2)
    document["b"]["list"].append(3)
    assert document == {"a": {"list": [1, 2]}, "b": {"list": [1, 3]}, "c": {"d": {"list": [1]}}}


def test_an_anchor_defined_again_means_the_latest() -> None:
    assert load("[&x 1, *x, &x 2, *x]", name="text") == [1, 1, 2, 2]


BILLION_LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "stands here and on line 1"),
        ("a: {b: 1,\n 'b': 2}\n", 2, "stands here and on line 1"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("? [a]\n: 1\n", 1, "not a string"),
        ("null: 1\n", 1, "not a string"),
        ("200: 1\n'200': 2\n", 2, "stands here and on line 1"),
        ('{"a": "\\ud83d"}', 1, "not YAML"),
        ("a: !!str 1\n", 1, "tag"),
        ("a: !thing {}\n", 1, "tag"),
        ("a: &x {}\nb:\n  <<: *x\n", 3, "merge keys"),
        ("a: *x\n", 1, "*x"),
        ("a: &x\n  - *x\n", 2, "*x"),
        ("a: .inf\n", 1, ".inf"),
        ("a: 1e999\n", 1, "too large"),
        ("a: [\n", 2, "not YAML"),
        ("a: b: c\n", 1, "not YAML"),
        ("%YAML 1.1\n---\na: no\n", 1, "YAML 1.2"),
        ("[" * 200 + "]" * 200, 1, "deep"),
        (BILLION_LAUGHS, 6, "nodes"),
    ],
    ids=lambda value: value[:20] if isinstance(value, str) else None,
)
def test_refusals_name_the_line(text: str, line: int, words: str) -> None:
    with pytest.raises(SpecError, match=r"^spec\.yaml line") as caught:
        load(text, name="spec.yaml")
    assert caught.value.place == f"spec.yaml line {line}"
    assert words in caught.value.message


@pytest.mark.parametrize("text", ["", "# only a comment\n"])
def test_no_document_is_refused(text: str) -> None:
    with pytest.raises(SpecError, match="no YAML document"):
        load(text, name="empty.yaml")


def test_lines_count_from_where_the_text_was_taken() -> None:
    with pytest.raises(SpecError) as caught:
        load("a: 1\na: 2\n", name="page.md", first_line=10)
    assert caught.value.place == "page.md line 11"
    assert "line 10" in caught.value.message


def test_control_characters_are_refused() -> None:
    with pytest.raises(SpecError, match="not YAML"):
        load("a: \x07\n", name="bell.yaml")


def test_the_error_survives_pickling() -> None:
    error: SpecError = pickle.loads(pickle.dumps(SpecError("wrong", place="/a")))
    assert (error.message, error.place, str(error)) == ("wrong", "/a", "/a: wrong")
    assert str(SpecError("wrong", place="")) == "the whole document: wrong"


def test_an_error_shows_of_a_long_value_where_it_begins_and_ends() -> None:
    with pytest.raises(SpecError) as caught:
        mapping(["x"] * 100_000, "/" + "a" * 100_000)
    assert len(str(caught.value)) < 2100
    assert "a mapping was expected, not ['x', 'x'" in str(caught.value)
    assert str(caught.value).endswith("'x', 'x']")


@settings(deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(SpecError):
        load(text, name="text")
