"""Every change of the spec is noticed, by the check that is there for it, and nothing else raises an alarm."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from openapi.errors import SpecError
from spec_pipeline import mutate
from spec_pipeline.changes.change import Impact
from spec_pipeline.proof.mutations import Judge, Mutation, Notice, problems, read_mutations
from spec_pipeline.proof.wrapper import observed
from spec_pipeline.published.page import Form

HERE = Path(__file__).parent
MUTATIONS = read_mutations(HERE / "mutations")


@pytest.fixture(scope="module")
def judge() -> Judge:
    return Judge(HERE / "spec", HERE / "pages", observed())


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.id)
def test_it_is_noticed_as_it_should_be(mutation: Mutation, judge: Judge) -> None:
    assert judge.judge(mutation).problems == ()


def test_there_are_enough_of_them() -> None:
    by_class = [mutation.cls for mutation in MUTATIONS]
    assert len(by_class) - by_class.count("none") >= 60
    assert by_class.count("none") >= 10


def a_mutation(cls: str, **noticed_by: str) -> Mutation:
    return Mutation("it", cls, noticed_by, patch=[{"op": "test", "path": "", "value": None}])


BREAKING, COMPATIBLE, WORDING = (Notice("diff", "/a", impact) for impact in sorted(Impact, reverse=True))


@pytest.mark.parametrize(
    ("mutation", "notices", "problem"),
    [
        (a_mutation("breaking", diff="/a"), [], "not noticed by diff"),
        (a_mutation("breaking", diff="/a"), [COMPATIBLE], "the diff says compatible"),
        (a_mutation("breaking", diff="/b"), [BREAKING], "diff names /a, not /b"),
        (a_mutation("breaking", diff="/a", facts="/b"), [BREAKING], "not noticed by facts"),
        (a_mutation("wording", diff="/a"), [COMPATIBLE], "the diff says compatible"),
        (a_mutation("wording", diff="/a"), [WORDING, Notice("facts", "/c")], "false alarm: facts at /c"),
        (a_mutation("none"), [WORDING], "the diff says wording"),
        (a_mutation("none"), [Notice("overlay", "/actions/1")], "false alarm: overlay"),
        (a_mutation("none"), [Notice("conversion", "/c")], "false alarm: conversion"),
    ],
)
def test_what_is_not_as_it_should_be_is_a_problem(mutation: Mutation, notices: list[Notice], problem: str) -> None:
    assert any(problem in text for text in problems(mutation, tuple(notices)))


def test_a_mutation_that_does_not_apply_is_an_error(judge: Judge) -> None:
    with pytest.raises(LookupError, match="stands 0 times"):
        judge.judge(Mutation("it", "breaking", {"diff": "/a"}, text=(("not there", ""),)))


def test_what_is_noticed_in_one_form_only_is_a_problem(judge: Judge) -> None:
    prose = "/paths/~1v1~1sessions~1{sessionId}~1uploads/post/summary"
    mutation = Mutation("it", "wording", {"diff": prose}, patch=[{"op": "add", "path": prose, "value": "Store a file"}])

    assert judge.judge(mutation).problems == (
        "form A: is wording, but the diff says none",
        "form A: not noticed by diff",
        f"form A: not noticed there, but in another form: diff at {prose}",
    )
    assert judge.judge(dataclasses.replace(mutation, forms=(Form.B, Form.C))).problems == ()


def test_a_patch_reaches_what_a_document_refers_to_and_inherits(judge: Judge) -> None:
    """In form C the fixture's parameter, its 404 and its security stand elsewhere than the one layout has them."""
    post = "/paths/~1v1~1sessions~1{sessionId}~1uploads/post"
    text = (HERE / "pages" / "upload-files.whole.md").read_text("utf-8")
    assert "$ref: '#/components/parameters/session'" in text
    assert "$ref: '#/components/responses/SessionNotFound'" in text
    assert "\nsecurity:\n  - api_key_header: []\n" in text
    for place, value in (
        ("parameters/0/schema/format", "ulid"),
        ("responses/404/content/application~1json/schema/properties/error", {"type": "string"}),
        ("security/0", {"api_key_header": ["write"]}),
    ):
        patch = [{"op": "replace", "path": f"{post}/{place}", "value": value}]
        notices = judge.judge(Mutation("it", "breaking", {"diff": post}, patch=patch)).notices
        in_c = judge.judge(Mutation("it", "breaking", {"diff": post}, patch=patch, forms=(Form.C,))).notices
        assert in_c == notices
        assert any(notice.check == "diff" and notice.pointer.startswith(post) for notice in in_c)


@pytest.mark.parametrize(
    "entry",
    [
        "- {id: a, class: terrible, noticed by: {diff: /a}, rewrite: flow style}",
        "- {id: a, class: breaking, noticed by: {luck: /a}, rewrite: flow style}",
        "- {id: a, class: breaking, rewrite: flow style}",
        "- {id: a, class: none, noticed by: {diff: /a}, rewrite: flow style}",
        "- {id: a, class: none}",
        "- {id: a, class: none, rewrite: flow style, page: a.md}",
        "- {id: a, class: none, rewrite: flow style, pach: []}",
        "- {id: a, class: none, rewrite: comments}\n- {id: a, class: none, rewrite: comments}",
        "- {id: a, class: none, rewrite: comments, forms: [D]}",
        "- {id: a, class: none, rewrite: comments, forms: []}",
        "- {id: a, class: none, text: [{old: a, new: b}]}",
    ],
)
def test_a_malformed_mutation_is_refused(entry: str, tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(entry, "utf-8")
    with pytest.raises(SpecError):
        read_mutations(tmp_path)


def test_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert mutate.main(["the field is renamed", "flow style"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("the field is renamed ") and "facts*, diff*" in line for line in lines)
    assert lines[-1].startswith(
        "1 of 1 mutations noticed as they should be (1 breaking, 0 compatible, 0 wording); 0 false"
    )
