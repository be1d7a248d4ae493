"""What became of files that were handed to a page: its guard tells, unless the page went away over them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from anchor_uploads import AttachError
from anchor_uploads._attach.page import OUTLIVED, Command, Steps, call

Verdict = Mapping[str, Any]
"""What `guard` or `watch` of page.js judges: whether the files are `right`, and those that it `found`.

`watch` also tells whether they `came`, and whether the page `refused` them.
"""

RIGHT: Verdict = {"came": True, "right": True}

_OPEN = (
    "the browser did not answer when the page was given the files: the page may have them; look before you attach again"
)
# What a browser that lives answers when a page goes elsewhere over its new files, and when it had gone before.
_WENT_AWAY = re.compile(
    r"Cannot find context|context was destroyed|navigated or closed|Session with given id not found"
)
_WAS_GONE = re.compile(r"Could not find (?:object|node)|No node with given id")


def settled(hand_over: Command, guard: Mapping[str, Any]) -> Steps[Verdict]:
    """Give the page the files, and return the guard's verdict.

    A page that went away after it had been given them has had them: the guard lets no other ones through.
    """
    try:
        yield hand_over
    except Exception as problem:
        return (yield from _in_spite_of(problem, guard))
    try:
        verdict: Verdict = yield from call("verdict", guard, by_value=True)
    except Exception:
        return RIGHT
    return verdict


def _in_spite_of(problem: Exception, guard: Mapping[str, Any]) -> Steps[Verdict]:
    try:
        verdict: Verdict = yield from call("verdict", guard, by_value=True)
    except Exception:
        if _WAS_GONE.search(str(problem)):
            raise problem from None
        if _WENT_AWAY.search(str(problem)) or (yield OUTLIVED, problem):
            return RIGHT
        raise AttachError(_OPEN) from problem
    if verdict["right"]:
        return verdict
    if isinstance(problem, TimeoutError):
        raise AttachError(_OPEN) from problem
    raise problem
