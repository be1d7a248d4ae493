"""Reading a schema so that what means the same reads the same, each keyword with the place where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from openapi.document import Node
from openapi.pointers import place_of, steps

__all__ = [
    "COMBINERS",
    "DEFAULTS",
    "WORDS",
    "Keywords",
    "Located",
    "Reader",
    "children",
    "equal",
    "items",
    "means_nothing",
]

COMBINERS = ("allOf", "anyOf", "oneOf")
# What no value is held to. Nothing refers to `$defs` and `$id` here: references lead to components.
WORDS = frozenset(
    ("title", "description", "examples", "externalDocs", "xml", "$comment", "$defs", "$id", "$anchor", "$schema")
)
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
# What the parts of an `allOf` can say, and what can stand beside it, for them to say the same as one schema.
_JOINED = frozenset({"type", "properties", "required"})
_BESIDE = frozenset({"allOf", "default", "deprecated", "readOnly", "writeOnly"})
_SCHEMAS = "/components/schemas"


def equal(one: Any, other: Any) -> bool:
    """Tell whether two values are equal as JSON Schema sees it: 1 is 1.0, and true is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(equal(item, other[key]) for key, item in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(equal, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def means_nothing(key: str) -> bool:
    return key in WORDS or key.startswith("x-")


@dataclass(frozen=True)
class Located:
    """A value and where it stands. A schema's keywords may stand in several places, once references are followed.

    `part` names the keywords of what is only a part of the schema that stands there.
    """

    value: Any
    pointer: str
    part: tuple[str, ...] = ()

    @property
    def identity(self) -> tuple[str, tuple[str, ...]]:
        return self.pointer, self.part

    @property
    def component(self) -> str | None:
        """The name of the component that it refers to; None if it is no reference."""
        reference = self.value.get("$ref") if isinstance(self.value, dict) else None
        return steps(str(reference))[-1] if reference is not None else None


Keywords: TypeAlias = "dict[str, Located]"


@dataclass
class Reader:
    """Reads the schemas of one document, in the one layout; each of them once."""

    document: Node
    _read: dict[tuple[str, tuple[str, ...]], Keywords] = field(default_factory=dict)

    def has(self, component: str) -> bool:
        return component in self.document["components"].get("schemas", {})

    def named(self, component: str) -> Located:
        return Located(self.document["components"]["schemas"][component], place_of(_SCHEMAS, component))

    def mapped(self, target: str) -> Located:
        """Return the schema that a discriminator's mapping names; a bare name is as good as a reference there."""
        return self.named(steps(target)[-1] if "/" in target else target)

    def keywords(self, schema: Located) -> Keywords:
        """Return the keywords of a schema with references followed.

        What says the same with more words is written with fewer: `const` and `example`; an `allOf`, `anyOf` or
        `oneOf` of one; a union of a schema with null, or of types; an `allOf` of objects.
        """
        key = schema.identity
        if key not in self._read:
            # Of a schema that is a part of itself without anything in between: nothing holds of it.
            self._read[key] = {}
            self._read[key] = self._keywords(schema)
        return self._read[key]

    def _keywords(self, schema: Located) -> Keywords:
        value, pointer = schema.value, schema.pointer
        if not isinstance(value, dict):
            return {} if value is True else {"not": Located({}, pointer, part=("not",))}
        here = {key: Located(_meant_value(key, item), place_of(pointer, key)) for key, item in value.items()}
        if "const" in here:
            here["enum"] = _narrowed(here.pop("const"), here.get("enum"))
        if "example" in here:
            example = here.pop("example")
            here.setdefault("examples", Located([example.value], example.pointer))
        if (target := self._target(schema)) is not None:
            del here["$ref"]
            return _merged(self.keywords(target), here, target, pointer)
        if isinstance(value.get("discriminator"), dict):
            here["discriminator"] = _with_implied_names(here)
        for key in COMBINERS:
            if key in here:
                here = self._combined(key, here, pointer)
        if "allOf" in here:
            here = self._joined(here)
        return here

    def _target(self, schema: Located) -> Located | None:
        """Return the schema that `schema` refers to, at the end of a chain; None if it is no reference."""
        target, seen = None, set()
        while (name := (target or schema).component) is not None and name not in seen:
            seen.add(name)
            target = self.named(name)
            if not isinstance(target.value, dict) or len(target.value) > 1:
                break
        return target

    def _combined(self, key: str, here: Keywords, pointer: str) -> Keywords:
        """Write a combination of one, of types, or of one and null without combining anything."""
        parts = items(here[key])
        # Where there is nothing to choose from, nothing tells the alternatives apart.
        outer = {name: item for name, item in here.items() if name not in (key, "discriminator")}
        rest = [part for part in parts if part.value != {"type": "null"}]
        if len(rest) == 1 and (len(parts) == 1 or key != "allOf"):
            inner = self.keywords(rest[0])
            if len(parts) == 1:
                return _merged(inner, outer, rest[0], pointer)
            if _can_take_null(inner):
                return _merged(_with_null(inner), outer, rest[0], pointer)
        elif key != "allOf" and not {"type", "discriminator"} & here.keys() and (types := self._types(parts, key)):
            return {"type": Located(types, here[key].pointer), **outer}
        return here

    def _types(self, parts: list[Located], combiner: str) -> list[str]:
        """Return the types that the `parts` name, if they do nothing else, and `oneOf` lets each of them hold."""
        types: list[str] = []
        for part in parts:
            keywords = self.keywords(part)
            if [name for name in keywords if not means_nothing(name)] != ["type"]:
                return []
            held = keywords["type"].value
            types += [held] if isinstance(held, str) else held
        overlap = len(set(types)) < len(types) or {"integer", "number"} <= set(types)
        return [] if len(parts) < 2 or (combiner == "oneOf" and overlap) else list(dict.fromkeys(types))

    def _joined(self, here: Keywords) -> Keywords:
        """Write an `allOf` of several objects as one object, if nothing that they say contradicts anything."""
        properties: dict[str, Located] = {}
        required: dict[str, str] = {}
        types: list[Located] = []
        at: dict[str, Located] = {}
        own = {key: item for key, item in here.items() if key not in _BESIDE}
        for keywords in (*map(self.keywords, items(here["allOf"])), own):
            if not all(key in _JOINED or means_nothing(key) for key in keywords):
                return here
            for name, child in children(keywords.get("properties")).items():
                if name in properties and not equal(properties[name].value, child.value):
                    return here
                properties.setdefault(name, child)
            if "required" in keywords:
                required = {**dict.fromkeys(keywords["required"].value, keywords["required"].pointer), **required}
            if "type" in keywords:
                types.append(keywords["type"])
            at = {**keywords, **at}
        if any(not equal(held.value, types[0].value) for held in types) or not properties:
            return here
        result = {key: item for key, item in here.items() if key != "allOf"}
        if types:
            result["type"] = types[0]
        result["properties"] = Located(properties, at["properties"].pointer)
        if required:
            places = set(required.values())
            result["required"] = Located(list(required), places.pop() if len(places) == 1 else here["allOf"].pointer)
        return result


def children(properties: Located | None) -> dict[str, Located]:
    return dict(_placed(properties.value.items(), properties.pointer)) if properties else {}


def items(parts: Located) -> list[Located]:
    return [part for _, part in _placed(enumerate(parts.value), parts.pointer)]


def _placed(members: Any, pointer: str) -> Iterator[tuple[Any, Located]]:
    for key, item in members:
        yield key, item if isinstance(item, Located) else Located(item, place_of(pointer, key))


def _meant_value(key: str, value: Any) -> Any:
    return True if key == "additionalProperties" and value == {} else value


def _narrowed(const: Located, enum: Located | None) -> Located:
    """Return the values that both allow, where `const` stands."""
    allowed = enum is None or any(equal(const.value, value) for value in enum.value)
    return Located([const.value] if allowed else [], const.pointer)


def _with_implied_names(here: Keywords) -> Located:
    """Return the discriminator with all names in its mapping: an alternative that is not mapped goes by its own."""
    said = here["discriminator"]
    mapping = dict(said.value.get("mapping", {}))
    mapped = {str(target).rpartition("/")[2] for target in mapping.values()}
    for key in ("oneOf", "anyOf"):
        for part in items(here[key]) if key in here else []:
            if part.component is not None and part.component not in mapped:
                mapping.setdefault(part.component, part.component)
    return Located({**said.value, "mapping": mapping}, said.pointer)


def _merged(inner: Keywords, outer: Keywords, whole: Located, pointer: str) -> Keywords:
    """Return both sets of keywords as one. What is said about a schema from outside replaces what it says itself."""
    clash = [key for key in outer if key in inner and not means_nothing(key) and key not in ("default", "deprecated")]
    if not clash:
        return {**inner, **outer}
    # Both hold: nothing can replace anything, so they stay two parts.
    rest = {key: item.value for key, item in outer.items()}
    return {"allOf": Located([whole, Located(rest, pointer, part=tuple(rest))], pointer)}


def _can_take_null(keywords: Keywords) -> bool:
    return "type" in keywords and not any(key in keywords for key in (*COMBINERS, "not"))


def _with_null(keywords: Keywords) -> Keywords:
    kinds = keywords["type"].value
    result = {
        **keywords,
        "type": Located([*([kinds] if isinstance(kinds, str) else kinds), "null"], keywords["type"].pointer),
    }
    if "enum" in keywords and None not in keywords["enum"].value:
        result["enum"] = Located([*keywords["enum"].value, None], keywords["enum"].pointer)
    return result
