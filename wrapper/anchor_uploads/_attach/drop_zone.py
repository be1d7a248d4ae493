"""Files onto an element that takes them as a person drops them: dragged there, over it, and let go.

https://chromedevtools.github.io/devtools-protocol/tot/Input/#method-dispatchDragEvent
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from math import dist, isfinite
from typing import Any

from attrs import Attribute, field, frozen

from anchor_uploads import AttachError
from anchor_uploads._attach.checks import Facts
from anchor_uploads._attach.expected import RemoteFile
from anchor_uploads._attach.handing import Verdict, settled
from anchor_uploads._attach.page import Command, Element, Steps, call, out_of_reach

DRAG = "Input.dispatchDragEvent"
Point = tuple[float, float]

_ROUNDS = 20
_BETWEEN = 50
"""Milliseconds between two looks at a page that moves, or that has not made up its mind."""
_OUTSIDE = (-100.0, -100.0)
_COPY_LINK_MOVE = 1 | 2 | 16
"""What a file manager offers a page to do with its files. A page that asks to move them would refuse "copy" alone."""


def _two_numbers(_zone: object, _attribute: Attribute[Any], value: Any) -> None:
    fits = isinstance(value, (tuple, list)) and len(value) == 2
    if value is not None and not (fits and all(isinstance(it, (int, float)) and isfinite(it) for it in value)):
        raise TypeError(f"position is {value!r}; pass two numbers, (x, y), in pixels of the element")


@frozen
class DropZone:
    """An element that takes files when they are dropped on it. position: in its own pixels; None is its middle."""

    position: Point | None = field(validator=_two_numbers)
    untouched = "Nothing was dropped."
    taken_back = "The page heard of no drop."

    def meant(self, element: Element) -> Steps[Element]:
        """Return the element itself."""
        yield from ()
        return element

    def check(self, facts: Facts, wanted: Sequence[RemoteFile]) -> None:
        """Raise `AttachError` unless these files can be dropped on the element."""
        if not facts["connected"]:
            raise AttachError(f"{facts['markup']} is no longer in the page; find it again")
        if facts["file"]:
            raise AttachError(
                f"{facts['markup']} is no drop zone but an input, for which there is attach, or set_input_files"
            )
        # Of files that are dragged together Chromium would tell the second one of a name as "report (1).pdf".
        for name, times in Counter(file.name for file in wanted).items():
            if times > 1:
                raise AttachError(
                    f"{name!r} is the name of {times} of the files, and the browser would give all but one of them "
                    "another name; drop them one after the other"
                )

    def check_types(self, facts: Facts, wanted: Sequence[RemoteFile], types: Sequence[str]) -> None:
        """A page says of no drop zone which types it takes; it tells so when it has the files."""

    def hand_over(
        self,
        facts: Facts,
        element: Element,
        wanted: Sequence[RemoteFile],
        probed: Sequence[Any],
        world: Mapping[str, Any],
    ) -> Steps[Verdict]:
        """Drag the files to the element and drop them there.

        Layouts move, and pages make up their minds: so the drag is where it should be, and wanted there, or it is
        taken there anew, or it leaves the page again.
        """
        point: Point = _OUTSIDE
        where: Mapping[str, bool] = {}
        verdict: Verdict = {}
        frames = yield from out_of_reach(world)
        guard = {"objectId": (yield from call("watch", element, probed, nodes=frames))}
        try:
            for _round in range(_ROUNDS):
                point = yield from self._point(facts, element)
                yield _drag("dragEnter", point, wanted)
                yield _drag("dragOver", point, wanted)
                where = yield from call("where", guard, by_value=True)
                if where["there"] and where["accepted"]:
                    verdict = yield from settled(_drag("drop", point, wanted), guard)
                    if verdict["came"]:
                        return verdict
                    guard = {"objectId": (yield from call("watch", element, probed, nodes=frames))}
                yield from call("wait", element, _BETWEEN, by_value=True)
            if verdict and not verdict["refused"]:
                raise AttachError(
                    f"{facts['markup']} moved each time that something was dropped on it; wait until it stands still"
                )
            raise AttachError((yield from _why(facts, where, guard, point)))
        except Exception:
            # A page that is still dragged over shows so, and what comes next is none of our guard's business.
            with suppress(Exception):
                yield _drag("dragOver", _OUTSIDE, wanted)
                yield from call("verdict", guard, by_value=True)
            raise

    def _point(self, facts: Facts, element: Element) -> Steps[Point]:
        width, height = yield from call("extent", element, by_value=True)
        if not width or not height:
            raise AttachError(f"{facts['markup']} is not shown, so nothing can be dropped on it; show it first")
        x, y = self.position or (width / 2, height / 2)
        if not (0 <= x <= width and 0 <= y <= height):
            raise AttachError(f"({x:g}, {y:g}) is not in {facts['markup']}, which is {width:g} by {height:g} pixels")
        handle = {"objectId": element["objectId"]}
        yield "DOM.scrollIntoViewIfNeeded", {**handle, "rect": {"x": x, "y": y, "width": 1, "height": 1}}
        quads = (yield "DOM.getContentQuads", handle)["quads"]
        return within(quads[0], x / width, y / height)


def within(quad: Sequence[float], right: float, down: float) -> Point:
    """Return the point that is so far from the left and from the top of a quad, as parts of its sides."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = zip(quad[::2], quad[1::2], strict=True)
    x = (1 - down) * ((1 - right) * x0 + right * x1) + down * ((1 - right) * x3 + right * x2)
    y = (1 - down) * ((1 - right) * y0 + right * y1) + down * ((1 - right) * y3 + right * y2)
    return x, y


def outward(point: Point, owner: Mapping[str, Any]) -> Point:
    """Return where a point of a frame lies in the page around it. owner: the box model of the frame's element."""
    border, content = owner["border"], owner["content"]
    # The frame's element may be scaled; its own pixels are those in which `width` and `height` are told.
    width = owner["width"] * dist(content[0:2], content[2:4]) / dist(border[0:2], border[2:4])
    height = owner["height"] * dist(content[0:2], content[6:8]) / dist(border[0:2], border[6:8])
    return within(content, point[0] / width, point[1] / height)


def _drag(kind: str, point: Point, files: Sequence[RemoteFile]) -> Command:
    data = {"items": [], "files": [file.path for file in files], "dragOperationsMask": _COPY_LINK_MOVE}
    return DRAG, {"type": kind, "x": point[0], "y": point[1], "data": data}


def _why(facts: Facts, where: Mapping[str, bool], guard: Mapping[str, Any], point: Point) -> Steps[str]:
    what = facts["markup"]
    met = yield from call("met", guard)
    found = met and (yield from call("inspect", {"objectId": met}, by_value=True))
    # An input takes them by its default action, so a page that wants them there accepts nothing.
    if found and found["file"] and not found["disabled"]:
        return (
            f"{found['markup']} lies over {what}, and is what takes files there; put them into it, with attach, or "
            "set_input_files"
        )
    if where["there"]:
        return (
            f"{what} does not take what is dropped on it: its page let the files be dragged over it and did not accept "
            "them (preventDefault on dragover). Find the element that does, or do first what makes it"
        )
    if not found:
        return (
            f"nothing heard of a drag to {what}, at ({point[0]:g}, {point[1]:g}): that is out of sight, or something "
            "stands in front of its frame"
        )
    return (
        f"{found['markup']} stands in front of {what}; remove it, pass the position of a place that is free, or, if it "
        "takes the files and is there only while something is dragged, drop the files on the body"
    )
