"""What changed between two schemas, and for whom that is worse: who sends values by them, or who receives them.

In a request the schema says what may be sent: what narrows it breaks callers. In a response it says what may arrive:
what widens it breaks readers. Where that rule alone would mislead:

- a new optional property is compatible both ways, although a request's schema narrows by it and a response's widens;
- a removed property is breaking both ways: a caller sends, or a reader reads, what means nothing any more;
- a response that comes to allow undocumented properties is compatible, for a reader ignores those already;
- a `default` that changes or goes is breaking in a request (what is left out means something else now);
- `format: binary` coming or going is breaking both ways: it decides between a file and a text field;
- the alternatives of `oneOf` are taken to exclude each other, as their authors mean them to;
- a keyword that is not known here is breaking, since nobody has said which way it goes; where it holds schemas, it
  changes with what they mean, be it behind a reference.

Why own code: `diff` says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from fractions import Fraction
from typing import Any

from openapi.document import Node
from openapi.pointers import place_of
from openapi.spelling import member
from spec_pipeline.changes.change import ABSENT, Area, Change, Impact, Shift
from spec_pipeline.changes.keywords import (
    COMBINERS,
    DEFAULTS,
    Keywords,
    Located,
    Reader,
    children,
    equal,
    items,
    means_nothing,
)
from spec_pipeline.changes.meaning import Meaning

__all__ = ["Direction", "SchemaDiff"]


class Direction(Enum):
    REQUEST = Area.REQUEST
    RESPONSE = Area.RESPONSE


_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
# Keywords that hold for a value or not: to have one is narrower than to have none.
_ASSERTIONS = frozenset({"format", "pattern", "multipleOf", "not", "items"})
_BYTES = ("binary", "byte")


@dataclass
class SchemaDiff:
    """Compares schemas of two documents, and reports what it finds with `report`."""

    old_document: Node
    new_document: Node
    report: Callable[[Change], None]
    _compared: set[tuple[object, ...]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.old, self.new = Reader(self.old_document), Reader(self.new_document)
        self.meaning = Meaning(self.old, self.new)
        self.wording = Meaning(self.old, self.new, words=True)

    def compare(self, old: Any, new: Any, *, old_at: str, new_at: str, direction: Direction) -> None:
        """Compare the schemas `old` and `new`, which stand at these places."""
        _Comparison(self, direction).schemas(Located(old, old_at), Located(new, new_at))

    def seen(self, *compared: object) -> bool:
        """Tell whether this was compared before, which ends a recursive schema; it counts as such from now on."""
        known = compared in self._compared
        self._compared.add(compared)
        return known

    def swapped(self, old: Located, new: Located) -> bool:
        """Tell whether `new` refers to another component than `old`, and not to one that was renamed."""
        one, other = old.component, new.component
        return other is not None and one != other and (self.old.has(other) or one is None or self.new.has(one))


@dataclass(frozen=True)
class _Comparison:
    """`at` is the place of use where one component took another's place: what differs is told there."""

    run: SchemaDiff
    direction: Direction
    at: str | None = None

    def schemas(self, old: Located, new: Located) -> None:
        at = self._place_of_use(old, new)
        if not self.run.seen(old.identity, new.identity, self.direction, at):
            replace(self, at=at)._schemas(old, new)

    def _place_of_use(self, old: Located, new: Located) -> str | None:
        if old.component is not None and old.component == new.component:
            return None
        return new.pointer if self.at is None and self.run.swapped(old, new) else self.at

    def _schemas(self, old: Located, new: Located) -> None:
        before, after = self.run.old.keywords(old), self.run.new.keywords(new)
        if self._lone_and_combined(before, after, old, new):
            return
        self._properties(before, after, new.pointer)
        for key in dict.fromkeys((*before, *after)):
            one, other = before.get(key), after.get(key)
            if key != "properties":
                place = other.pointer if other else one.pointer if one else new.pointer
                self._keyword(key, one, other, place)

    # One keyword ----------------------------------------------------------------------------------------------------

    def _keyword(self, key: str, old: Located | None, new: Located | None, place: str) -> None:
        one = old.value if old else DEFAULTS.get(key, ABSENT)
        other = new.value if new else DEFAULTS.get(key, ABSENT)
        if key == "items" and old and new:
            self.schemas(old, new)
        elif key == "additionalProperties":
            self._additional_properties(old, new, place)
        elif key in COMBINERS and old and new:
            self._lists(key, old, new)
        elif key == "required":
            pass  # With the properties.
        elif key == "type":
            self._types(one, other, place)
        elif key == "enum":
            self._values(one, other, place)
        elif key == "discriminator":
            self._discriminator(old, new, place)
        elif old and new and member("schema", key)[0] and not means_nothing(key):
            self._held(key, old, new)
        elif not equal(one, other):
            self._different(key, one, other, place)

    def _different(self, key: str, old: Any, new: Any, place: str) -> None:
        if means_nothing(key):
            self._say(place, old, new, Impact.WORDING, key)
        elif key == "deprecated":
            self._say(place, old, new, Impact.COMPATIBLE, key)
        elif key in ("readOnly", "writeOnly"):
            here = (key == "readOnly") == (self.direction is Direction.REQUEST)
            impact = (Impact.BREAKING if new else Impact.COMPATIBLE) if here else Impact.WORDING
            self._say(place, old, new, impact, key)
        elif key == "default":
            breaking = self.direction is Direction.REQUEST and old is not ABSENT
            self._say(place, old, new, Impact.BREAKING if breaking else Impact.COMPATIBLE, key)
        else:
            self._shifted(place, old, new, _shift(key, old, new), key)

    def _held(self, key: str, old: Located, new: Located) -> None:
        """Compare the schemas that a keyword holds, where nobody has said which way a change of them goes."""
        if not self.run.meaning.alike("schema", key, old, new):
            self._shifted(new.pointer, old.value, new.value, Shift.OTHER, key)
        elif not self.run.wording.alike("schema", key, old, new):
            self._say(new.pointer, old.value, new.value, Impact.WORDING, key)

    def _types(self, old: Any, new: Any, place: str) -> None:
        before, after = _types(old), _types(new)
        if before != after:
            self._shifted(place, old, new, _set_shift(before, after), "type")

    def _values(self, old: Any, new: Any, place: str) -> None:
        if old is ABSENT or new is ABSENT:
            self._shifted(place, old, new, Shift.NARROWER if old is ABSENT else Shift.WIDER, "enum")
            return
        gone = [item for item in old if not any(equal(item, other) for other in new)]
        added = [item for item in new if not any(equal(item, other) for other in old)]
        if gone or added:
            shift = Shift.OTHER if gone and added else Shift.NARROWER if gone else Shift.WIDER
            self._shifted(place, old, new, shift, "enum")

    # Properties -----------------------------------------------------------------------------------------------------

    def _properties(self, before: Keywords, after: Keywords, place: str) -> None:
        old, new = children(before.get("properties")), children(after.get("properties"))
        was_required, is_required = _names(before), _names(after)
        request = self.direction is Direction.REQUEST
        for name in dict.fromkeys((*old, *new, *was_required, *is_required)):
            one, other = old.get(name), new.get(name)
            if one and not other:
                self._say(one.pointer, one.value, ABSENT, Impact.BREAKING, f"property {name!r} is gone")
                continue
            if other and not one:
                required = name in is_required - was_required
                impact = Impact.BREAKING if request and required else Impact.COMPATIBLE
                words = f"new {'required' if required else 'optional'} property {name!r}"
                self._say(other.pointer, ABSENT, other.value, impact, words)
                continue
            if one and other:
                self.schemas(one, other)
            if (name in was_required) != (name in is_required):
                now = name in is_required
                at = after.get("required") or before.get("required")
                self._shifted(
                    at.pointer if at else place_of(place, "required"),
                    sorted(was_required),
                    sorted(is_required),
                    Shift.NARROWER if now else Shift.WIDER,
                    f"{name!r} is {'now' if now else 'no longer'} required",
                )

    def _additional_properties(self, old: Located | None, new: Located | None, place: str) -> None:
        one, other = (True if item is None or item.value == {} else item.value for item in (old, new))
        if isinstance(one, dict) and isinstance(other, dict) and old and new:
            self.schemas(old, new)
        elif not equal(one, other):
            narrower = one is True or other is False
            self._shifted(place, one, other, Shift.NARROWER if narrower else Shift.WIDER, "additionalProperties")

    # Combinations ---------------------------------------------------------------------------------------------------

    def _lone_and_combined(self, before: Keywords, after: Keywords, old: Located, new: Located) -> bool:
        """Compare a lone schema with a combination of several; tell whether that was the case."""
        one, other = _only_combiner(before), _only_combiner(after)
        if not one and other:
            self._lists(other, Located([old], old.pointer), after[other])
        elif one and not other:
            self._lists(one, before[one], Located([new], new.pointer))
        else:
            return False
        return True

    def _lists(self, key: str, old: Located, new: Located) -> None:
        gone, added = items(old), items(new)
        for same in (self.run.meaning.same, _same_component):
            for one in list(gone):
                match = next((other for other in added if same(one, other)), None)
                if match:
                    gone.remove(one)
                    added.remove(match)
                    self.schemas(one, match)
        while gone and added:
            self.schemas(gone.pop(0), added.pop(0))
        for one in gone:
            shift = Shift.WIDER if key == "allOf" else Shift.NARROWER
            self._shifted(one.pointer, one.value, ABSENT, shift, f"a part of {key} is gone")
        for other in added:
            shift = Shift.NARROWER if key == "allOf" else Shift.WIDER
            self._shifted(other.pointer, ABSENT, other.value, shift, f"a new part of {key}")

    def _discriminator(self, old: Located | None, new: Located | None, place: str) -> None:
        one, other = (held.value if held else {} for held in (old, new))
        if one.get("propertyName") != other.get("propertyName"):
            self._different("discriminator", old.value if old else ABSENT, new.value if new else ABSENT, place)
            return
        before, after = one.get("mapping", {}), other.get("mapping", {})
        for name in dict.fromkeys((*before, *after)):
            if name in before and name in after:
                self.schemas(self.run.old.mapped(before[name]), self.run.new.mapped(after[name]))
                continue
            shift = Shift.WIDER if name in after else Shift.NARROWER
            what = f"discriminator, {name!r}"
            self._shifted(place, before.get(name, ABSENT), after.get(name, ABSENT), shift, what)

    # Reporting ------------------------------------------------------------------------------------------------------

    def _shifted(self, place: str, old: Any, new: Any, shift: Shift, what: str) -> None:
        request = self.direction is Direction.REQUEST
        if what == "additionalProperties" and not request and shift is Shift.WIDER and new is True:
            impact = Impact.COMPATIBLE
        elif shift is Shift.OTHER or (shift is Shift.NARROWER) == request:
            impact = Impact.BREAKING
        else:
            impact = Impact.COMPATIBLE
        self._say(place, old, new, impact, what)

    def _say(self, place: str, old: Any, new: Any, impact: Impact, what: str) -> None:
        area = self.direction.value
        if self.at is None or place.startswith(self.at):
            self.run.report(Change(place, old, new, impact, what, area))
        else:
            self.run.report(Change(self.at, old, new, impact, what, area, inside=place))


def _shift(key: str, old: Any, new: Any) -> Shift:
    if key == "format" and (old in _BYTES or new in _BYTES):
        return Shift.OTHER
    if ABSENT in (old, new) and key in (*_LOWER, *_UPPER, *_ASSERTIONS, *COMBINERS):
        return Shift.NARROWER if old is ABSENT else Shift.WIDER
    if key in _LOWER or key in _UPPER:
        return Shift.NARROWER if (new > old) == (key in _LOWER) else Shift.WIDER
    if key == "multipleOf":
        return Shift.NARROWER if _divides(old, new) else Shift.WIDER if _divides(new, old) else Shift.OTHER
    if key == "uniqueItems":
        return Shift.NARROWER if new else Shift.WIDER
    return Shift.OTHER


def _set_shift(before: frozenset[str], after: frozenset[str]) -> Shift:
    return Shift.NARROWER if after < before else Shift.WIDER if after > before else Shift.OTHER


def _types(value: Any) -> frozenset[str]:
    if value is ABSENT:
        return _TYPES
    types = frozenset([value] if isinstance(value, str) else value)
    # Every integer is a number.
    return types | {"integer"} if "number" in types else types


def _divides(divisor: float, number: float) -> bool:
    # Exact, as authors write them: 0.1 divides 0.3.
    return Fraction(str(number)) % Fraction(str(divisor)) == 0


def _only_combiner(keywords: Keywords) -> str:
    """Return the keyword that combines schemas if the schema is nothing but that, and an empty string otherwise."""
    meant = [key for key in keywords if key != "discriminator" and not means_nothing(key)]
    return meant[0] if len(meant) == 1 and meant[0] in COMBINERS else ""


def _names(keywords: Keywords) -> frozenset[str]:
    required = keywords.get("required")
    return frozenset(required.value) if required else frozenset()


def _same_component(old: Located, new: Located) -> bool:
    return old.component is not None and old.component == new.component
