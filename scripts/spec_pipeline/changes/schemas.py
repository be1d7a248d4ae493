"""What changed between two schemas, and for whom that is worse: who sends values by them, or who receives them.

In a request the schema says what may be sent: what narrows it breaks callers. In a response it says what may arrive:
what widens it breaks readers. Where that rule alone would mislead:

- a new optional property is compatible both ways, although a request's schema narrows by it and a response's widens;
- a removed property is breaking both ways: a caller sends, or a reader reads, what means nothing any more;
- a response that comes to allow undocumented properties is compatible, for a reader ignores those already;
- a ``default`` that changes or goes is breaking in a request (what is left out means something else now);
- ``format: binary`` coming or going is breaking both ways: it decides between a file and a text field;
- the alternatives of ``oneOf`` are taken to exclude each other, as their authors mean them to;
- a keyword that is not known here is breaking, since nobody has said which way it goes.

Why own code: `diff` says.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from openapi.pointers import place_of
from spec_pipeline.changes.change import ABSENT, Area, Change, Impact, Shift

__all__ = ["DEFAULTS", "Direction", "SchemaDiff", "equal"]


class Direction(Enum):
    REQUEST = Area.REQUEST
    RESPONSE = Area.RESPONSE


@dataclass(frozen=True)
class Located:
    """A value and where it stands. A schema's keywords may stand in several places, once references are followed.

    ``part`` tells what stands beside a reference from the whole schema, which has the same pointer.
    """

    value: Any
    pointer: str
    part: bool = False

    @property
    def identity(self) -> tuple[str, bool]:
        return self.pointer, self.part


Keywords: TypeAlias = "dict[str, Located]"

_WORDING = frozenset({"title", "description", "examples", "externalDocs", "$comment"})
_COMBINERS = ("allOf", "anyOf", "oneOf")
_LOWER = frozenset({"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"})
_UPPER = frozenset({"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"})
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
# Keywords that hold for a value or not: to have one is narrower than to have none.
_ASSERTIONS = frozenset({"format", "pattern", "multipleOf", "not", "items"})
_BYTES = ("binary", "byte")
# What a keyword says when it is not there.
DEFAULTS: dict[str, Any] = {
    "additionalProperties": True,
    "deprecated": False,
    "minItems": 0,
    "minLength": 0,
    "minProperties": 0,
    "readOnly": False,
    "required": [],
    "uniqueItems": False,
    "writeOnly": False,
}


def equal(one: Any, other: Any) -> bool:
    """Tell whether two values are equal as JSON Schema sees it: 1 is 1.0, and true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


@dataclass
class SchemaDiff:
    """Compares schemas of two documents, and reports what it finds with ``report``."""

    old_document: dict[str, Any]
    new_document: dict[str, Any]
    report: Callable[[Change], None]
    _compared: set[tuple[object, object, Direction]] = field(default_factory=set)

    def compare(self, old: Any, new: Any, *, old_at: str, new_at: str, direction: Direction) -> None:
        """Compare the schemas ``old`` and ``new``, which stand at these places."""
        _Comparison(self, direction).schemas(Located(old, old_at), Located(new, new_at))

    def seen(self, old: Located, new: Located, direction: Direction) -> bool:
        """Tell whether this pair was compared before, which ends a recursive schema; it counts as such from now on."""
        key = (old.identity, new.identity, direction)
        known = key in self._compared
        self._compared.add(key)
        return known


@dataclass(frozen=True)
class _Comparison:
    run: SchemaDiff
    direction: Direction

    def schemas(self, old: Located, new: Located) -> None:
        if self.run.seen(old, new, self.direction):
            return
        before = _keywords(old, self.run.old_document)
        after = _keywords(new, self.run.new_document)
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
        elif key in _COMBINERS and old and new:
            self._lists(key, old, new)
        elif key == "required":
            pass  # With the properties.
        elif key == "type":
            self._types(one, other, place)
        elif key == "enum":
            self._values(one, other, place)
        elif key == "not" and self._same_meaning(old, new):
            pass
        elif not equal(one, other):
            self._different(key, one, other, place)

    def _different(self, key: str, old: Any, new: Any, place: str) -> None:
        if key in _WORDING or key.startswith("x-"):
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
        old, new = _children(before.get("properties")), _children(after.get("properties"))
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
        gone, added = _items(old), _items(new)
        for same in (self._same_meaning, _same_name):
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

    def _same_meaning(self, old: Located | None, new: Located | None) -> bool:
        if old is None or new is None:
            return False
        return _meaning(old, self.run.old_document) == _meaning(new, self.run.new_document)

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
        self.run.report(Change(place, old, new, impact, what, self.direction.value))


def _shift(key: str, old: Any, new: Any) -> Shift:
    if key == "format" and (old in _BYTES or new in _BYTES):
        return Shift.OTHER
    if key in _LOWER or key in _UPPER:
        if old is ABSENT or new is ABSENT:
            return Shift.NARROWER if old is ABSENT else Shift.WIDER
        return Shift.NARROWER if (new > old) == (key in _LOWER) else Shift.WIDER
    if key == "uniqueItems":
        return Shift.NARROWER if new else Shift.WIDER
    if key in _ASSERTIONS or key in _COMBINERS:
        return Shift.NARROWER if old is ABSENT else Shift.WIDER if new is ABSENT else Shift.OTHER
    return Shift.OTHER


def _set_shift(before: frozenset[str], after: frozenset[str]) -> Shift:
    return Shift.NARROWER if after < before else Shift.WIDER if after > before else Shift.OTHER


def _types(value: Any) -> frozenset[str]:
    if value is ABSENT:
        return _TYPES
    types = frozenset([value] if isinstance(value, str) else value)
    # Every integer is a number.
    return types | {"integer"} if "number" in types else types


# Reading a schema -----------------------------------------------------------------------------------------------------


def _keywords(schema: Located, document: dict[str, Any], around: tuple[object, ...] = ()) -> Keywords:
    """Return the keywords of a schema with references followed, each with the place where it stands.

    What says the same with more words is written with fewer: ``const`` and ``example``, an ``allOf``, ``anyOf`` or
    ``oneOf`` of one, and a union of a schema with null.
    """
    value, pointer = schema.value, schema.pointer
    if not isinstance(value, dict):
        return {} if value is True else {"not": Located({}, pointer)}
    if schema.identity in around:
        return {}
    around = (*around, schema.identity)
    here = {key: Located(_meant_value(key, item), place_of(pointer, key)) for key, item in value.items()}
    target = _target(value, document)
    if target is not None:
        del here["$ref"]
        return _merged(_keywords(target, document, around), here, target, pointer)
    for key in _COMBINERS:
        parts = _items(here[key]) if key in here else []
        rest = [part for part in parts if part.value != {"type": "null"}]
        if len(rest) != 1 or (len(parts) > 1 and key == "allOf"):
            continue
        inner = _keywords(rest[0], document, around)
        if len(parts) > 1:
            if not _can_take_null(inner):
                continue
            inner = _with_null(inner)
        # Where there is nothing to choose from, nothing tells the alternatives apart.
        outer = {name: item for name, item in here.items() if name not in (key, "discriminator")}
        here = _merged(inner, outer, rest[0], pointer)
    for key, plural in (("const", "enum"), ("example", "examples")):
        if key in here:
            single = here.pop(key)
            here.setdefault(plural, Located([single.value], single.pointer))
    return here


def _meant_value(key: str, value: Any) -> Any:
    if key == "additionalProperties" and value == {}:
        return True
    if key == "discriminator" and isinstance(value, dict) and isinstance(value.get("mapping"), dict):
        # A bare name is as good as a reference there.
        names = {name: str(target).rpartition("/")[2] for name, target in value["mapping"].items()}
        return {**value, "mapping": names}
    return value


def _merged(inner: Keywords, outer: Keywords, whole: Located, pointer: str) -> Keywords:
    """Return both sets of keywords as one. What is said about a schema from outside replaces what it says itself."""
    clash = [key for key in outer if key in inner and key not in _WORDING | {"default", "deprecated"}]
    if not clash:
        return {**inner, **outer}
    # Both hold: nothing can replace anything, so they stay two parts.
    rest = {key: item.value for key, item in outer.items()}
    return {"allOf": Located([whole, Located(rest, pointer, part=True)], pointer)}


def _target(value: dict[str, Any], document: dict[str, Any]) -> Located | None:
    """Return the schema that ``value`` refers to, at the end of a chain; None if it is no reference."""
    target, seen = None, set()
    while isinstance(value, dict) and "$ref" in value and value["$ref"] not in seen:
        seen.add(value["$ref"])
        name = str(value["$ref"]).rpartition("/")[2].replace("~1", "/").replace("~0", "~")
        target = Located(document["components"]["schemas"][name], place_of("/components/schemas", name))
        if not isinstance(target.value, dict) or len(target.value) > 1:
            break
        value = target.value
    return target


def _can_take_null(keywords: Keywords) -> bool:
    return "type" in keywords and not any(key in keywords for key in (*_COMBINERS, "not"))


def _with_null(keywords: Keywords) -> Keywords:
    kinds = keywords["type"].value
    result = {
        **keywords,
        "type": Located([*([kinds] if isinstance(kinds, str) else kinds), "null"], keywords["type"].pointer),
    }
    if "enum" in keywords and None not in keywords["enum"].value:
        result["enum"] = Located([*keywords["enum"].value, None], keywords["enum"].pointer)
    return result


def _only_combiner(keywords: Keywords) -> str:
    """Return the keyword that combines schemas if the schema is nothing but that, and an empty string otherwise."""
    beside = _WORDING | {"discriminator"}
    meant = [key for key in keywords if key not in beside and not key.startswith("x-")]
    return meant[0] if len(meant) == 1 and meant[0] in _COMBINERS else ""


def _children(properties: Located | None) -> dict[str, Located]:
    if properties is None:
        return {}
    return {name: Located(item, place_of(properties.pointer, name)) for name, item in properties.value.items()}


def _items(parts: Located) -> list[Located]:
    return [
        part if isinstance(part, Located) else Located(part, place_of(parts.pointer, index))
        for index, part in enumerate(parts.value)
    ]


def _names(keywords: Keywords) -> frozenset[str]:
    required = keywords.get("required")
    return frozenset(required.value) if required else frozenset()


def _same_name(old: Located, new: Located) -> bool:
    one, other = (item.value.get("$ref") if isinstance(item.value, dict) else None for item in (old, new))
    return one is not None and one == other


def _meaning(schema: Located, document: dict[str, Any]) -> str:
    """Return a text that is the same for schemas that mean the same, however they are worded and ordered."""
    return _as_text(_meant(schema, document, ()))


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _meant(schema: Located, document: dict[str, Any], around: tuple[object, ...]) -> Any:
    if schema.identity in around:
        return {"the same as above": len(around) - around.index(schema.identity)}
    around = (*around, schema.identity)
    keywords = _keywords(schema, document)
    return {key: item for key, item in _meant_keywords(keywords, document, around) if item != DEFAULTS.get(key)}


def _meant_keywords(
    keywords: Keywords, document: dict[str, Any], around: tuple[object, ...]
) -> Iterator[tuple[str, Any]]:
    for key, item in keywords.items():
        if key in _WORDING or key.startswith("x-"):
            continue
        if key == "properties":
            yield key, {name: _meant(part, document, around) for name, part in _children(item).items()}
        elif key in _COMBINERS:
            yield key, sorted((_meant(part, document, around) for part in _items(item)), key=_as_text)
        elif key in ("items", "not") or (key == "additionalProperties" and isinstance(item.value, dict)):
            yield key, _meant(item, document, around)
        elif key == "type":
            yield key, sorted(_types(item.value))
        elif key in ("enum", "required"):
            yield key, sorted(item.value, key=_as_text)
        else:
            yield key, item.value
