"""Judges a request, as the bytes that left, against an OpenAPI document.

The verdicts are others': werkzeug takes forms apart and jsonschema judges values. What is here only finds which part of
the document speaks about which bytes. Prism (see `prism_server`) is the second judge; this one needs no Node.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from werkzeug.formparser import FormDataParser
from werkzeug.http import parse_options_header

from openapi.documented import Contract, Operation
from support.raw_server import Request


class SpecJudge:
    """`violations` of a request against `contract`; none means that the contract allows it."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def violations(self, request: Request) -> list[str]:
        method, target, _version = request.request_line.split(" ")
        url = urlsplit(target)
        found = self._find(method, url.path)
        if found is None:
            return [f"the contract has no operation {method} {url.path}"]
        operation, in_path = found
        values = {"path": in_path, "query": dict(parse_qsl(url.query, keep_blank_values=True))}
        return [
            *self._parameters(operation, values, request),
            *self._security(operation, request),
            *self._body(operation, request),
        ]

    def _find(self, method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
        # OpenAPI 3.1, "Paths Object": a path without variables comes before those with.
        for operation in sorted(self._contract.operations(), key=lambda it: it.path.count("{")):
            pattern = "".join(
                f"(?P<{part[1:-1]}>[^/]*)" if part.startswith("{") else re.escape(part)
                for part in re.split(r"(\{\w+\})", operation.path)
            )
            match = re.fullmatch(pattern, path)
            if match and operation.method == method:
                return operation, {name: unquote(value) for name, value in match.groupdict().items()}
        return None

    def _parameters(self, operation: Operation, values: dict[str, dict[str, str]], request: Request) -> Iterator[str]:
        documented = set()
        for number, parameter in enumerate(operation.description.get("parameters", [])):
            place, name = parameter["in"], parameter["name"]
            documented.add((place, name))
            value = request.headers[name] if place == "header" else values[place].get(name)
            if value is None:
                if parameter.get("required"):
                    yield f"{place} parameter {name}: is missing"
                continue
            if parameter["schema"]["type"] != "string" or "style" in parameter:
                raise NotImplementedError(f"{operation}: this judge reads parameters as plain strings, not {parameter}")
            for problem in self._contract.problems(f"{operation.pointer}/parameters/{number}/schema", value):
                yield f"{place} parameter {name}: {problem}"
        for name in values["query"]:
            if ("query", name) not in documented:
                yield f"query parameter {name}: is not documented"

    def _security(self, operation: Operation, request: Request) -> Iterator[str]:
        header = operation.key_header()
        given = request.headers.get_all(header, [])
        if len(given) != 1 or not given[0].strip():
            yield f"header {header}: must carry the API key once, not {len(given)} times"

    def _body(self, operation: Operation, request: Request) -> Iterator[str]:
        documented = operation.description.get("requestBody")
        if documented is None:
            if request.body:
                yield "body: none is documented"
            return
        if not request.body and not request.headers["content-type"]:
            if documented.get("required"):
                yield "body: is missing"
            return
        media_type, options = parse_options_header(request.headers["content-type"])
        if media_type not in documented["content"]:
            yield f"body: {media_type or 'no media type'} is not one of {', '.join(documented['content'])}"
            return
        pointer = f"{operation.pointer}/requestBody/content/{media_type.replace('/', '~1')}/schema"
        if media_type == "multipart/form-data":
            yield from self._form(pointer, request, options)
        elif media_type == "application/json":
            yield from (f"body: {problem}" for problem in self._contract.problems(pointer, json.loads(request.body)))
        else:
            raise NotImplementedError(f"{operation}: this judge cannot read {media_type}")

    def _form(self, pointer: str, request: Request, options: dict[str, str]) -> Iterator[str]:
        try:
            parts = taken_apart(bytes(request.body), options)
        except ValueError as error:
            yield f"body: is not a readable form: {error}"
            return
        properties = self._contract.resolve(self._contract.at(pointer))["properties"]
        value: dict[str, Any] = {}
        for part in parts:
            if part.file_name is None and properties.get(part.name, {}).get("format") == "binary":
                yield f"body: the part {part.name!r} has no file name, so that servers take it for a text field"
            # JSON Schema knows no bytes; Latin-1 keeps their number. Two parts of one name are an array.
            text = part.content.decode("latin-1")
            value[part.name] = [value[part.name], text] if part.name in value else text
        yield from (f"body: the part {name!r} is not documented" for name in value if name not in properties)
        yield from (f"body: {problem}" for problem in self._contract.problems(pointer, value))


@dataclass
class Part:
    """One part of a form as a server sees it; a text field has no file name."""

    name: str
    content: bytes
    file_name: str | None = None
    content_type: str | None = None


def taken_apart(body: bytes, options: dict[str, str]) -> list[Part]:
    """The parts of a `multipart/form-data` body, given the parameters of its media type. Raises `ValueError`."""
    parser = FormDataParser(lambda *_sizes, **_names: io.BytesIO(), silent=False, max_form_memory_size=None)
    _stream, fields, files = parser.parse(io.BytesIO(body), "multipart/form-data", len(body), options)
    return [
        *(Part(name, text.encode()) for name, text in fields.items(multi=True)),
        *(Part(name, file.read(), file.filename, file.content_type) for name, file in files.items(multi=True)),
    ]
