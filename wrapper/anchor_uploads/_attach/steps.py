"""The steps by which a page gets files that are on its browser's machine: probe, compare, hand over."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any, Protocol

from anchor_uploads import AttachError
from anchor_uploads._attach.checks import Facts, compare
from anchor_uploads._attach.expected import Attachable, AttachedFile, RemoteFile, remote_files, warn_of_replaced
from anchor_uploads._attach.file_input import choose
from anchor_uploads._attach.handing import Verdict
from anchor_uploads._attach.page import ANNOUNCE, Element, Steps, call, our_world, out_of_reach

ANNOUNCED: Mapping[str, Any] = {}
"""Stands for a node that is not known over CDP; one of the steps is then to `ANNOUNCE` it."""
DIGEST_LIMIT = 256 * 1024 * 1024
"""Bytes up to which a page hashes a file: `crypto.subtle` takes it whole, and so holds it in the page's memory."""


class Way(Protocol):
    """How an element takes files: `FileInput` and `DropZone`.

    untouched and taken_back: what has become of the page if the files are not right before and after it was to get
    them.
    """

    @property
    def untouched(self) -> str: ...
    @property
    def taken_back(self) -> str: ...
    def meant(self, element: Element) -> Steps[Element]: ...
    def check(self, facts: Facts, wanted: Sequence[RemoteFile], /) -> None: ...
    def check_types(self, facts: Facts, wanted: Sequence[RemoteFile], types: Sequence[str], /) -> None: ...
    def hand_over(
        self,
        facts: Facts,
        element: Element,
        wanted: Sequence[RemoteFile],
        probed: Sequence[Any],
        world: Mapping[str, Any],
        /,
    ) -> Steps[Verdict]: ...


def into_page(
    files: Sequence[Attachable | Sequence[Attachable]], node: Mapping[str, Any], way: Way
) -> Steps[tuple[AttachedFile, ...]]:
    """Return the steps of `anchor_uploads.cdp.set_input_files` and `drop_files`.

    Raises `AttachError` at once, before anything is waited for, if `files` cannot be right.
    """
    each_file = tuple(chain.from_iterable(file if isinstance(file, Sequence) else (file,) for file in files))
    wanted = remote_files(each_file)

    def steps() -> Steps[tuple[AttachedFile, ...]]:
        group = f"anchor-uploads-{secrets.token_hex(8)}"
        try:
            world = {"executionContextId": (yield from our_world()), "objectGroup": group}
            found = (yield from _announced(world)) if node is ANNOUNCED else node
            element = yield from way.meant((yield from _in_our_world(found, world)))
            facts = yield from call("inspect", element, by_value=True)
            way.check(facts, wanted)
            probed = yield from _probe(wanted, world)
            attached = compare(facts, wanted, probed, way.untouched)
            way.check_types(facts, wanted, [each["type"] for each in probed])
            verdict = yield from way.hand_over(facts, element, wanted, probed, world)
            if not verdict["right"]:
                compare(facts, wanted, verdict["found"], way.taken_back, changed=True)
        except Exception:
            yield from _forget(group)
            raise
        yield from _forget(group)
        warn_of_replaced(each_file, [each["modified"] for each in probed])
        return attached

    return steps()


def _forget(group: str) -> Steps[None]:
    # A page that has gone elsewhere has forgotten already.
    with suppress(Exception):
        yield "Runtime.releaseObjectGroup", {"objectGroup": group}


def _announced(world: Mapping[str, Any]) -> Steps[Mapping[str, Any]]:
    """Listen in every frame of the target for the element, have it announced, and return it as a node."""
    found = yield from _heard(world, [])
    if found is None and (frames := (yield from out_of_reach(world))):
        found = yield from _heard(world, frames)
    if found is None:
        raise AttachError(
            "the browser did not tell which element it is: the page has overridden dispatchEvent, or its frame went "
            "elsewhere; find the element again"
        )
    return {"objectId": found}


def _heard(world: Mapping[str, Any], frames: Sequence[str]) -> Steps[str | None]:
    name = secrets.token_hex(16)
    search = yield from call("listen", world, name, nodes=frames)
    if not (yield ANNOUNCE, name):
        raise AttachError("the element is not an HTML element of a page that is shown; find another")
    found: str | None = yield from call("announced", {"objectId": search})
    return found


def _in_our_world(node: Mapping[str, Any], world: Mapping[str, Any]) -> Steps[Element]:
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
    yield choose(wanted, probe)
    digests = [file.sha256 is not None for file in wanted]
    return (yield from call("read", probe, digests, DIGEST_LIMIT, by_value=True))
