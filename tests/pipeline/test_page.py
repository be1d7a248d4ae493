"""Published pages are taken apart exactly, and refused when their parts contradict each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from openapi.errors import SpecError
from openapi.yaml import load
from spec_pipeline.published.page import Fence, Form, detect_form, read_page

PAGES = Path(__file__).parent / "pages"


def published(name: str) -> str:
    return (PAGES / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("lend-book.mintlify.md", Form.A),
        ("lend-book.openapi.md", Form.B),
        ("return-book.mintlify.md", Form.A),
        ("return-book.openapi.md", Form.B),
        ("scan-page.mintlify.md", Form.A),
        ("scan-page.openapi.md", Form.B),
        ("scan-page.whole.md", Form.C),
    ],
)
def test_the_form_is_told(name: str, form: Form) -> None:
    page = read_page(published(name), name=name)
    assert page.form is form
    assert detect_form(load(page.block, name=name)) is (Form.B if form is Form.C else form)


@pytest.mark.parametrize("name", ["lend-book.mintlify.md", "lend-book.openapi.md"])
def test_the_parts_of_a_page(name: str) -> None:
    page = read_page(published(name), name=name)
    assert page.title == "Lend a Book"
    assert page.summary == "Lends a book to a reader."
    assert page.description.startswith("Books are lent for four weeks.")
    assert page.fence == Fence("openapi-mintlify.yaml", "post", "/v1/libraries/{library_id}/loans")


def test_prose_may_be_missing() -> None:
    page = read_page(published("return-book.mintlify.md"), name="page.md")
    assert (page.title, page.summary, page.description) == ("Return a Book", "", "")


FORM_A = "paths:\n  path: /v1/a\n  method: get\n"
FORM_B = "openapi: 3.1.0\npaths:\n  /v1/a:\n    parameters: []\n    get: {}\n"


def page_with(
    block: str = FORM_A,
    *,
    info: str = "openapi-mintlify.yaml get /v1/a",
    before: str = "# Title\n\n",
    after: str = "````",
) -> str:
    return f"{before}````yaml {info}\n{block}{after}"


@pytest.mark.parametrize("after", ["````", "````\n", "````  \n\nMore.\n", "`````\n"])
@pytest.mark.parametrize("block", [FORM_A, FORM_A + "\n", FORM_A + "\n\n", FORM_B])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_block_is_the_text_between_the_fences(block: str, after: str, newline: str) -> None:
    text = page_with(block, after=after).replace("\n", newline)
    page = read_page(text, name="page.md")
    assert page.block == block.replace("\n", newline)
    assert page.title == "Title"
    assert page.block in text


def test_only_line_feeds_end_lines() -> None:
    before = "# Title\n\nOne\u2028two\x0cthree\x85# four\n\n"
    page = read_page(page_with(before=before), name="page.md")
    assert page.description == "One\u2028two\x0cthree\x85# four"
    with pytest.raises(SpecError) as caught:
        read_page(page_with("a: 1\na: 2\n", before=before), name="page.md")
    assert caught.value.place == "page.md line 7"


def test_a_byte_order_mark_and_a_source_line_do_not_hide_the_title() -> None:
    text = page_with(before="\ufeff# Source: https://docs.example/a.md\n\n# The Title\n\n> One\n> two\n\n")
    page = read_page(text, name="page.md")
    assert (page.title, page.summary) == ("The Title", "One\ntwo")


def test_a_notice_above_the_title_is_not_the_summary() -> None:
    page = read_page(page_with(before="> Notice\n\n# Title\n\n> Summary\n\n"), name="page.md")
    assert page.summary == "Summary"


def test_a_quotation_after_the_prose_belongs_to_it() -> None:
    text = page_with(before="# Title\n\n> Summary\n\nProse.\n\n> Quoted.\n\n## OpenAPI\n\n")
    page = read_page(text, name="page.md")
    assert (page.summary, page.description) == ("Summary", "Prose.\n\n> Quoted.")


def test_fences_in_the_prose_are_prose() -> None:
    before = "# Title\n\n~~~yaml\n## OpenAPI\n````yaml x.yaml get /b\n~~~\n\n```yaml\na: 1\n```\n\n"
    page = read_page(page_with(before=before), name="page.md")
    assert page.block == FORM_A
    assert "a: 1" in page.description


@pytest.mark.parametrize("fence", ["GET", "Get"])
def test_the_case_of_the_fences_method_does_not_matter(fence: str) -> None:
    page = read_page(page_with(info=f"openapi-mintlify.yaml {fence} /v1/a"), name="page.md")
    assert page.fence.method == "get"


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        pytest.param("# Title\n", "page.md", "exactly one block", id="no block"),
        pytest.param("", "page.md", "exactly one block", id="empty"),
        pytest.param(
            page_with() + "\n" + page_with(),
            "page.md line 10",
            "lines with one: 3, 10",
            id="two blocks",
        ),
        pytest.param(page_with(before=""), "page.md", "no title", id="no title"),
        pytest.param(page_with(after=""), "page.md line 3", "never closed", id="not closed"),
        pytest.param(page_with(after="```\n"), "page.md line 3", "never closed", id="shorter fence"),
        pytest.param(
            page_with(info="openapi-mintlify.yaml post /v1/a"),
            "page.md line 3",
            "the fence says post /v1/a, the body get /v1/a",
            id="other method",
        ),
        pytest.param(
            page_with(FORM_B, info="openapi-mintlify.yaml get /v1/b"),
            "page.md line 3",
            "the fence says get /v1/b, the body get /v1/a",
            id="other path",
        ),
        pytest.param(
            page_with(FORM_B + "    post: {}\n"),
            "page.md line 3",
            "this has 2",
            id="two operations",
        ),
        pytest.param(
            page_with("openapi: 3.1.0\npaths: {}\n"),
            "page.md line 3",
            "this has 0",
            id="no operation",
        ),
        pytest.param(
            page_with(info="/openapi.yaml get /v1/a"),
            "page.md line 3",
            "no known form",
            id="C, body A",
        ),
        pytest.param(
            page_with(FORM_B, info="other.yaml get /v1/a"),
            "page.md line 3",
            "no known form",
            id="unknown file",
        ),
        pytest.param(page_with("a: 1\n"), "page.md line 3", "neither form A", id="something else"),
        pytest.param(page_with("a: 1\nb: 2\na: 3\n"), "page.md line 6", "'a'", id="duplicate key"),
    ],
)
def test_refusals(text: str, place: str, words: str) -> None:
    with pytest.raises(SpecError, match=re.escape(words)) as caught:
        read_page(text, name="page.md")
    assert caught.value.place == place


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (None, ""),
        ([], ""),
        ({}, "/paths"),
        ({"paths": []}, "/paths"),
        ({"paths": {}}, ""),
        ({"paths": {"path": "/a"}}, ""),
        ({"paths": {"path": {}, "method": {}}}, ""),
        ({"openapi": "3.0.3", "paths": {}}, "/openapi"),
        ({"openapi": "4.0.0", "paths": {}}, "/openapi"),
        ({"openapi": 3.1, "paths": {}}, "/openapi"),
        ({"openapi": "3.1.0"}, "/paths"),
        ({"openapi": "3.1.0", "paths": {"path": "/a", "method": "get"}}, "/paths"),
    ],
)
def test_what_is_no_form_is_refused(document: object, place: str) -> None:
    with pytest.raises(SpecError) as caught:
        detect_form(document)
    assert caught.value.place == place


def test_a_whole_document_is_form_b_without_a_fence() -> None:
    assert detect_form({"openapi": "3.1.1", "paths": {"/a": {}, "/b": {}}}) is Form.B
