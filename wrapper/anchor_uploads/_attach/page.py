"""Calls of the functions in page.js, in a world beside the page's.

https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import suppress
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


def out_of_reach(world: Mapping[str, Any]) -> Steps[list[str]]:
    """Return the ids of the documents of all frames in the target's process, if any of them is in a shadow tree.

    A window does not tell of such a frame, and no script finds it if the tree is closed. That is rare, and to ask for
    each frame takes long, so there is a look at their number first.
    """
    tree = yield "Page.getFrameTree", {}
    _topmost, *frames = _frames(tree["frameTree"])
    if len(frames) < (yield from call("reach", world, by_value=True)):
        return []
    documents = []
    for frame in frames:
        # One that went away meanwhile is none of ours.
        with suppress(Exception):
            documents.append((yield from _document(frame, world)))
    return documents


def _frames(tree: Mapping[str, Any]) -> Iterator[str]:
    yield tree["frame"]["id"]
    for below in tree.get("childFrames", ()):
        yield from _frames(below)


def _document(frame: str, world: Mapping[str, Any]) -> Steps[str]:
    # Not by its element's contentWindow, which an <embed> does not have.
    owner = yield "DOM.getFrameOwner", {"frameId": frame}
    described = yield "DOM.describeNode", {"backendNodeId": owner["backendNodeId"]}
    document = described["node"]["contentDocument"]["backendNodeId"]
    resolved: dict[str, Any] = yield "DOM.resolveNode", {"backendNodeId": document, **world}
    return str(resolved["object"]["objectId"])


def call(
    function: str, place: Mapping[str, Any], *arguments: Any, nodes: Sequence[str] = (), by_value: bool = False
) -> Steps[Any]:
    """Call a function of page.js, and return the id of the object that it returns, or None for null.

    place: where, such as an `executionContextId` or the `objectId` of its `this`. nodes: the ids of those that it gets
    after its other arguments. by_value: return the object itself, or what its promise comes to.
    """
    given = [*({"value": each} for each in arguments), *({"objectId": each} for each in nodes)]
    how = {"arguments": given, "returnByValue": by_value, "awaitPromise": by_value}
    reply = yield "Runtime.callFunctionOn", {"functionDeclaration": _FUNCTIONS[function], **place, **how}
    if "exceptionDetails" in reply:
        details = reply["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text") or "no reason given"
        raise AttachError(f"the page's browser failed: {text.splitlines()[0]}")
    return reply["result"]["value"] if by_value else reply["result"].get("objectId")
