"""The reader of contracts says what is documented about answers of any kind, and the live check judges by that."""

from __future__ import annotations

from typing import Any

import pytest

from live_check.judging import Observed, Verdict, judge
from live_check.situations import Situation
from openapi.documented import Contract

TEXT = {"schema": {"type": "string"}}
CONTRACT = Contract(
    {
        "paths": {
            "/pictures": {
                "get": {
                    "operationId": "look",
                    "responses": {
                        "200": {"content": {"image/png": {}, "Application/JSON; charset=utf-8": TEXT}},
                        "204": {"description": "Nothing to see"},
                        "404": {"content": {"application/problem+json": {}}},
                        "4XX": {"content": {"text/html": TEXT}},
                        "default": {"content": {"image/png": {}}},
                    },
                }
            }
        }
    }
)
LOOK = CONTRACT.named("look")


@pytest.mark.parametrize(
    ("status", "documented"), [(200, "200"), (404, "404"), (418, "4XX"), (500, "default"), (201, "default")]
)
def test_the_answer_of_a_status_is_the_most_exact_that_is_documented(status: int, documented: str) -> None:
    reply = LOOK.reply(status)
    assert reply is not None
    assert reply.status == documented


def test_a_status_that_nothing_speaks_of_is_not_documented() -> None:
    only = Contract({"paths": {"/": {"get": {"responses": {"200": {}, "4XX": {}}}}}}).operation("GET", "/")
    assert only.reply(500) is None
    assert [reply.status for reply in only.replies] == ["200", "4XX"]


def test_every_media_type_of_an_answer_is_told_and_which_is_json() -> None:
    assert {reply.status: [(body.essence, body.is_json) for body in reply.bodies] for reply in LOOK.replies} == {
        "200": [("image/png", False), ("application/json", True)],
        "204": [],
        "404": [("application/problem+json", True)],
        "4XX": [("text/html", False)],
        "default": [("image/png", False)],
    }


def test_a_body_is_judged_by_its_schema_if_it_has_one() -> None:
    found, missing = LOOK.reply(200), LOOK.reply(404)
    assert found is not None
    assert missing is not None
    assert found.json is not None
    assert missing.json is not None
    assert found.json.problems("text") == []
    assert found.json.problems(7) == ["$: 7 is not of type 'string'"]
    assert missing.json.problems(7) == []


def test_a_pointer_leads_through_lists() -> None:
    assert Contract({"a": [{}, {"b": "c"}]}).at("/a/1/b") == "c"


@pytest.mark.parametrize(
    ("status", "content_type", "body", "said"),
    [
        (200, "image/png", b"\x89PNG", ""),
        (200, "application/json", b'"text"', ""),
        (200, "application/json; charset=utf-8", b"7", "is not of type 'string'"),
        (200, "text/html", b'"text"', "it is said to be text/html, not image/png or Application/JSON; charset=utf-8"),
        (200, "text/html", b"<p>", "the body is not JSON"),
        (204, "", b"", ""),
        (204, "text/html", b"<p>", "it is said to be text/html, not without a body"),
        (418, "text/html", b"<p>", ""),
        (500, "application/json", b"{}", "it is said to be application/json, not image/png"),
    ],
)
def test_an_answer_is_judged_by_what_is_documented_for_its_media_type(
    status: int, content_type: str, body: bytes, said: str
) -> None:
    observed = Observed(status, content_type, body, request_id=None, seconds=0)
    finding = judge(CONTRACT, Situation("a look", "look", (status,)), observed, result=None, error=None)
    assert said in "\n".join(finding.notes)
    assert finding.verdict is (Verdict.CONTRADICTS if said else Verdict.AGREES)


@pytest.mark.parametrize(
    ("status", "told"),
    [(200, "200 string"), (204, "204 without a body"), (418, "4XX text/html"), (500, "default image/png")],
)
def test_the_report_says_what_is_documented(status: int, told: str) -> None:
    observed: Any = Observed(status, "", b"", request_id=None, seconds=0)
    finding = judge(CONTRACT, Situation("a look", "look", (status,)), observed, result=None, error=None)
    assert finding.documented == told
