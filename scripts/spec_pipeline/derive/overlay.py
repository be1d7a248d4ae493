"""OpenAPI Overlay 1.0, applied so that no action can miss its target unseen.

Source: the OpenAPI Overlay Specification 1.0.0, §4.4.3 "Action Object". The standard lets an action that
matches nothing pass in silence; here it is an error, because a name that no longer reaches its schema is drift.
"""

from __future__ import annotations

import copy
import functools
from typing import Any

from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.parser import parse
from oas_patch.overlay import apply_overlay

from openapi.errors import SpecError

_ACTION_KEYS = {"target", "description", "update", "remove"}
_parsed = functools.cache(parse)


def apply(document: dict[str, Any], overlay: object) -> dict[str, Any]:
    """Return a copy of `document` with every action of `overlay` applied, in order.

    Raises `SpecError` if the overlay is malformed, an action gives no reason (`description`), or its target matches
    nothing in the document as the actions before it left it.
    """
    if not isinstance(overlay, dict) or overlay.get("overlay") != "1.0.0":
        raise SpecError("this is not an OpenAPI Overlay 1.0.0 document", place="/overlay")
    actions = overlay.get("actions")
    if not isinstance(actions, list) or not actions:
        raise SpecError("the overlay has no actions; remove it or give it one", place="/actions")
    result = copy.deepcopy(document)
    for number, action in enumerate(actions):
        _apply_action(result, action, place=f"/actions/{number}")
    return result


def _apply_action(document: dict[str, Any], action: object, *, place: str) -> None:
    if not isinstance(action, dict) or not isinstance(action.get("target"), str):
        raise SpecError("an action needs a `target`", place=place)
    unknown = sorted(set(action) - _ACTION_KEYS)
    if unknown:
        raise SpecError(f"unknown key {unknown[0]!r} in an overlay action", place=f"{place}/{unknown[0]}")
    if not action.get("description"):
        raise SpecError("the action does not say why it is there; give it a `description`", place=place)
    if ("update" in action) == (action.get("remove") is True):
        raise SpecError("an action either updates or removes", place=place)
    target = action["target"]
    try:
        matches = _parsed(target).find(document)
    except JSONPathError as error:
        raise SpecError(f"the target {target!r} is not a JSONPath: {error}", place=place) from error
    if not matches:
        raise SpecError(
            f"action {action['description']!r}: its target {target!r} matches nothing in the spec. "
            "The spec has changed under the overlay; point the action at where it went, or remove it",
            place=place,
        )
    apply_overlay(document, {"actions": [copy.deepcopy(action)]})
