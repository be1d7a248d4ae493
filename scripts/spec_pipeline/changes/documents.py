"""What changed between two OpenAPI documents: each difference with its place, its impact and who is hit.

Own code, because no library for Python was found to do it. specshift 1.5.0, the nearest, saw 7 of 12 changes made to
this contract and raised a false alarm; eight others do not even read the keywords that matter here, such as encodings,
the header of a key, or formats in a multipart form. deepdiff compares structures and knows no directions; oasdiff is a
program in Go, and `redocly diff` needs Node.js.

Both documents are in the one layout of `openapi.layout`, so that the same contract in other words is no change.
What form A cannot carry (tags, summary, description of an operation, and so on) is compared only where both have it.
`schemas` says what is breaking in a schema. Outside of schemas:

- an answer with a status below 400 that was not documented is breaking: the wrapper takes it for an unexpected one.
  Of errors it knows a class by the status, documented or not, so that they may come and go;
- a second way to authenticate is compatible, and so is to lose one while no key at all is allowed;
- a server that goes is breaking; one more, or another order, is compatible;
- a path parameter's new name changes generated code, but nothing that is sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from openapi.document import address, operations, route
from openapi.pointers import place_of
from spec_pipeline.changes.change import ABSENT, Area, Change, Impact
from spec_pipeline.changes.keywords import Located, equal
from spec_pipeline.changes.meaning import is_word, without_words
from spec_pipeline.changes.schemas import Direction, SchemaDiff

__all__ = ["diff"]

Node: TypeAlias = "dict[str, Any]"

# In this order of the parameter's place: what `style` is when it is not said (OpenAPI 3.1.0, Parameter Object).
_STYLES = {"path": "simple", "query": "form", "header": "simple", "cookie": "form"}
# What OpenAPI says of a parameter by these names does not count.
_IGNORED_HEADERS = ("accept", "content-type", "authorization")


def diff(old: Node, new: Node) -> list[Change]:
    """Return what changed from `old` to `new`, two documents laid out: the worst first, then by place."""
    comparison = _Comparison(old, new)
    comparison.documents()
    return sorted(comparison.found.values(), key=lambda change: (-change.impact, change.pointer, change.what))


@dataclass
class _Operation:
    method: str
    path: str
    value: Node
    place: str


class _Comparison:
    def __init__(self, old: Node, new: Node) -> None:
        self._old = old
        self._new = new
        self._schemas = SchemaDiff(old, new, self._report)
        # What two operations share is reported once, as what is worse of it.
        self.found: dict[tuple[str, str, str], Change] = {}

    def _report(self, change: Change) -> None:
        key = (change.pointer, change.what, change.inside)
        known = self.found.get(key)
        if known is None or change.impact > known.impact:
            self.found[key] = change

    def _say(self, place: str, old: Any, new: Any, impact: Impact, what: str, *, area: Area) -> None:
        self._report(Change(place, old, new, impact, what, area))

    def _words(self, old: Node, new: Node, place: str, *, only_both: bool = False) -> None:
        for key in sorted(filter(is_word, {*old, *new})):
            one, other = old.get(key, ABSENT), new.get(key, ABSENT)
            if not equal(one, other) and not (only_both and ABSENT in (one, other)):
                self._say(place_of(place, key), one, other, Impact.WORDING, key, area=Area.OPERATION)

    def _whole(self, role: str, key: str, old: _Placed, new: _Placed, what: str, *, area: Area) -> None:
        """Compare a member of what is in `role` that is one thing to its users: any change breaks it, but of words."""
        one, other = (Located(node.get(key, ABSENT), place_of(place, key)) for node, place in (old, new))
        if not self._schemas.wording.alike(role, key, one, other):
            worded = is_word(key) or self._schemas.meaning.alike(role, key, one, other)
            impact = Impact.WORDING if worded else Impact.BREAKING
            self._say(other.pointer, one.value, other.value, impact, what, area=area)

    # The document ---------------------------------------------------------------------------------------------------

    def documents(self) -> None:
        self._info()
        before, after = _by_route(self._old), _by_route(self._new)
        for key, one in before.items():
            if key in after:
                self._operation(one, after[key])
            else:
                self._say(
                    one.place, _signature(one), ABSENT, Impact.BREAKING, "the operation is gone", area=Area.OPERATION
                )
        for key, other in after.items():
            if key not in before:
                self._say(
                    other.place, ABSENT, _signature(other), Impact.COMPATIBLE, "a new operation", area=Area.OPERATION
                )

    def _info(self) -> None:
        old, new = self._old["info"], self._new["info"]
        for key in sorted({*old, *new}):
            one, other = old.get(key, ABSENT), new.get(key, ABSENT)
            lost = key not in ("title", "version") and ABSENT in (one, other)
            if not equal(one, other) and not lost:
                self._say(place_of("/info", key), one, other, Impact.WORDING, key, area=Area.OPERATION)
        for key in sorted({"tags", "externalDocs"} & self._old.keys() & self._new.keys()):
            one, other = self._old[key], self._new[key]
            if not equal(one, other):
                self._say(place_of("", key), one, other, Impact.WORDING, key, area=Area.OPERATION)

    def _operation(self, old: _Operation, new: _Operation) -> None:
        self._words(old.value, new.value, new.place, only_both=True)
        self._servers(old, new)
        self._security(old, new)
        was, now = old.value.get("deprecated", False), new.value.get("deprecated", False)
        if was != now:
            place = place_of(new.place, "deprecated")
            self._say(place, was, now, Impact.COMPATIBLE, "deprecated", area=Area.OPERATION)
        one, other = (old.value, old.place), (new.value, new.place)
        self._whole("operation", "callbacks", one, other, "callbacks", area=Area.OPERATION)
        self._parameters(old, new)
        self._request_body(old, new)
        self._responses(old, new)

    # Where it is sent, and with what key ----------------------------------------------------------------------------

    def _servers(self, old: _Operation, new: _Operation) -> None:
        before, after = _servers(old, self._old), _servers(new, self._new)
        one, other = [url for url, _, _ in before], [url for url, _, _ in after]
        gone = [entry for entry in before if entry[0] not in other]
        added = [entry for entry in after if entry[0] not in one]
        for url, place, _ in gone:
            replaced = next((entry for entry in added if entry[1] == place), None)
            if replaced:
                added.remove(replaced)
            found = replaced[0] if replaced else ABSENT
            at = place_of(place, "url") if replaced else place
            self._say(at, url, found, Impact.BREAKING, "the server is gone", area=Area.SERVER)
        for url, place, _ in added:
            self._say(place, ABSENT, url, Impact.COMPATIBLE, "a new server", area=Area.SERVER)
        if one and other and one[0] != other[0] and set(one) == set(other):
            self._say(after[0][1], one, other, Impact.COMPATIBLE, "another server comes first", area=Area.SERVER)
        for url, place, value in after:
            same = next((entry for entry in before if entry[0] == url), None)
            if not same:
                continue
            self._words(same[2], value, place)
            was, now = ({"variables": {}, **server} for server in (same[2], value))
            what = "variables of the server's address"
            self._whole("server", "variables", (was, same[1]), (now, place), what, area=Area.SERVER)

    def _security(self, old: _Operation, new: _Operation) -> None:
        before, after = _alternatives(old, self._old), _alternatives(new, self._new)
        gone, added = list(before), list(after)
        for key in (_meaning, _name):
            for one in list(gone):
                match = next((other for other in added if sorted(map(key, one)) == sorted(map(key, other))), None)
                if match is not None:
                    gone.remove(one)
                    added.remove(match)
                    self._schemes(sorted(one, key=key), sorted(match, key=key), new.place)
        if len(gone) == len(added) == 1 and len(gone[0]) == len(added[0]) > 0:
            self._schemes(gone.pop(), added.pop(), new.place)
        place = place_of(new.place, "security")
        open_to_all = any(not alternative for alternative in after)
        for one in gone:
            impact = Impact.COMPATIBLE if open_to_all else Impact.BREAKING
            self._say(place, _names(one), ABSENT, impact, f"no longer enough: {_names(one)}", area=Area.SECURITY)
        for other in added:
            words = f"now enough: {_names(other)}"
            self._say(place, ABSENT, _names(other), Impact.COMPATIBLE, words, area=Area.SECURITY)

    def _schemes(self, old: _Alternative, new: _Alternative, place: str) -> None:
        for one, other in zip(old, new, strict=True):
            for key in dict.fromkeys((*one.definition, *other.definition)):
                if not _same_on_the_wire(key, one.definition, other.definition):
                    was, now = (one.definition, one.place), (other.definition, other.place)
                    self._whole("securityScheme", key, was, now, f"security scheme, {key}", area=Area.SECURITY)
            if sorted(one.scopes) != sorted(other.scopes):
                more = not set(other.scopes) <= set(one.scopes)
                at = place_of(place, "security")
                impact = Impact.BREAKING if more else Impact.COMPATIBLE
                self._say(at, one.scopes, other.scopes, impact, f"scopes of {other.name}", area=Area.SECURITY)

    # What is sent ---------------------------------------------------------------------------------------------------

    def _parameters(self, old: _Operation, new: _Operation) -> None:
        before, after = _parameters(old), _parameters(new)
        for key, (one, place) in before.items():
            if key not in after:
                self._say(place, one, ABSENT, Impact.BREAKING, f"parameter {one['name']!r} is gone", area=Area.REQUEST)
        for key, (other, place) in after.items():
            if key in before:
                self._parameter(*before[key], other, place)
                continue
            required = bool(other.get("required"))
            impact = Impact.BREAKING if required else Impact.COMPATIBLE
            words = f"new {'required' if required else 'optional'} parameter {other['name']!r}"
            self._say(place, ABSENT, other, impact, words, area=Area.REQUEST)

    def _parameter(self, old: Node, old_at: str, new: Node, place: str) -> None:
        self._words(old, new, place)
        name = place_of(place, "name")
        if old["name"] != new["name"]:
            self._say(name, old["name"], new["name"], Impact.COMPATIBLE, "the parameter's name", area=Area.OPERATION)
        self._flags(old, new, place, Area.REQUEST)
        self._serialized(old, new, place, Area.REQUEST, in_=str(new.get("in")))
        self._held(old, old_at, new, place, Direction.REQUEST)

    def _flags(self, old: Node, new: Node, place: str, area: Area) -> None:
        for key, impacts in (
            ("required", (Impact.COMPATIBLE, Impact.BREAKING)),
            ("deprecated", (Impact.COMPATIBLE, Impact.COMPATIBLE)),
            ("allowEmptyValue", (Impact.BREAKING, Impact.COMPATIBLE)),
        ):
            was, now = bool(old.get(key)), bool(new.get(key))
            if was != now:
                # In a response it is the reader who counts on what is required.
                impact = impacts[now == (area is Area.REQUEST)] if key == "required" else impacts[now]
                self._say(place_of(place, key), was, now, impact, key, area=area)

    def _serialized(self, old: Node, new: Node, place: str, area: Area, *, in_: str) -> None:
        one, other = _serialization(old, in_), _serialization(new, in_)
        for key, was in one.items():
            if not equal(was, other[key]):
                self._say(place_of(place, key), was, other[key], Impact.BREAKING, key, area=area)

    def _held(self, old: Node, old_at: str, new: Node, new_at: str, direction: Direction) -> None:
        """Compare the schema, or the content, of what has either."""
        if "schema" in old and "schema" in new:
            self._schemas.compare(
                old["schema"],
                new["schema"],
                old_at=place_of(old_at, "schema"),
                new_at=place_of(new_at, "schema"),
                direction=direction,
            )
        elif "schema" in old or "schema" in new:
            words, place = "a schema comes or goes", place_of(new_at, "schema")
            one, other = old.get("schema", ABSENT), new.get("schema", ABSENT)
            self._say(place, one, other, Impact.BREAKING, words, area=direction.value)
        self._content(old, old_at, new, new_at, direction)
        one, other = _examples(old), _examples(new)
        # Form A loses them, or fills them in.
        if one and other and not equal(one, other):
            key = "examples" if "examples" in new else "example"
            self._say(place_of(new_at, key), one, other, Impact.WORDING, "examples", area=direction.value)

    def _request_body(self, old: _Operation, new: _Operation) -> None:
        one, other = old.value.get("requestBody"), new.value.get("requestBody")
        old_at, place = place_of(old.place, "requestBody"), place_of(new.place, "requestBody")
        if one is None and other is None:
            return
        if other is None:
            self._say(place, one, ABSENT, Impact.BREAKING, "the body is gone", area=Area.REQUEST)
        elif one is None:
            impact = Impact.BREAKING if other.get("required") else Impact.COMPATIBLE
            self._say(place, ABSENT, other, impact, "a body where there was none", area=Area.REQUEST)
        else:
            self._words(one, other, place)
            self._flags(one, other, place, Area.REQUEST)
            self._content(one, old_at, other, place, Direction.REQUEST)

    def _content(self, old: Node, old_at: str, new: Node, new_at: str, direction: Direction) -> None:
        before, after = _media_types(old, old_at), _media_types(new, new_at)
        for name, (one, place) in before.items():
            if name not in after:
                self._say(place, one, ABSENT, Impact.BREAKING, f"media type {name} is gone", area=direction.value)
        for name, (other, place) in after.items():
            if name not in before:
                self._say(place, ABSENT, other, Impact.COMPATIBLE, f"new media type {name}", area=direction.value)
                continue
            one, one_at = before[name]
            self._held(one, one_at, other, place, direction)
            self._encodings(one, one_at, other, place, direction)

    def _encodings(self, old: Node, old_at: str, new: Node, new_at: str, direction: Direction) -> None:
        before, after = old.get("encoding", {}), new.get("encoding", {})
        for name in dict.fromkeys((*before, *after)):
            one, other = before.get(name, {}), after.get(name, {})
            was_at, at = (place_of(place_of(place, "encoding"), name) for place in (old_at, new_at))
            for key in dict.fromkeys((*one, *other)):
                what = f"encoding of {name!r}, {key}"
                self._whole("encoding", key, (one, was_at), (other, at), what, area=direction.value)

    # What comes back ------------------------------------------------------------------------------------------------

    def _responses(self, old: _Operation, new: _Operation) -> None:
        before, after = old.value["responses"], new.value["responses"]
        for status in dict.fromkeys((*before, *after)):
            one, other = before.get(status), after.get(status)
            old_at = place_of(place_of(old.place, "responses"), status)
            place = place_of(place_of(new.place, "responses"), status)
            if one is not None and other is not None:
                self._words(one, other, place)
                self._headers(one, old_at, other, place)
                self._content(one, old_at, other, place, Direction.RESPONSE)
                continue
            error = status[0] in "45" or status == "default"
            impact = Impact.COMPATIBLE if error else Impact.BREAKING
            words = f"status {status} is {'no longer' if other is None else 'now'} documented"
            self._say(
                place,
                ABSENT if one is None else one,
                ABSENT if other is None else other,
                impact,
                words,
                area=Area.STATUS,
            )

    def _headers(self, old: Node, old_at: str, new: Node, new_at: str) -> None:
        before, after = _headers(old, old_at), _headers(new, new_at)
        for name, (one, place) in before.items():
            if name not in after:
                self._say(place, one, ABSENT, Impact.BREAKING, f"header {name} is gone", area=Area.RESPONSE)
        for name, (other, place) in after.items():
            if name not in before:
                self._say(place, ABSENT, other, Impact.COMPATIBLE, f"new header {name}", area=Area.RESPONSE)
                continue
            one, one_at = before[name]
            self._words(one, other, place)
            self._flags(one, other, place, Area.RESPONSE)
            self._serialized(one, other, place, Area.RESPONSE, in_="header")
            self._held(one, one_at, other, place, Direction.RESPONSE)


# Reading a document in the one layout ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scheme:
    name: str
    definition: Node
    scopes: list[str]
    place: str


_Alternative: TypeAlias = "list[_Scheme]"
_Placed: TypeAlias = "tuple[Node, str]"


def _by_route(document: Node) -> dict[tuple[str, str], _Operation]:
    """Return the operations by method and path, whatever the names of the path's parameters."""
    return {
        route(method, path): _Operation(method, path, value, place)
        for method, path, value, place in operations(document)
    }


def _signature(operation: _Operation) -> str:
    return f"{operation.method.upper()} {operation.path}"


def _servers(operation: _Operation, document: Node) -> list[tuple[str, str, Node]]:
    own = "servers" in operation.value
    place = place_of(operation.place, "servers") if own else "/servers"
    # What it is without any (OpenAPI 3.1.0, OpenAPI Object).
    servers = operation.value["servers"] if own else document["servers"]
    if not servers:
        return [("", place, {})]
    return [(address(server["url"]), place_of(place, index), server) for index, server in enumerate(servers)]


def _alternatives(operation: _Operation, document: Node) -> list[_Alternative]:
    schemes = document["components"].get("securitySchemes", {})
    return [
        [
            _Scheme(name, schemes.get(name, {}), scopes, place_of("/components/securitySchemes", name))
            for name, scopes in sorted(requirement.items())
        ]
        for requirement in operation.value["security"] or [{}]
    ]


def _same_on_the_wire(key: str, one: Node, other: Node) -> bool:
    was, now = one.get(key, ABSENT), other.get(key, ABSENT)
    # Names of headers (RFC 9110 §5.1) and of authentication schemes (§11.1) are the same in either case.
    header = key == "name" and one.get("in") == other.get("in") == "header"
    if isinstance(was, str) and isinstance(now, str) and (header or key == "scheme"):
        return was.lower() == now.lower()
    return equal(was, now)


def _meaning(scheme: _Scheme) -> str:
    meant = without_words(scheme.definition)
    for key in ("name", "scheme"):
        if isinstance(meant.get(key), str) and (key == "scheme" or meant.get("in") == "header"):
            meant[key] = meant[key].lower()
    return json.dumps([meant, sorted(scheme.scopes)], sort_keys=True)


def _name(scheme: _Scheme) -> str:
    return scheme.name


def _names(alternative: _Alternative) -> str:
    return " and ".join(scheme.name for scheme in alternative) or "no key"


def _parameters(operation: _Operation) -> dict[tuple[str, object], _Placed]:
    """Return the parameters by what they are on the wire: those of a path by their position."""
    positions = re.findall(r"\{([^{}]*)\}", operation.path)
    result: dict[tuple[str, object], _Placed] = {}
    for index, parameter in enumerate(operation.value.get("parameters", [])):
        location, name = str(parameter.get("in")), str(parameter.get("name"))
        place = place_of(place_of(operation.place, "parameters"), index)
        key: object = name
        if location == "path" and name in positions:
            key = positions.index(name)
        elif location == "header":
            key = name.lower()
            if key in _IGNORED_HEADERS:
                continue
        result[location, key] = parameter, place
    return result


def _serialization(parameter: Node, in_: str) -> Node:
    style = parameter.get("style", _STYLES.get(in_, "form"))
    return {
        "style": style,
        "explode": parameter.get("explode", style == "form"),
        "allowReserved": parameter.get("allowReserved", False),
    }


def _examples(holder: Node) -> list[Any]:
    named: Iterable[Any] = holder.get("examples", {}).values()
    values = [example.get("value", example) if isinstance(example, dict) else example for example in named]
    return [*values, holder["example"]] if "example" in holder else values


def _media_types(holder: Node, place: str) -> dict[str, _Placed]:
    at = place_of(place, "content")
    # Media types are the same in either case (RFC 9110 §8.3.1).
    return {name.lower(): (media, place_of(at, name)) for name, media in holder.get("content", {}).items()}


def _headers(response: Node, place: str) -> dict[str, _Placed]:
    return dict(_each_header(response, place_of(place, "headers")))


def _each_header(response: Node, place: str) -> Iterator[tuple[str, _Placed]]:
    for name, header in response.get("headers", {}).items():
        if name.lower() != "content-type":
            yield name.lower(), (header, place_of(place, name))
