"""The steps by which a page's file input gets its files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from anchor_uploads import AttachError
from anchor_uploads._attach.checks import check_accept, check_input, compare
from anchor_uploads._attach.expected import Attachable, AttachedFile, RemoteFile, remote_files, warn_of_replaced
from anchor_uploads._attach.page import ANNOUNCE, Command, Steps, call, our_world

ANNOUNCED: Mapping[str, Any] = {}
"""Stands for a node that is not known over CDP; one of the steps is then to `ANNOUNCE` it."""
DIGEST_LIMIT = 256 * 1024 * 1024
"""Bytes up to which a page hashes a file: `crypto.subtle` takes it whole, and so holds it in the page's memory."""

# What browsers answer once a page has reacted to its new files by going elsewhere; not once the target is closed, for
# that may be a crash or a lost connection.
_PAGE_IS_GONE = re.compile(r"Cannot find context|context was destroyed|navigated or closed|Could not find object")


def put_files(
    files: Sequence[Attachable], node: Mapping[str, Any], *, ignore_accept: bool, detached_ok: bool
) -> Steps[tuple[AttachedFile, ...]]:
    """Return the steps of `anchor_uploads.cdp.set_input_files`.

    Raises `AttachError` at once, before anything is waited for, if `files` cannot be right.
    """
    wanted = remote_files(files)

    def steps() -> Steps[tuple[AttachedFile, ...]]:
        group = f"anchor-uploads-{secrets.token_hex(8)}"
        try:
            world = {"executionContextId": (yield from our_world()), "objectGroup": group}
            found = (yield from _announced(world)) if node is ANNOUNCED else node
            element = yield from _in_our_world(found, world)
            facts = yield from call("inspect", element, by_value=True)
            check_input(facts, len(wanted), detached_ok=detached_ok)
            probed = yield from _probe(wanted, world)
            attached = compare(facts, wanted, probed, "The input was not touched.")
            if not ignore_accept:
                check_accept(facts, wanted, [each["type"] for each in probed])
            verdict = yield from _hand_over(wanted, element, probed)
            if not verdict["right"]:
                compare(facts, wanted, verdict["found"], "The input is empty now.", changed=True)
        except Exception:
            yield from _forget(group)
            raise
        yield from _forget(group)
        warn_of_replaced(files, [each["modified"] for each in probed])
        return attached

    return steps()


def _forget(group: str) -> Steps[None]:
    # A page that has gone elsewhere has forgotten already.
    with suppress(Exception):
        yield "Runtime.releaseObjectGroup", {"objectGroup": group}


def _announced(world: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
    """Listen in every frame of the target for the element, have it announced, and return it as a node."""
    name = secrets.token_hex(16)
    search = yield from call("listen", world, name)
    if not (yield ANNOUNCE, name):
        raise AttachError("the element is not an HTML element of a page that is shown; find the <input type=file>")
    found = yield from call("announced", {"objectId": search})
    if found is None:
        raise AttachError(
            "the browser did not tell which element it is: the page has overridden dispatchEvent, or its frame went "
            "elsewhere; find the element again"
        )
    return {"objectId": found}


def _in_our_world(node: Mapping[str, Any], world: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
    # Not nodeId: one that is out of date can crash the page.
    handle = {key: node[key] for key in ("objectId", "backendNodeId") if key in node}
    if not handle:
        raise AttachError("the node has neither an objectId nor a backendNodeId; is there such an element?")
    described = yield "DOM.describeNode", handle
    resolved = yield "DOM.resolveNode", {"backendNodeId": described["node"]["backendNodeId"], **world}
    return {"objectId": resolved["object"]["objectId"], "objectGroup": world["objectGroup"]}


def _probe(wanted: Sequence[RemoteFile], world: Mapping[str, Any]) -> Steps[Any]:
    """Return what the browser makes of the paths, in an input of ours."""
    probe = {"objectId": (yield from call("probe", world))}
    yield _choose(wanted, probe)
    digests = [file.sha256 is not None for file in wanted]
    return (yield from call("read", probe, digests, DIGEST_LIMIT, by_value=True))


def _hand_over(wanted: Sequence[RemoteFile], element: Mapping[str, Any], probed: Sequence[Any]) -> Steps[Any]:
    """Give the page the files, and return the verdict on whether they are still those that were `probed`."""
    guard = {"objectId": (yield from call("guard", element, probed))}
    try:
        yield _choose(wanted, element)
    except Exception:
        with suppress(Exception):
            yield from call("verdict", guard, by_value=True)
        raise
    try:
        return (yield from call("verdict", guard, by_value=True))
    except Exception as error:
        if _PAGE_IS_GONE.search(str(error)):
            # It heard of the right files and left: the guard lets no other ones through.
            return {"right": True}
        raise


def _choose(files: Sequence[RemoteFile], element: Mapping[str, Any]) -> Command:
    return "DOM.setFileInputFiles", {"files": [file.path for file in files], "objectId": element["objectId"]}
