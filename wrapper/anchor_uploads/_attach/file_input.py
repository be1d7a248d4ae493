"""Files into an `<input type=file>`.

https://chromedevtools.github.io/devtools-protocol/tot/DOM/#method-setFileInputFiles
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from anchor_uploads._attach.checks import Facts, check_accept, check_input
from anchor_uploads._attach.expected import RemoteFile
from anchor_uploads._attach.handing import Verdict, settled
from anchor_uploads._attach.page import Command, Element, Steps, call


@frozen
class FileInput:
    """An `<input type=file>`.

    ignore_accept: attach even what its `accept` does not allow. detached_ok: it need not be in the document.
    """

    ignore_accept: bool
    detached_ok: bool
    untouched = "The input was not touched."
    taken_back = "The input is empty now."

    def meant(self, element: Element) -> Steps[Element]:
        """Return the input that a click on the element would open: a label has one."""
        control = yield from call("control", element)
        return element if control is None else {**element, "objectId": control}

    def check(self, facts: Facts, wanted: Sequence[RemoteFile]) -> None:
        """Raise `AttachError` unless a person could choose so many files with it."""
        check_input(facts, len(wanted), detached_ok=self.detached_ok)

    def check_types(self, facts: Facts, wanted: Sequence[RemoteFile], types: Sequence[str]) -> None:
        """Raise `AttachError` unless its `accept` allows the files."""
        if not self.ignore_accept:
            check_accept(facts, wanted, types)

    def hand_over(
        self,
        _facts: Facts,
        element: Element,
        wanted: Sequence[RemoteFile],
        probed: Sequence[Any],
        _world: Mapping[str, Any],
    ) -> Steps[Verdict]:
        """Give the page's own input the files."""
        guard = {"objectId": (yield from call("guard", element, probed))}
        return (yield from settled(choose(wanted, element), guard))


def choose(files: Sequence[RemoteFile], element: Element) -> Command:
    """Return the command that puts files into an input."""
    return "DOM.setFileInputFiles", {"files": [file.path for file in files], "objectId": element["objectId"]}
