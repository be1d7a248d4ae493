"""The overlay: every action reaches its target and says why, or the run stops."""

from __future__ import annotations

from typing import Any

import pytest

from openapi.errors import SpecError
from spec_pipeline.derive import overlay

DOCUMENT: dict[str, Any] = {"info": {"title": "API"}, "paths": {"/a": {"get": {"tags": ["x"]}}}}


def an_overlay(*actions: dict[str, Any]) -> dict[str, Any]:
    return {"overlay": "1.0.0", "info": {"title": "t", "version": "1"}, "actions": list(actions)}


def test_actions_are_applied_in_order_to_a_copy() -> None:
    result = overlay.apply(
        DOCUMENT,
        an_overlay(
            {"target": "$.paths['/a'].get", "description": "why", "update": {"operationId": "a"}},
            {"target": "$.paths['/a'].get.operationId", "description": "why", "update": "b"},
            {"target": "$.paths['/a'].get.tags", "description": "why", "remove": True},
        ),
    )

    assert result["paths"]["/a"]["get"] == {"operationId": "b"}
    assert DOCUMENT["paths"]["/a"]["get"] == {"tags": ["x"]}


def test_a_target_that_matches_nothing_stops_the_run_and_names_the_action() -> None:
    with pytest.raises(SpecError, match=r"'rename b'.*matches nothing") as caught:
        overlay.apply(
            DOCUMENT,
            an_overlay(
                {"target": "$.info", "description": "why", "update": {"version": "1"}},
                {"target": "$.paths['/b'].get", "description": "rename b", "update": {"operationId": "b"}},
            ),
        )
    assert caught.value.place == "/actions/1"


def test_a_target_removed_by_an_earlier_action_matches_nothing() -> None:
    remove = {"target": "$.paths['/a']", "description": "why", "remove": True}
    with pytest.raises(SpecError, match="matches nothing"):
        overlay.apply(DOCUMENT, an_overlay(remove, remove))


@pytest.mark.parametrize(
    ("action", "problem"),
    [
        ({"description": "why", "update": {}}, "needs a `target`"),
        ({"target": "$.info", "update": {}}, "does not say why"),
        ({"target": "$.info", "description": "why"}, "either updates or removes"),
        ({"target": "$.info", "description": "why", "update": {}, "remove": True}, "either updates or removes"),
        ({"target": "$.info", "description": "why", "updte": {}}, "unknown key 'updte'"),
        ({"target": "$.[", "description": "why", "update": {}}, "not a JSONPath"),
    ],
)
def test_a_malformed_action_is_refused(action: dict[str, Any], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        overlay.apply(DOCUMENT, an_overlay(action))


@pytest.mark.parametrize("document", [None, {}, {"overlay": "2.0.0"}, {"overlay": "1.0.0"}])
def test_what_is_no_overlay_is_refused(document: object) -> None:
    with pytest.raises(SpecError):
        overlay.apply(DOCUMENT, document)
