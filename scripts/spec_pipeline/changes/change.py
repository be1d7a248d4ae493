"""What a difference between two contracts is: where, what, how bad, and for whom."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any

__all__ = ["ABSENT", "Absent", "Area", "Change", "Impact", "Shift", "worst"]


class Absent(Enum):
    """The value of what is not there, which null is not."""

    ABSENT = "(absent)"


ABSENT = Absent.ABSENT


class Impact(IntEnum):
    """How bad a change is; the number is the exit status of `scripts/vendor`.

    WORDING: what is said about the contract, not what it is. COMPATIBLE: what worked before works on. BREAKING:
    something that worked, or was promised, does not or is not any more.
    """

    WORDING = 0
    COMPATIBLE = 1
    BREAKING = 2


class Shift(Enum):
    """What a change does to the set of values that may be sent."""

    NARROWER = "narrower"
    WIDER = "wider"
    OTHER = "other"


class Area(Enum):
    """The part of the contract that changed."""

    SERVER = "server"
    SECURITY = "security"
    OPERATION = "operation"
    REQUEST = "request"
    RESPONSE = "response"
    STATUS = "status"


_HIT = {
    (Area.SERVER, Impact.BREAKING): "wrapper: its default base URL points at a server that is not documented any more",
    (Area.SERVER, Impact.COMPATIBLE): "caller: may pass the other server as base_url",
    (
        Area.SECURITY,
        Impact.BREAKING,
    ): "wrapper: sends the key in a way that may be refused; local Anchor: checks the old way",
    (Area.SECURITY, Impact.COMPATIBLE): "caller: has another way in; what the wrapper sends still does",
    (Area.OPERATION, Impact.BREAKING): "wrapper: calls what is not there any more; local Anchor: serves the old one",
    (Area.OPERATION, Impact.COMPATIBLE): "wrapper: generated code changes; local Anchor: serves the old one until then",
    (Area.REQUEST, Impact.BREAKING): "wrapper: what it sends may be refused or misread; local Anchor: asks for the old",
    (
        Area.REQUEST,
        Impact.COMPATIBLE,
    ): "caller: could send what the wrapper does not offer; local Anchor: knows the old",
    (
        Area.RESPONSE,
        Impact.BREAKING,
    ): "wrapper and caller: read what may not be there; local Anchor: answers the old way",
    (Area.RESPONSE, Impact.COMPATIBLE): "local Anchor: answers the old way; caller: can rely on, or read, more",
    (
        Area.STATUS,
        Impact.BREAKING,
    ): "wrapper: takes this answer for an unexpected one; local Anchor: answers the old way",
    (Area.STATUS, Impact.COMPATIBLE): "caller: gets an error class by its status; local Anchor: answers the old way",
}


@dataclass(frozen=True)
class Change:
    """One difference.

    `pointer` is a JSON pointer into the new document, or into the old one for what is gone; both documents in the
    one layout. `what` says it in words. `old` and `new` are values or `ABSENT`. `inside` is the place in a
    component that did not change itself, but took another's place at `pointer`.
    """

    pointer: str
    old: Any
    new: Any
    impact: Impact
    what: str
    area: Area
    inside: str = ""

    @property
    def hit(self) -> str:
        """Who has to do something about it, in one line."""
        return _HIT.get((self.area, self.impact), "docs: nothing but words")

    def __str__(self) -> str:
        aside = f" (in {self.inside})" if self.inside else ""
        return f"{self.pointer}{aside}\n    {self.what}: {self._values()}\n    {self.hit}"

    def _values(self) -> str:
        if _whole_text(self.old) == _whole_text(self.new):
            return f"{_text(self.old)}, and what it refers to is another"
        return f"{_text(self.old)} -> {_text(self.new)}"


def worst(changes: list[Change]) -> Impact:
    return max((change.impact for change in changes), default=Impact.WORDING)


_LONGEST = 160


def _text(value: Any) -> str:
    text = _whole_text(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _whole_text(value: Any) -> str:
    return str(value.value) if isinstance(value, Absent) else json.dumps(value, ensure_ascii=False)
