"""Files that lie on the browser's machine, put into a page's file input over the Chrome DevTools Protocol.

`set_input_files` takes any function that sends a CDP command to the page, for example Selenium's:

    from anchor_uploads.cdp import set_input_files

    found = driver.execute_cdp_cmd("Runtime.evaluate", {"expression": "document.querySelector('input[type=file]')"})
    set_input_files(driver.execute_cdp_cmd, found["result"], uploaded)

Users of Playwright have `anchor_uploads.playwright.attach`.

https://chromedevtools.github.io/devtools-protocol/tot/DOM/#method-setFileInputFiles
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from attrs import frozen

from anchor_uploads import AttachError, in_page
from anchor_uploads.attachment import (
    Attachable,
    AttachedFile,
    AttachedFileReplaced,
    RemoteFile,
    check_accept,
    check_input,
    compare,
    remote_files,
    warn_of_replaced,
)
from anchor_uploads.conversation import (
    AsyncSend,
    Send,
    Steps,
    call_for_object,
    call_for_value,
    our_world,
    run,
    run_async,
)

__all__ = [
    "DIGEST_LIMIT",
    "AttachError",
    "Attachable",
    "AttachedFile",
    "AttachedFileReplaced",
    "RemoteFile",
    "set_input_files",
    "set_input_files_async",
]

DIGEST_LIMIT = 256 * 1024 * 1024
"""Bytes up to which a page hashes a file: `crypto.subtle` takes it whole, and so holds it in the page's memory."""

# What browsers answer once a page has reacted to its new files by going elsewhere; not once the target is closed, for
# that may be a crash or a lost connection.
_PAGE_IS_GONE = re.compile(r"Cannot find context|context was destroyed|navigated or closed|Could not find object")


def set_input_files(
    send: Send, node: Mapping[str, Any], *files: Attachable, ignore_accept: bool = False, detached_ok: bool = False
) -> tuple[AttachedFile, ...]:
    """Put files that lie on the browser's machine into an `<input type=file>`, and see that it has them.

    send: sends one CDP command (method, params) to the target that holds the element's frame, and returns its result.
    node: the element, with an `objectId` or a `backendNodeId`, such as the RemoteObject of `Runtime.evaluate`.
    files: what `upload_file` returned, or `RemoteFile`s. They replace what the input had. Several may have one name.
    ignore_accept: attach even what the input's `accept` does not allow, as a person can.
    detached_ok: take an input that is not in the document, as pages make for a button that opens a file dialog.

    The browser first shows what it makes of the paths in an input that is not part of the page. Names and sizes must
    be as expected, and the files readable; the SHA-256, too, must be as expected where it is known, if the page is a
    secure context and the file has at most `DIGEST_LIMIT` bytes (`AttachedFile.sha256` tells whether it was computed).
    Only then the page's own input gets them, with one `input` and one `change` event, both trusted; should the files
    have changed in between, the page hears nothing and its input is emptied. What the page does after that, such as
    emptying the input itself or going elsewhere, is no error.

    Raises `AttachError`, and what `send` raises. Warns with `AttachedFileReplaced`.
    """
    found = run(put_files(node, files, ignore_accept=ignore_accept, detached_ok=detached_ok), send)
    warn_of_replaced(files, found.modified, stacklevel=2)
    return found.files


async def set_input_files_async(
    send: AsyncSend, node: Mapping[str, Any], *files: Attachable, ignore_accept: bool = False, detached_ok: bool = False
) -> tuple[AttachedFile, ...]:
    """`set_input_files` for a `send` that must be awaited."""
    found = await run_async(put_files(node, files, ignore_accept=ignore_accept, detached_ok=detached_ok), send)
    warn_of_replaced(files, found.modified, stacklevel=2)
    return found.files


def start_search(name: str) -> Steps[str]:
    """Listen in every frame of the target for the element that `in_page.ANNOUNCE` will announce by `name`."""
    world = yield from our_world()
    search = yield from call_for_object(in_page.LISTEN, {"executionContextId": world}, name)
    return cast(str, search)


def end_search(search: str) -> Steps[dict[str, Any]]:
    """Return the node that was announced, as `set_input_files` takes it. Raises `AttachError` if none was."""
    found = yield from call_for_object(in_page.FOUND, {"objectId": search})
    if found is None:
        raise AttachError(
            "the browser did not tell which element it is: the page has overridden dispatchEvent, or its frame went "
            "elsewhere; find the element again"
        )
    return {"objectId": found}


@frozen
class Found:
    """What the page has now. modified: when each file was last written, in milliseconds since 1970."""

    files: tuple[AttachedFile, ...]
    modified: tuple[float, ...]


def put_files(
    node: Mapping[str, Any], files: Sequence[Attachable], *, ignore_accept: bool, detached_ok: bool
) -> Steps[Found]:
    """The whole of `set_input_files` but for the warnings."""
    wanted = remote_files(files)
    group = f"anchor-uploads-{secrets.token_hex(8)}"
    try:
        field = yield from _field(node, group)
        check_input(field.facts, len(wanted), detached_ok=detached_ok)
        probed = yield from _probe(field, wanted)
        if not ignore_accept:
            check_accept(field.facts, wanted, [each["type"] for each in probed])
        yield from _hand_over(field, wanted, probed)
    except Exception:
        yield from _forget(group)
        raise
    yield from _forget(group)
    return Found(tuple(map(_attached_file, probed)), tuple(each["modified"] for each in probed))


def _forget(group: str) -> Steps[None]:
    # A page that has gone elsewhere has forgotten already.
    with suppress(Exception):
        yield "Runtime.releaseObjectGroup", {"objectGroup": group}


@frozen
class _Field:
    """The page's input as it is seen from our world: its object there, and what it says of itself."""

    world: int
    group: str
    object: str
    facts: dict[str, Any]


def _field(node: Mapping[str, Any], group: str) -> Steps[_Field]:
    # Not nodeId: one that is out of date can crash the page.
    handle = {key: node[key] for key in ("objectId", "backendNodeId") if key in node}
    if not handle:
        raise AttachError("the node has neither an objectId nor a backendNodeId; is there such an element?")
    world = yield from our_world()
    described = yield "DOM.describeNode", handle
    backend = described["node"]["backendNodeId"]
    place = {"backendNodeId": backend, "executionContextId": world, "objectGroup": group}
    resolved = yield "DOM.resolveNode", place
    target = resolved["object"]["objectId"]
    facts = yield from call_for_value(in_page.INSPECT, target)
    return _Field(world, group, target, facts)


def _probe(field: _Field, wanted: Sequence[RemoteFile]) -> Steps[list[dict[str, Any]]]:
    """Return what the browser makes of the paths, in an input of ours. Raises `AttachError` if it is not `wanted`."""
    place = {"executionContextId": field.world, "objectGroup": field.group}
    probe = cast(str, (yield from call_for_object(in_page.PROBE, place)))
    yield "DOM.setFileInputFiles", {"files": [file.path for file in wanted], "objectId": probe}
    digests = [file.sha256 is not None for file in wanted]
    found: list[dict[str, Any]] = yield from call_for_value(in_page.READ, probe, digests, DIGEST_LIMIT)
    compare(field.facts, wanted, tuple(map(_attached_file, found)), "The input was not touched.")
    return found


def _hand_over(field: _Field, wanted: Sequence[RemoteFile], probed: Sequence[Mapping[str, Any]]) -> Steps[None]:
    """Give the page the files. Raises `AttachError` if they are not those that were `probed` any more."""
    expected = [{key: each[key] for key in ("name", "size", "modified")} for each in probed]
    place = {"objectId": field.object, "objectGroup": field.group}
    guard = cast(str, (yield from call_for_object(in_page.GUARD, place, expected)))
    try:
        yield "DOM.setFileInputFiles", {"files": [file.path for file in wanted], "objectId": field.object}
    except Exception:
        with suppress(Exception):
            yield from call_for_value(in_page.VERDICT, guard)
        raise
    try:
        judged = yield from call_for_value(in_page.VERDICT, guard)
    except Exception as error:
        if _PAGE_IS_GONE.search(str(error)):
            # It heard of the right files and left: the guard lets no other ones through.
            return
        raise
    if not judged["right"]:
        found = tuple(AttachedFile(each["name"], each["size"]) for each in judged["found"])
        compare(field.facts, wanted, found, "The input is empty now.")
        raise AttachError(
            "the files changed on the browser's machine while they were attached; the input is empty now. Attach "
            "them again when they are complete",
            expected=tuple(wanted),
            found=found,
        )


def _attached_file(seen: Mapping[str, Any]) -> AttachedFile:
    return AttachedFile(seen["name"], seen["size"], seen["sha256"], seen["problem"])
