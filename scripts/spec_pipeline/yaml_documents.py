"""YAML in and out, with nothing left to the taste of a loader.

``load`` resolves plain scalars by the core schema of YAML 1.2.2 (§10.3) and by nothing else, so
that ``no`` is a word and ``2024-01-01`` is not a date. It works on ruamel's events rather than on
its constructors: those resolve timestamps and ``1_000`` beyond the core schema, and share one
object between an anchor and its aliases.

``dump`` writes what loaders of YAML 1.1 and 1.2 read alike.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml import events as ev
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.tag import Tag

from spec_pipeline.errors import SpecError

__all__ = ["dump", "load", "load_all"]

# A few nested aliases are enough to spell a document that no machine can hold, and a few thousand
# brackets one that Python cannot descend into. The largest published document has about 10 000
# nodes, 20 deep.
_MOST_NODES = 1_000_000
_DEEPEST = 100

_NULL = re.compile(r"null|Null|NULL|~|")
_TRUE = re.compile(r"true|True|TRUE")
_FALSE = re.compile(r"false|False|FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


def load(text: str, *, name: str, first_line: int = 1) -> object:
    """Read one YAML document into plain, unshared Python values.

    ``name`` and ``first_line`` say where the text comes from; they only serve the errors.

    Raises:
        SpecError: the text is not YAML, holds no document or several, a key twice, a key that is
            not a string, a tag, a merge key, an alias to nothing or to what surrounds it, a number
            JSON cannot hold, or is unreasonably deep or large. Its place is ``<name> line <n>``.
    """
    return _Reader(text, name, first_line).documents(single=True)[0]


def load_all(text: str, *, name: str) -> list[object]:
    """Read a stream of YAML documents, each as `load` does."""
    return _Reader(text, name, first_line=1).documents(single=False)


class _Reader:
    def __init__(self, text: str, name: str, first_line: int) -> None:
        self._events = _events(text)
        self._name = name
        self._first_line = first_line
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0
        self._depth = 0

    def documents(self, *, single: bool) -> list[object]:
        values: list[object] = []
        try:
            self._next()  # the start of the stream
            start = self._next()
            if not isinstance(start, ev.DocumentStartEvent):
                raise self._error(start, "there is no YAML document here")
            while isinstance(start, ev.DocumentStartEvent):
                if values and single:
                    raise self._error(start, "a second document starts here: keep one in each file")
                if start.version not in (None, (1, 2)):
                    raise self._error(start, "only YAML 1.2 is read here: drop the %YAML directive")
                self._anchors.clear()
                values.append(self._value(self._next()))
                self._next()  # the end of the document
                start = self._next()
            return values
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line if mark is not None else 0
            raise SpecError(f"not YAML: {error.problem or error.context}", self._place(line)) from error
        except YAMLError as error:
            raise SpecError(f"not YAML: {error}", self._name) from error

    def _next(self) -> Any:
        return next(self._events)

    def _place(self, line: int) -> str:
        return f"{self._name} line {line + self._first_line}"

    def _error(self, event: Any, message: str) -> SpecError:
        return SpecError(message, self._place(event.start_mark.line))

    def _value(self, event: Any) -> object:
        if isinstance(event, ev.AliasEvent):
            return self._aliased(event)
        if event.ctag is not None:
            raise self._error(event, f"the tag {event.ctag} is not read here: write the value without it")
        self._count(event, 1)
        before = self._nodes
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._error(event, f"nested more than {_DEEPEST} deep")
        value: object
        if isinstance(event, ev.ScalarEvent):
            value = self._scalar(event)
        elif isinstance(event, ev.SequenceStartEvent):
            value = self._sequence()
        else:
            value = self._mapping()
        self._depth -= 1
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, self._nodes - before + 1)
        return value

    def _aliased(self, event: Any) -> object:
        if event.anchor not in self._anchors:
            raise self._error(event, f"*{event.anchor} points at nothing that is complete before this line")
        value, nodes = self._anchors[event.anchor]
        self._count(event, nodes)
        return deepcopy(value)

    def _count(self, event: Any, nodes: int) -> None:
        self._nodes += nodes
        if self._nodes > _MOST_NODES:
            raise self._error(event, f"more than {_MOST_NODES} nodes, aliases written out")

    def _sequence(self) -> list[object]:
        items = []
        while not isinstance(event := self._next(), ev.SequenceEndEvent):
            items.append(self._value(event))
        return items

    def _mapping(self) -> dict[str, object]:
        items: dict[str, object] = {}
        lines: dict[str, int] = {}
        while not isinstance(event := self._next(), ev.MappingEndEvent):
            key = self._value(event)
            line = event.start_mark.line
            if not isinstance(key, str):
                raise self._error(event, f"the key {key!r} is not a string: quote it")
            if key == "<<" and event.style is None:
                raise self._error(event, "merge keys are not YAML 1.2: write the members out")
            if key in items:
                first = lines[key] + self._first_line
                raise self._error(event, f"the key {key!r} stands here and on line {first}")
            lines[key] = line
            items[key] = self._value(self._next())
        return items

    def _scalar(self, event: Any) -> object:
        text: str = event.value
        if event.style is not None:
            return text
        if _NULL.fullmatch(text):
            return None
        if _TRUE.fullmatch(text):
            return True
        if _FALSE.fullmatch(text):
            return False
        if _NOT_FINITE.fullmatch(text):
            raise self._error(event, f"JSON has no {text}: quote it if it is a word")
        for pattern, number in _NUMBERS:
            if pattern.fullmatch(text):
                try:
                    value = number(text)
                except ValueError as error:
                    raise self._error(event, f"a number too long to read: {error}") from error
                if not math.isfinite(value):
                    raise self._error(event, f"{text} is too large for a number: quote it")
                return value
        return text


_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], float]], ...] = (
    (_INTEGER, int),
    (_OCTAL, lambda text: int(text[2:], 8)),
    (_HEXADECIMAL, lambda text: int(text[2:], 16)),
    (_FLOAT, float),
)


def _events(text: str) -> Iterator[Any]:
    # A byte order mark belongs to the file, not to its first key.
    yield from YAML(typ="safe", pure=True).parse(io.StringIO(text.removeprefix("\ufeff")))


# The first character of everything that YAML 1.1 or 1.2 reads as a number, a date, a merge key or
# a null; and the words that one of them reads as a boolean or a null.
_NUMBER_LIKE = frozenset("0123456789+-.=<~")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", ""})
# YAML 1.1 breaks lines at NEL, LS and PS, YAML 1.2 does not: only an escape reads the same.
_NEEDS_ESCAPE = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Prose of several lines stays readable as a literal block, as long as no line's meaning hangs on
# white space at its ends.
_LITERAL = re.compile(r"(?:[^\s].*[^\s]|[^\s])(?:\n+(?:[^\s].*[^\s]|[^\s]))*\n?")


_STRING = Tag(suffix="tag:yaml.org,2002:str")


def dump(document: object) -> str:
    """Write a document of plain values as block style YAML, in the order of its keys.

    Raises:
        SpecError: a key is not a string, or a value is none that JSON has. Its place is a pointer.
    """
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 2**31  # a folded line turns a one-word change into a change of many lines
    yaml.allow_unicode = True
    yaml.emit(
        [
            ev.StreamStartEvent(),
            ev.DocumentStartEvent(explicit=False),
            *_written(document, ""),
            ev.DocumentEndEvent(explicit=False),
            ev.StreamEndEvent(),
        ],
        stream,
    )
    text = stream.getvalue()
    # The emitter marks the end of a document that is a lone plain scalar.
    return text if isinstance(document, (dict, list)) else text.removesuffix("...\n")


def _written(value: object, place: str) -> Iterator[Any]:
    if isinstance(value, dict):
        yield ev.MappingStartEvent(None, None, True, flow_style=not value)
        for key, item in value.items():
            if not isinstance(key, str):
                raise SpecError(f"the key {key!r} is not a string", place)
            yield _string(key, place, literal=False)
            yield from _written(item, f"{place}/{key.replace('~', '~0').replace('/', '~1')}")
        yield ev.MappingEndEvent()
    elif isinstance(value, list):
        yield ev.SequenceStartEvent(None, None, True, flow_style=not value)
        for index, item in enumerate(value):
            yield from _written(item, f"{place}/{index}")
        yield ev.SequenceEndEvent()
    elif isinstance(value, str):
        # A literal block that is the whole document would not be indented: `#` starts a comment.
        yield _string(value, place, literal=place != "")
    else:
        yield ev.ScalarEvent(None, None, (True, False), _bare(value, place))


def _string(text: str, place: str, *, literal: bool) -> Any:
    style: str | None = None
    if _NEEDS_ESCAPE.search(text):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise SpecError("a lone surrogate is no character and cannot be written", place)
        style = '"'
    elif "\n" in text:
        style = "|" if literal and _LITERAL.fullmatch(text) else '"'
    elif text[:1] in _NUMBER_LIKE or text.lower() in _WORDS:
        style = "'"
    # Never written out, since the event is implicit; the emitter looks at an empty string's tag.
    return ev.ScalarEvent(None, _STRING, (style is None, True), text, style=style)


def _bare(value: object, place: str) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        # YAML 1.1 reads a float only where there is a point.
        mantissa, exponent, power = repr(value).partition("e")
        return mantissa + (".0" if exponent and "." not in mantissa else "") + exponent + power
    raise SpecError(f"{value!r} is not a value JSON has", place)
