"""Calls of the functions in page.js, in a world beside the page's.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from importlib.resources import files
from typing import Any

from anchor_uploads import AttachError
from anchor_uploads._call.steps import Result

Command = tuple[str, Any]
"""A CDP method and its parameters; or one of these two things that need more than CDP:

- `ANNOUNCE` and a name, to be called with the element in the page's own world;
- `OUTLIVED` and an exception: whether the browser is still there after the page that raised it.
"""
Element = Mapping[str, Any]
"""Where to call a function with an element as its `this`, in our world."""
Steps = Generator[Command, Any, Result]

_SOURCE = files("anchor_uploads._attach").joinpath("page.js").read_text(encoding="utf-8")
_FUNCTION = re.compile(r"^export (?=(?:async )?function (\w+))(.*?^\})$", re.MULTILINE | re.DOTALL)
_FUNCTIONS = dict(_FUNCTION.findall(_SOURCE))
ANNOUNCE = _FUNCTIONS["announce"]
OUTLIVED = "outlived"


def our_world() -> Steps[int]:
    """Make a world beside the page's, in the target's topmost frame; it reaches those below it in the same process."""
    tree = yield "Page.getFrameTree", {}
    frame = tree["frameTree"]["frame"]["id"]
    # The protocol spells it so.
    options = {"frameId": frame, "worldName": "anchor-uploads", "grantUniveralAccess": True}
    world: dict[str, int] = yield "Page.createIsolatedWorld", options
    return world["executionContextId"]


def call(function: str, place: Mapping[str, Any], *arguments: Any, by_value: bool = False) -> Steps[Any]:
    """Call a function of page.js, and return the id of the object that it returns, or None for null.

    place: where, such as an `executionContextId` or the `objectId` of its `this`. by_value: return the object itself,
    or what its promise comes to.
    """
    how = {"arguments": [{"value": each} for each in arguments], "returnByValue": by_value, "awaitPromise": by_value}
    reply = yield "Runtime.callFunctionOn", {"functionDeclaration": _FUNCTIONS[function], **place, **how}
    if "exceptionDetails" in reply:
        details = reply["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text") or "no reason given"
        raise AttachError(f"the page's browser failed: {text.splitlines()[0]}")
    return reply["result"]["value"] if by_value else reply["result"].get("objectId")
