"""YAML and JSON in, and YAML out, with nothing left to the taste of a loader.

`load` resolves plain scalars by the core schema of YAML 1.2.2 (§10.3) and by nothing else, so that `no` is a word and
`2024-01-01` is not a date. It works on the events of libyaml, which PyYAML brings along: its own constructors, and
those of ruamel, resolve more than that, and share one object between an anchor and its aliases.

`dump` writes what loaders of YAML 1.1 and 1.2 read alike.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any, ClassVar

import yaml
from yaml import events as ev

from openapi.errors import SpecError
from openapi.text import decoded

__all__ = ["dump", "load", "load_all", "separator"]

# A few nested aliases are enough to spell a document that no machine can hold, and a few thousand brackets one that
# Python cannot descend into. The largest published document has about 10,000 nodes, 20 deep.
_MOST_NODES = 200_000
_DEEPEST = 100

_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_SCALARS: tuple[tuple[re.Pattern[str], Callable[[str], object]], ...] = (
    (re.compile(r"null|Null|NULL|~|"), lambda _: None),
    (re.compile(r"true|True|TRUE"), lambda _: True),
    (re.compile(r"false|False|FALSE"), lambda _: False),
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0o[0-7]+"), lambda text: int(text[2:], 8)),
    (re.compile(r"0x[0-9a-fA-F]+"), lambda text: int(text[2:], 16)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)
# libyaml takes NEL, LS and PS for line ends, as YAML 1.1 has them. Private characters stand for them meanwhile.
_LINE_ENDS_OF_1_1 = {0x85: 0x10F085, 0x2028: 0x10F028, 0x2029: 0x10F029}
_BACK = {aside: character for character, aside in _LINE_ENDS_OF_1_1.items()}
_ASIDE = re.compile("[\U0010f085\U0010f028\U0010f029]")
# How JSON escapes a character beyond U+FFFF; YAML has another escape for it.
_PAIR = re.compile(r"(?<!\\)((?:\\\\)*)\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")


def load(text: str | bytes, *, name: str, first_line: int = 1) -> object:
    """Read one document of YAML or JSON into plain, unshared Python values.

    `name` and `first_line` say where the text comes from; they only serve the errors.

    Raises:
        SpecError: the text is neither, holds no document or several, a key twice, a key that is neither a string nor
            an integer, a tag, a merge key, an alias to nothing or to what surrounds it, a number that JSON cannot
            hold, is unreasonably deep or large, or not UTF-8. Its place is `<name> line <n>`.
    """
    return _Reader(text, name, first_line).documents(single=True)[0]


def load_all(text: str | bytes, *, name: str) -> list[object]:
    """Read a stream of documents, each as `load` does."""
    return _Reader(text, name, first_line=1).documents(single=False)


def separator(text: str, *, name: str, first: bool) -> str:
    """Return what has to stand before `text`, one document, in a stream of several; whether it is the first there."""
    start = next(
        event for event in _Reader(text, name, first_line=1).events() if isinstance(event, ev.DocumentStartEvent)
    )
    if not start.explicit:
        return "---\n"
    # Directives are read behind the end of a document only.
    return "...\n" if not first and (start.version or start.tags) else ""


class _Reader:
    def __init__(self, text: str | bytes, name: str, first_line: int) -> None:
        self._text = decoded(text, name) if isinstance(text, bytes) else text
        self._name = name
        self._first_line = first_line
        self._anchors: dict[str, tuple[object, int]] = {}
        self._nodes = 0
        self._depth = 0

    def documents(self, *, single: bool) -> list[object]:
        if _ASIDE.search(self._text):
            raise SpecError("private characters (U+10F028 and the like) are not read here", self._name)
        try:
            self._events = self.events()
            self._next()  # the start of the stream
            values: list[object] = []
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
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            place = self._place(mark.line) if mark is not None else self._name
            raise SpecError(f"not YAML: {error.problem or error.context}", place) from error
        except yaml.reader.ReaderError as error:
            place = self._place(self._text.count("\n", 0, error.position))
            raise SpecError(f"not YAML: {error.reason}", place) from error
        except yaml.YAMLError as error:
            raise SpecError(f"not YAML: {error}", self._name) from error

    def events(self) -> Iterator[Any]:
        # A byte order mark belongs to the file, not to its first key.
        text = self._text.removeprefix("\ufeff").translate(_LINE_ENDS_OF_1_1)
        if text.lstrip().startswith("{"):
            text = _PAIR.sub(_one_escape, text)
        events: Iterator[Any] = yaml.parse(text, _LOADER)
        return events

    def _next(self) -> Any:
        return next(self._events)

    def _place(self, line: int) -> str:
        return f"{self._name} line {line + self._first_line}"

    def _error(self, event: Any, message: str) -> SpecError:
        return SpecError(message, self._place(event.start_mark.line))

    def _value(self, event: Any) -> object:
        if isinstance(event, ev.AliasEvent):
            return self._aliased(event)
        if event.tag is not None:
            raise self._error(event, f"the tag {event.tag} is not read here: write the value without it")
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
            raise self._error(event, f"more than {_MOST_NODES:,} nodes, aliases written out")

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
            if isinstance(key, int) and not isinstance(key, bool):
                # As authors write the statuses of responses.
                key = event.value
            if not isinstance(key, str):
                raise self._error(event, f"the key {key!r} is not a string: quote it")
            if key == "<<" and not event.style:
                raise self._error(event, "merge keys are not YAML 1.2: write the members out")
            if key in items:
                first = lines[key] + self._first_line
                raise self._error(event, f"the key {key!r} stands here and on line {first}")
            lines[key] = event.start_mark.line
            items[key] = self._value(self._next())
        return items

    def _scalar(self, event: Any) -> object:
        text: str = event.value
        if _ASIDE.search(text):
            text = text.translate(_BACK)
        if event.style:
            return text
        if _NOT_FINITE.fullmatch(text):
            raise self._error(event, f"JSON has no {text}: quote it if it is a word")
        for pattern, read in _SCALARS:
            if pattern.fullmatch(text):
                try:
                    value = read(text)
                except ValueError as error:
                    raise self._error(event, f"a number too long to read: {error}") from error
                if value in (math.inf, -math.inf):
                    raise self._error(event, f"{text} is too large for a number: quote it")
                return value
        return text


def _one_escape(pair: re.Match[str]) -> str:
    high, low = int(pair[2], 16), int(pair[3], 16)
    return f"{pair[1]}\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


# libyaml's, which reads 50 times as fast as PyYAML's own.
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

# The first character of everything that YAML 1.1 or 1.2 reads as a number, a date, a merge key or a null; and the words
# that one of them reads as a boolean or a null.
_NUMBER_LIKE = frozenset("0123456789+-.=<~")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", ""})
# YAML 1.1 breaks lines at NEL, LS and PS, YAML 1.2 does not: only an escape reads the same.
_NEEDS_ESCAPE = re.compile("[^\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
# Prose of several lines stays readable as a literal block, as long as no line's meaning hangs on white space at its
# ends.
_LITERAL = re.compile(r"(?:[^\s].*[^\s]|[^\s])(?:\n+(?:[^\s].*[^\s]|[^\s]))*\n?")


def dump(document: object) -> str:
    """Write a document, a mapping of plain values, as block style YAML in the order of its keys.

    Raises:
        SpecError: a key is not a string, or a value is none that JSON has.
    """
    try:
        # A folded line would turn a change of one word into one of many lines.
        text: str = yaml.dump(
            document, Dumper=_Dumper, sort_keys=False, default_flow_style=False, width=2**31, allow_unicode=True
        )
    except yaml.representer.RepresenterError as error:
        raise SpecError(f"{error.args[-1]!r} is not a value JSON has", "") from error
    return text


class _Dumper(yaml.SafeDumper):  # type: ignore[misc]  # its stubs are not installed
    yaml_representers: ClassVar[dict[Any, Any]] = {}

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Indent a list in a mapping, too, which PyYAML leaves at the mapping's own indent."""
        super().increase_indent(flow, indentless=False)

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Write shared values out."""
        return True

    def _mapping(self, value: dict[object, object]) -> Any:
        for key in value:
            if not isinstance(key, str):
                raise yaml.representer.RepresenterError("a key", key)
        return self.represent_dict(value.items())

    def _text(self, text: str) -> Any:
        style: str | None = None
        if _NEEDS_ESCAPE.search(text):
            if any("\ud800" <= character <= "\udfff" for character in text):
                raise yaml.representer.RepresenterError("a lone surrogate", text)
            style = '"'
        elif "\n" in text:
            style = "|" if _LITERAL.fullmatch(text) else '"'
        elif text[:1] in _NUMBER_LIKE or text.lower() in _WORDS:
            style = "'"
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=style)

    def _number(self, value: float) -> Any:
        if not math.isfinite(value):
            raise yaml.representer.RepresenterError("a number", value)
        return self.represent_float(value)


for _type, _represent in {
    dict: _Dumper._mapping,
    list: _Dumper.represent_list,
    str: _Dumper._text,
    float: _Dumper._number,
    int: _Dumper.represent_int,
    bool: _Dumper.represent_bool,
    type(None): _Dumper.represent_none,
    None: _Dumper.represent_undefined,
}.items():
    _Dumper.add_representer(_type, _represent)
