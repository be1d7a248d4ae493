"""How a conversation with the browser goes: commands come out of a generator, replies go in.

So the steps are written once, for senders that return the reply and for those that must be awaited, and need no
browser to be tested. https://chromedevtools.github.io/devtools-protocol/
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar, cast

from anchor_uploads import AttachError

Command = tuple[str, dict[str, Any]]
Reply = dict[str, Any]
Send = Callable[[str, dict[str, Any]], Reply]
AsyncSend = Callable[[str, dict[str, Any]], Awaitable[Reply]]
Result = TypeVar("Result")
Steps = Generator[Command, Reply, Result]


def run(steps: Steps[Result], send: Send) -> Result:
    """Have the conversation over `send`; what it raises is raised in the steps."""
    try:
        command = next(steps)
        while True:
            try:
                reply = send(*command)
            except Exception as error:
                command = steps.throw(error)
            else:
                command = steps.send(reply)
    except StopIteration as end:
        return cast(Result, end.value)


async def run_async(steps: Steps[Result], send: AsyncSend) -> Result:
    """`run` for a `send` that must be awaited."""
    try:
        command = next(steps)
        while True:
            try:
                reply = await send(*command)
            except Exception as error:
                command = steps.throw(error)
            else:
                command = steps.send(reply)
    except StopIteration as end:
        return cast(Result, end.value)


def our_world() -> Steps[int]:
    """Make a world beside the page's, in the target's topmost frame; it reaches those below it in the same process.

    The same session gets the same world again.
    """
    tree = yield "Page.getFrameTree", {}
    frame = tree["frameTree"]["frame"]["id"]
    world = yield (
        "Page.createIsolatedWorld",
        # The protocol spells it so.
        {"frameId": frame, "worldName": "anchor-uploads", "grantUniveralAccess": True},
    )
    return cast(int, world["executionContextId"])


def call_for_object(function: str, place: Mapping[str, Any], *arguments: Any) -> Steps[str | None]:
    """Call a JavaScript function and return the id of the object that it returns, or None for null.

    place: where, such as an `executionContextId` or the `objectId` of its `this`.
    """
    reply = yield "Runtime.callFunctionOn", _call(function, place, arguments)
    return cast("str | None", _result(reply).get("objectId"))


def call_for_value(function: str, this: str, *arguments: Any) -> Steps[Any]:
    """Call a JavaScript function on an object, wait for its promise if it returns one, and return the value."""
    place = {"objectId": this, "returnByValue": True, "awaitPromise": True}
    reply = yield "Runtime.callFunctionOn", _call(function, place, arguments)
    return _result(reply)["value"]


def _call(function: str, place: Mapping[str, Any], arguments: Sequence[Any]) -> dict[str, Any]:
    return {"functionDeclaration": function, "arguments": [{"value": each} for each in arguments], **place}


def _result(reply: Reply) -> dict[str, Any]:
    if "exceptionDetails" in reply:
        details = reply["exceptionDetails"]
        text = details.get("exception", {}).get("description") or details.get("text") or "no reason given"
        raise AttachError(f"the page's browser failed: {text.splitlines()[0]}")
    return cast("dict[str, Any]", reply["result"])
