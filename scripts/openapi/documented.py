"""What an OpenAPI 3.1 document says about requests and answers; read raw, with no generator in between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from openapi import yaml
from openapi.document import METHODS
from openapi.pointers import place_of, steps
from openapi.values import mapping

__all__ = ["Contract", "Operation", "Reply"]

Json = Mapping[str, Any]

_HERE = "urn:contract"


class Contract:
    """One OpenAPI document; a place in it is a JSON pointer."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._registry: Registry[Any] = Registry().with_resource(_HERE, DRAFT202012.create_resource(document))

    @classmethod
    def read(cls, path: Path) -> Contract:
        return cls(mapping(yaml.load(path.read_text("utf-8"), name=path.name), ""))

    def operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield Operation(self, method.upper(), path, item[method])

    def operation(self, method: str, path: str) -> Operation:
        """The operation of a method and a path as it stands in the document. Raises `KeyError`."""
        return Operation(self, method, path, self.document["paths"][path][method.lower()])

    def named(self, operation_id: str) -> Operation:
        """The operation with this operationId. Raises `KeyError`."""
        for operation in self.operations():
            if operation.description.get("operationId") == operation_id:
                return operation
        raise KeyError(operation_id)

    def resolve(self, schema: Json) -> Json:
        """Follow references until there is none."""
        while "$ref" in schema:
            pointer = schema["$ref"]
            if not pointer.startswith("#/"):
                raise ValueError(f"{pointer}: only references within the document can be followed")
            schema = self.at(pointer[1:])
        return schema

    def at(self, pointer: str) -> Any:
        """What stands at a JSON pointer (RFC 6901)."""
        place: Any = self.document
        for step in steps(pointer):
            place = place[step]
        return place

    def problems(self, pointer: str, value: Any) -> list[str]:
        """Say what is wrong with `value` according to the schema at `pointer`; nothing if it is valid."""
        # Validated in its place, so that references in it mean what they mean in the document.
        validator = Draft202012Validator(
            {"$ref": f"{_HERE}#{pointer}"},
            registry=self._registry,
            format_checker=Draft202012Validator.FORMAT_CHECKER,
        )
        return [f"{problem.json_path}: {problem.message}" for problem in validator.iter_errors(value)]


@dataclass(frozen=True)
class Operation:
    """One method of one path. `description` is its object in the document."""

    contract: Contract = field(repr=False, compare=False)
    method: str
    path: str
    description: Json = field(repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def pointer(self) -> str:
        return place_of(place_of("/paths", self.path), self.method.lower())

    @property
    def statuses(self) -> list[int]:
        return sorted(int(status) for status in self.description["responses"])

    def reply(self, status: int) -> Reply | None:
        """What is documented for a status, or None if nothing is."""
        if str(status) not in self.description["responses"]:
            return None
        return Reply(self, status)

    def key_header(self) -> str:
        """The header that the API key goes into."""
        document = self.contract.document
        for requirement in self.description.get("security", document.get("security", [])):
            for name in requirement:
                scheme = document["components"]["securitySchemes"][name]
                if scheme["type"] == "apiKey" and scheme["in"] == "header":
                    return str(scheme["name"])
        raise ValueError(f"{self}: the contract asks for no key in a header")


@dataclass(frozen=True)
class Reply:
    """The documented answer with one status: a JSON body, as all of this contract are."""

    operation: Operation
    status: int

    @property
    def pointer(self) -> str:
        return place_of(f"{self.operation.pointer}/responses/{self.status}/content", self.media_type) + "/schema"

    @property
    def media_type(self) -> str:
        (media_type,) = self.operation.description["responses"][str(self.status)]["content"]
        return str(media_type)

    @property
    def schema(self) -> Json:
        found: Json = self.operation.contract.at(self.pointer)
        return found

    def problems(self, body: Any) -> list[str]:
        return self.operation.contract.problems(self.pointer, body)
