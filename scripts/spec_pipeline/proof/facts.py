"""What the wrapper knows about the API, compared with the contract, fact by fact.

The contract is read as it is, without a generator: one that misreads it would misread it here, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from openapi.document import Node, address, operations, route
from openapi.pointers import place_of
from spec_pipeline.changes.keywords import DEFAULTS, Keywords, Located, Reader, children, means_nothing

__all__ = ["UNDOCUMENTED", "Finding", "WrapperFacts", "findings"]

UNDOCUMENTED = {
    401: "the page demands a key, and the pages of its sister operations document the answer to a wrong one",
    403: "what a gateway answers to a key without the right",
    413: "what a gateway answers to a body that is too large; the contract puts that under 400",
    429: "documented by the session operations",
}
"""Statuses for which the wrapper has an error of its own although the contract does not document them, and why."""


@dataclass(frozen=True)
class WrapperFacts:
    """What the wrapper does, as `wrapper_facts` sees it from outside.

    `path` has `{}` for its parameters. `errors` maps each status to the name of the error that it becomes;
    `envelopes` are the ways to the object with the error's fields. Types are those of JSON that it accepts.
    """

    base_url: str
    key_header: str
    method: str
    path: str
    path_format: str
    media_type: str
    field: str
    accepts: str
    success: frozenset[int]
    reply_envelope: tuple[str, ...]
    reply_fields: frozenset[str]
    reply_types: frozenset[str]
    errors: Mapping[int, str]
    envelopes: frozenset[tuple[str, ...]]
    error_fields: Mapping[str, frozenset[str]]
    deprecated: bool


@dataclass(frozen=True)
class Finding:
    """A fact on which the wrapper and the contract differ. `do` is what to do about it."""

    id: str
    pointer: str
    expected: Any
    found: Any
    do: str

    def __str__(self) -> str:
        return (
            f"[{self.id}] spec/openapi.yaml {self.pointer}\n"
            f"    the wrapper has {self.expected!r}, the contract {self.found!r}\n"
            f"    {self.do}"
        )


_SETTINGS = "wrapper/anchor_uploads/_call/settings.py"
_CONTRACT = "wrapper/anchor_uploads/_call/contract.py"
_CONNECTIONS = "wrapper/anchor_uploads/_net/connections.py"
_REPLY = "wrapper/anchor_uploads/_call/reply.py"
_BODY = "wrapper/anchor_uploads/_call/body.py"
_SAY_SO = "and say so in CHANGELOG.md"
# What a schema may say about a file without limiting it.
_HARMLESS = frozenset({"type", "format", "description", "title", "example", "examples", "deprecated"})
_NOT_TYPED = ["array", "boolean", "integer", "null", "number", "object", "string"]


@dataclass(frozen=True)
class _Schema:
    """A schema as it is read, with references followed, and the place where it stands."""

    keywords: Keywords
    place: str

    def get(self, key: str) -> Any:
        return self.keywords[key].value if key in self.keywords else None

    def at(self, key: str) -> str:
        return self.keywords[key].pointer if key in self.keywords else self.place

    @property
    def properties(self) -> dict[str, Located]:
        return children(self.keywords.get("properties"))

    @property
    def in_properties(self) -> str:
        return self.at("properties") if "properties" in self.keywords else place_of(self.place, "properties")


def findings(contract: Node, wrapper: WrapperFacts) -> list[Finding]:
    """Return every fact on which they differ; the contract is in the one layout."""
    wanted = route(wrapper.method.lower(), wrapper.path)
    found = [item for item in operations(contract) if route(item[0], item[1]) == wanted]
    if not found:
        there = ", ".join(f"{method.upper()} {path}" for method, path, _, _ in operations(contract))
        return [
            Finding(
                "operation",
                "/paths",
                f"{wrapper.method} {wrapper.path}",
                there or "no operation",
                "The generated code, which the wrapper sends by, is of another contract: run scripts/regenerate, and "
                f"if the operation has moved, follow it in spec/operations.toml, spec/overlay.yaml and {_CONTRACT}",
            )
        ]
    _, _, operation, place = found[0]
    judge = _Judge(contract, Reader(contract), wrapper, operation, place)
    return [
        *judge.server(),
        *judge.deprecation(),
        *judge.parameters(),
        *judge.security(),
        *judge.body(),
        *judge.success(),
        *judge.errors(),
    ]


@dataclass(frozen=True)
class _Judge:
    contract: Node
    reader: Reader
    wrapper: WrapperFacts
    operation: Node
    place: str

    def server(self) -> Iterator[Finding]:
        own = "servers" in self.operation
        place = place_of(self.place, "servers") if own else "/servers"
        servers = self.operation["servers"] if own else self.contract["servers"]
        url = servers[0]["url"] if servers else None
        if url is None or address(url) != self.wrapper.base_url:
            pointer = f"{place}/0/url" if servers else place
            do = f"Set DEFAULT_BASE_URL in {_SETTINGS} to the published server, {_SAY_SO}"
            yield Finding("server", pointer, self.wrapper.base_url, url, do)

    def deprecation(self) -> Iterator[Finding]:
        deprecated = bool(self.operation.get("deprecated", False))
        if deprecated != self.wrapper.deprecated:
            do = "Find out what takes its place; until then let upload_file of both clients give a DeprecationWarning"
            yield Finding("deprecated", f"{self.place}/deprecated", self.wrapper.deprecated, deprecated, do)

    def parameters(self) -> Iterator[Finding]:
        listed = [
            (parameter, f"{self.place}/parameters/{index}")
            for index, parameter in enumerate(self.operation.get("parameters", []))
        ]
        of_path = [item for item in listed if item[0]["in"] == "path"]
        if len(of_path) != 1:
            do = f"upload() in {_CONTRACT} fills one path parameter, the session: fill the others as well"
            yield Finding("path parameters", f"{self.place}/parameters", 1, len(of_path), do)
        for parameter, at in of_path:
            schema = self._schema(parameter.get("schema", {}), f"{at}/schema")
            do = f"SessionId in {_CONTRACT} lets nothing but a UUID pass: let it follow, {_SAY_SO}"
            yield from self._keyword("session id, type", schema, {"type": "string"}, do)
            yield from self._keyword("session id, format", schema, {"format": self.wrapper.path_format}, do)
        for parameter, at in listed:
            if parameter["in"] != "path" and parameter.get("required"):
                do = f"The wrapper does not send it: add it to upload() in {_CONTRACT} and to both clients"
                sent = f"{parameter['name']} in {parameter['in']}"
                yield Finding("required parameter", at, "not sent", sent, do)

    def security(self) -> Iterator[Finding]:
        place, requirements = f"{self.place}/security", self.operation["security"]
        where = f"{_CONTRACT}, and where {_CONNECTIONS} sends it"
        do = f"See API_KEY_HEADER in {where}; the wrapper knows one key in a header"
        if len(requirements) != 1 or len(requirements[0]) != 1:
            yield Finding("security", place, "one scheme", requirements, do)
            return
        (name,) = requirements[0]
        at = place_of("/components/securitySchemes", name)
        scheme = self.contract["components"]["securitySchemes"][name]
        expected = {"type": "apiKey", "in": "header", "name": self.wrapper.key_header}
        for key, value in expected.items():
            same_name = key == "name" and str(scheme.get(key)).lower() == value.lower()
            if scheme.get(key) != value and not same_name:
                yield Finding(f"key, {key}", f"{at}/{key}", value, scheme.get(key), do)

    def body(self) -> Iterator[Finding]:
        wrapper = self.wrapper
        body, place = self.operation.get("requestBody", {}), f"{self.place}/requestBody"
        if body.get("required", False) is not True:
            do = "Nothing breaks: an upload has a body. Find out what the operation does without one"
            yield Finding("body required", f"{place}/required", True, body.get("required", False), do)
        content = body.get("content", {})
        if list(content) != [wrapper.media_type]:
            do = f"{_BODY} writes {wrapper.media_type} and nothing else: teach it the documented encoding"
            yield Finding("encoding", f"{place}/content", [wrapper.media_type], list(content), do)
        if wrapper.media_type not in content:
            return
        at = place_of(f"{place}/content", wrapper.media_type)
        media = content[wrapper.media_type]
        form = self._schema(media.get("schema", {}), f"{at}/schema")
        yield from self._keyword("form, type", form, {"type": "object"}, "The wrapper sends a form: look again")
        fields = form.properties
        do = f"upload() in {_CONTRACT} names the field: let it follow the generated UploadForm, {_SAY_SO}"
        if wrapper.field not in fields:
            yield Finding("field", form.in_properties, wrapper.field, list(fields), do)
            return
        required = form.get("required") or []
        if sorted(required) != [wrapper.field]:
            do = f"The wrapper sends this field and no other: add what is required to upload() in {_CONTRACT}"
            place = form.at("required") if required else f"{form.place}/required"
            yield Finding("field required", place, [wrapper.field], required, do)
        file = self._located(fields[wrapper.field])
        do = f"The field has to be a file for the generated File and for {_BODY}: see what it is now"
        yield from self._keyword("field, type", file, {"type": "string"}, do)
        yield from self._keyword("field, format", file, {"format": "binary"}, do)
        for key, said in file.keywords.items():
            if key not in _HARMLESS and not means_nothing(key) and said.value != DEFAULTS.get(key):
                do = f"The wrapper does not hold a file to this: let it check that before it sends, {_SAY_SO}"
                yield Finding(f"field, {key}", said.pointer, "not known", said.value, do)
        if wrapper.field in media.get("encoding", {}):
            do = f"{_BODY} sends the file's own media type and no further headers: let it follow"
            encoding = media["encoding"][wrapper.field]
            yield Finding("field, encoding", f"{at}/encoding/{wrapper.field}", "not known", encoding, do)

    def success(self) -> Iterator[Finding]:
        wrapper = self.wrapper
        responses = self.operation.get("responses", {})
        documented = sorted(status for status in responses if status[0] not in "45" and status != "default")
        expected = sorted(map(str, wrapper.success))
        if documented != expected:
            extra = [status for status in documented if status not in expected]
            pointer = place_of(f"{self.place}/responses", extra[0]) if extra else f"{self.place}/responses"
            do = f"_success in {_REPLY} warns of any other status: let it follow"
            yield Finding("success", pointer, expected, documented, do)
        for status in (status for status in expected if status in responses):
            response, at = responses[status], place_of(f"{self.place}/responses", status)
            if list(response.get("content", {})) != [wrapper.accepts]:
                do = f"{_REPLY} reads {wrapper.accepts}, and {_CONNECTIONS} asks for it: look again"
                yield Finding(
                    "reply, media type", f"{at}/content", wrapper.accepts, list(response.get("content", {})), do
                )
                continue
            yield from self._reply(response["content"][wrapper.accepts], place_of(f"{at}/content", wrapper.accepts))

    def _reply(self, media: Node, place: str) -> Iterator[Finding]:
        wrapper = self.wrapper
        data = self._schema(media.get("schema", {}), f"{place}/schema")
        for name in wrapper.reply_envelope:
            if name not in data.properties:
                do = f"uploaded_file in {_REPLY} looks for the reply's fields there: let it follow"
                yield Finding("reply, envelope", data.in_properties, name, list(data.properties), do)
                return
            data = self._located(data.properties[name])
        do = f"_success in {_REPLY} finds nothing in anything but an object: let it follow"
        yield from self._keyword("reply, type", data, {"type": "object"}, do)
        fields = data.properties
        for name in sorted(wrapper.reply_fields - fields.keys()):
            do = f"UploadedFile.{name} would always be None: let uploaded_file in {_REPLY} follow, {_SAY_SO}"
            yield Finding(f"reply, {name}", data.in_properties, name, list(fields), do)
        for name, field in fields.items():
            if name not in wrapper.reply_fields:
                # Seen from this end, because a generated model drops what it does not know before the wrapper sees it.
                do = (
                    "Callers never see it. If another field was renamed to this, let uploaded_file in "
                    f"{_REPLY} follow, or it stays None; if this is new, add it to UploadedFile there"
                )
                yield Finding(f"reply, {name}", field.pointer, sorted(wrapper.reply_fields), name, do)
            do = f"_success in {_REPLY} takes text only, and would warn of every reply: let it follow"
            yield from self._types(f"reply, {name}", self._located(field), wrapper.reply_types, do)

    def errors(self) -> Iterator[Finding]:
        wrapper = self.wrapper
        responses = self.operation.get("responses", {})
        for status, response in responses.items():
            if status[0] not in "45":
                continue
            at = place_of(f"{self.place}/responses", status)
            if status.isdigit() and wrapper.errors.get(int(status)) == "StatusError":
                do = f"Callers get the general StatusError for it: give it a class in _KINDS in {_REPLY}"
                yield Finding(f"error {status}", at, "no error of its own", response.get("description"), do)
            for name, media in response.get("content", {}).items():
                yield from self._error(status, media, place_of(f"{at}/content", name))
        for code, kind in wrapper.errors.items():
            by_hand = kind not in ("StatusError", "ServerError")
            if by_hand and code not in UNDOCUMENTED and not {str(code), f"{code // 100}XX"} & responses.keys():
                do = f"Take it out of _KINDS in {_REPLY}, or say in UNDOCUMENTED of facts.py why it stays"
                yield Finding(f"error {code}", f"{self.place}/responses", kind, "not documented", do)

    def _error(self, status: str, media: Node, place: str) -> Iterator[Finding]:
        schema = self._schema(media.get("schema", {}), f"{place}/schema")
        way: tuple[str, ...] = ()
        while "error" in schema.properties and len(way) <= max(map(len, self.wrapper.envelopes)):
            way = (*way, "error")
            schema = self._located(schema.properties["error"])
        if way not in self.wrapper.envelopes:
            do = f"_error_detail in {_REPLY} would find neither code nor message: teach it this envelope"
            known = sorted(".".join(envelope) for envelope in self.wrapper.envelopes)
            yield Finding(f"error {status}, envelope", schema.place, known, ".".join(way), do)
            return
        fields = schema.properties
        for name, types in self.wrapper.error_fields.items():
            if name not in fields:
                do = f"StatusError.{name} would be None: let _error_detail in {_REPLY} follow"
                yield Finding(f"error {status}, {name}", schema.in_properties, name, list(fields), do)
                continue
            do = f"_error_detail in {_REPLY} leaves out what is of another type: let it follow, {_SAY_SO}"
            yield from self._types(f"error {status}, {name}", self._located(fields[name]), types, do)

    def _types(self, id_: str, schema: _Schema, accepted: frozenset[str], do: str) -> Iterator[Finding]:
        types = schema.get("type") or _NOT_TYPED
        types = [types] if isinstance(types, str) else types
        if not accepted.issuperset(types):
            yield Finding(f"{id_}, type", schema.at("type"), sorted(accepted), types, do)

    def _keyword(self, id_: str, schema: _Schema, expected: Node, do: str) -> Iterator[Finding]:
        for key, value in expected.items():
            if schema.get(key) != value:
                yield Finding(id_, schema.at(key), value, schema.get(key), do)

    def _schema(self, value: Any, place: str) -> _Schema:
        return self._located(Located(value, place))

    def _located(self, schema: Located) -> _Schema:
        # What is missing in a component is missing there.
        place = self.reader.named(schema.component).pointer if schema.component is not None else schema.pointer
        return _Schema(self.reader.keywords(schema), place)
