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

__all__ = ["Body", "Contract", "Operation", "Reply"]

Json = Mapping[str, Any]

_HERE = "urn:contract"


class Contract:
    """One OpenAPI document; a place in it is a JSON pointer."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._registry: Registry[Any] = Registry().with_resource(_HERE, DRAFT202012.create_resource(document))

    @classmethod
    def read(cls, path: Path) -> Contract:
        return cls(mapping(yaml.load(path.read_bytes(), name=path.name), ""))

    def operations(self) -> Iterator[Operation]:
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    yield Operation(self, method.upper(), path, item[method])

    def operation(self, method: str, path: str) -> Operation:
        """Return the operation of a method and a path as it stands in the document. Raises `KeyError`."""
        return Operation(self, method, path, self.document["paths"][path][method.lower()])

    def named(self, operation_id: str) -> Operation:
        """Return the operation with this operationId. Raises `KeyError`."""
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
        """Return what stands at a JSON pointer (RFC 6901)."""
        place: Any = self.document
        for step in steps(pointer):
            place = place[int(step)] if isinstance(place, list) else place[step]
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
    def replies(self) -> list[Reply]:
        """All that is documented, in the order of the document."""
        return [Reply(self, status) for status in self.description["responses"]]

    def reply(self, status: int) -> Reply | None:
        """Return what is documented for a status, or None if nothing is."""
        # OpenAPI 3.1, "Responses Object": a status of its own comes before a range, and `default` is for the rest.
        for documented in (str(status), f"{status // 100}XX", "default"):
            if documented in self.description["responses"]:
                return Reply(self, documented)
        return None

    def key_header(self) -> str:
        """Return the header that the API key goes into."""
        document = self.contract.document
        for requirement in self.description.get("security", document.get("security", [])):
            for name in requirement:
                scheme = document["components"]["securitySchemes"][name]
                if scheme["type"] == "apiKey" and scheme["in"] == "header":
                    return str(scheme["name"])
        raise ValueError(f"{self}: the contract asks for no key in a header")


@dataclass(frozen=True)
class Reply:
    """One documented answer. `status` is as it is documented: `200`, `4XX` or `default`."""

    operation: Operation
    status: str

    @property
    def bodies(self) -> list[Body]:
        """The ways in which its body may be written; none if it has no body."""
        response = self.operation.description["responses"][self.status]
        return [Body(self, media_type) for media_type in response.get("content", {})]

    def body(self, essence: str) -> Body | None:
        """Return the body in a media type, which is given without parameters and in lower case."""
        return next((body for body in self.bodies if body.essence == essence), None)

    @property
    def json(self) -> Body | None:
        """The first body that is JSON, if one is."""
        return next((body for body in self.bodies if body.is_json), None)


@dataclass(frozen=True)
class Body:
    """What is documented about the body of an answer in one media type."""

    reply: Reply
    media_type: str

    @property
    def contract(self) -> Contract:
        return self.reply.operation.contract

    @property
    def essence(self) -> str:
        return self.media_type.partition(";")[0].strip().lower()

    @property
    def is_json(self) -> bool:
        return self.essence == "application/json" or self.essence.endswith("+json")

    @property
    def pointer(self) -> str:
        place = f"{self.reply.operation.pointer}/responses/{self.reply.status}/content"
        return f"{place_of(place, self.media_type)}/schema"

    @property
    def schema(self) -> Json:
        """Its schema; where none is documented, the one that allows anything."""
        content = self.reply.operation.description["responses"][self.reply.status]["content"]
        found: Json = content[self.media_type].get("schema", {})
        return found

    def problems(self, value: Any) -> list[str]:
        return self.contract.problems(self.pointer, value) if self.schema else []
