"""One layout for OpenAPI documents that say the same, so that they can be compared and merged.

OpenAPI leaves its authors a choice of where to say a thing. Here it stands in one place only, which is where the
conversion from form A puts it:

- parameters and security at the operation, with `security: []` for the document; servers at the document, unless
  operations differ in them;
- references followed, but for those to schemas; what nothing refers to is gone;
- a parameter's description at the parameter, no `deprecated: false`, and the spelling of OpenAPI 3.1.

Pointers into the result are therefore pointers into `spec/openapi.yaml`.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Iterator

from openapi.document import METHODS, Node, operations
from openapi.errors import SpecError
from openapi.pointers import followed, place_of
from openapi.spelling import respelled
from openapi.values import mapping, members, same, sequence

__all__ = ["laid_out"]

# The order in which the conversion from form A writes them; anything else follows in the order of its author.
_ORDER = {
    "operation": (
        *("tags", "summary", "description", "externalDocs", "operationId", "deprecated", "parameters", "requestBody"),
        *("responses", "callbacks", "security", "servers"),
    ),
    "parameter": ("name", "in", "required", "deprecated", "description", "schema"),
    "body": ("description", "required", "content"),
    "response": ("description", "headers", "content"),
    "media": ("schema", "encoding", "example", "examples"),
    "encoding": (),
    "scheme": ("type", "in", "name", "scheme", "bearerFormat", "description"),
}
_SCHEMAS = "#/components/schemas/"
# The one of OpenAPI 3.1, and that on which it is built.
_DIALECTS = ("https://spec.openapis.org/oas/3.1/dialect/base", "https://json-schema.org/draft/2020-12/schema")
_LOCATIONS = ("path", "query", "header", "cookie")


def laid_out(document: Node) -> Node:
    """Return the same contract in the one layout; `document`, of OpenAPI 3.0 or 3.1, is left alone.

    Raises:
        SpecError: a part is not what OpenAPI has there, or a reference leads nowhere. Its place is a JSON pointer.
    """
    return _Layout(respelled(mapping(document, ""))).document()


class _Layout:
    def __init__(self, document: Node) -> None:
        self._document = document

    def document(self) -> Node:
        document = self._document
        rest = {key: item for key, item in document.items() if key not in ("openapi", "info", "servers", "security")}
        paths: Node = {}
        dialect = document.get("jsonSchemaDialect", _DIALECTS[0])
        if dialect not in _DIALECTS:
            raise SpecError(f"schemas of the dialect {dialect!r} are not known here", "/jsonSchemaDialect")
        for path, value, at in members(document.get("paths", {}), "/paths"):
            item, place = followed(self._document, value, at)
            for method in METHODS:
                if method in item:
                    operation = self._operation(item, method, place, path)
                    paths.setdefault(path, {})[method] = operation
        found = [operation for item in paths.values() for operation in item.values()]
        servers = found[0]["servers"] if found else document.get("servers", [])
        alike = all(same(operation["servers"], servers) for operation in found)
        for operation in found if alike else ():
            del operation["servers"]
        return {
            "openapi": "3.1.0",
            "info": mapping(document.get("info", {}), "/info"),
            "servers": servers if alike else [],
            "security": [],
            **{key: item for key, item in rest.items() if key not in ("paths", "components")},
            "paths": paths,
            "components": self._components(paths),
        }

    def _operation(self, item: Node, method: str, place: str, path: str) -> Node:
        at = place_of(place, method)
        own = mapping(item[method], at)
        result: Node = {**own}
        if own.get("deprecated") is False:
            del result["deprecated"]
        parameters: dict[tuple[str, str], Node] = {}
        for holder, holder_at in ((item, place), (own, at)):
            listed = place_of(holder_at, "parameters")
            here: dict[tuple[str, str], Node] = {}
            for index, value in enumerate(sequence(holder.get("parameters", []), listed)):
                parameter = self._parameter(value, place_of(listed, index))
                location, name = str(parameter.get("in")), str(parameter.get("name"))
                # The names of headers are the same in either case (RFC 9110 §5.1).
                key = (location, name.lower() if location == "header" else name)
                if key in here:
                    raise SpecError(f"the {location} parameter {name!r} stands here twice", place_of(listed, index))
                here[key] = parameter
            parameters |= here
        result.pop("parameters", None)
        if parameters:
            result["parameters"] = _in_order(parameters.values(), path)
        if "requestBody" in own:
            result["requestBody"] = self._with_content(own["requestBody"], place_of(at, "requestBody"), "body")
        result["responses"] = {
            status: self._with_content(response, response_at, "response")
            for status, response, response_at in members(own.get("responses", {}), place_of(at, "responses"))
            if not status.startswith("x-")
        }
        result["security"] = own.get("security", self._document.get("security", []))
        result["servers"] = own.get("servers", item.get("servers", self._document.get("servers", [])))
        return _ordered(result, "operation")

    def _parameter(self, value: object, place: str) -> Node:
        parameter = self._with_content(value, place, "parameter")
        schema = parameter.get("schema")
        if isinstance(schema, dict) and "description" in schema and "$ref" not in schema:
            description = schema.pop("description")
            parameter.setdefault("description", description)
        if parameter.get("deprecated") is False:
            del parameter["deprecated"]
        return _ordered(parameter, "parameter")

    def _with_content(self, value: object, place: str, role: str) -> Node:
        """Return a parameter, body, response or encoding with all that it holds below it, and nothing shared."""
        node, place = followed(self._document, value, place)
        result = copy.deepcopy(node)
        if "headers" in result:
            result["headers"] = {
                name: self._with_content(header, at, "parameter")
                for name, header, at in members(result["headers"], place_of(place, "headers"))
            }
        if "links" in result:
            result["links"] = self._followed(result["links"], place_of(place, "links"))
        if "content" in result:
            result["content"] = {
                name: self._media(media, at)
                for name, media, at in members(result["content"], place_of(place, "content"))
            }
        return _ordered(result, role)

    def _media(self, value: object, place: str) -> Node:
        media = copy.deepcopy(mapping(value, place))
        if "examples" in media:
            media["examples"] = self._followed(media["examples"], place_of(place, "examples"))
        if "encoding" in media:
            media["encoding"] = {
                name: self._with_content(encoding, at, "encoding")
                for name, encoding, at in members(media["encoding"], place_of(place, "encoding"))
            }
        return _ordered(media, "media")

    def _followed(self, named: object, place: str) -> Node:
        held = {name: followed(self._document, item, at)[0] for name, item, at in members(named, place)}
        return copy.deepcopy(held)

    def _components(self, paths: Node) -> Node:
        components = mapping(self._document.get("components", {}), "/components")
        schemas = mapping(components.get("schemas", {}), "/components/schemas")
        schemes = mapping(components.get("securitySchemes", {}), "/components/securitySchemes")
        reached: set[str] = set()
        waiting = list(_references(paths))
        while waiting:
            reference, place = waiting.pop(0)
            name = reference.removeprefix(_SCHEMAS)
            if name in reached:
                continue
            if name not in schemas:
                # Also for a reference into the middle of something: the parts of it are laid out anew.
                raise SpecError(f"{reference!r} names no schema below {_SCHEMAS}: the document may be cut short", place)
            reached.add(name)
            waiting += _references(schemas[name], place_of("/components/schemas", name))
        for name in reached:
            _refuse_part_of_itself(name, schemas)
        used: set[str] = set()
        for method, path, operation, place in operations({"paths": paths}):
            for requirement in operation["security"]:
                used |= requirement.keys()
            if unknown := sorted(used - schemes.keys()):
                at = place_of(place, "security")
                raise SpecError(f"{method.upper()} {path} asks for {unknown[0]!r}, which is no security scheme", at)
        parts = {
            "schemas": {name: schema for name, schema in schemas.items() if name in reached},
            "securitySchemes": {
                name: _ordered(followed(self._document, scheme, at)[0], "scheme")
                for name, scheme, at in members(schemes, "/components/securitySchemes")
                if name in used
            },
        }
        return {key: part for key, part in parts.items() if part}


def _references(value: object, place: str = "/paths", *, named: bool = False) -> Iterator[tuple[str, str]]:
    """Yield each reference to a schema below `value`, those of discriminators included, and its place.

    named: whether its members are called as their authors like, also like a keyword.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            at = place_of(place, key)
            if named:
                yield from _references(item, at)
            elif key == "$ref" and isinstance(item, str):
                yield item, at
            elif key == "discriminator" and isinstance(item, dict):
                for target in mapping(item.get("mapping", {}), place_of(at, "mapping")).values():
                    if isinstance(target, str):
                        yield target if "/" in target else _SCHEMAS + target, place_of(at, "mapping")
            elif key not in ("example", "examples", "default", "enum", "const"):
                yield from _references(item, at, named=key in ("properties", "patternProperties", "dependentSchemas"))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _references(item, place_of(place, index))


def _refuse_part_of_itself(name: str, schemas: Node) -> None:
    """Raise `SpecError` for a schema that holds what it is to hold if it does: nobody can tell what that allows."""
    waiting, seen = [schemas[name]], set()
    while waiting:
        schema = waiting.pop()
        if not isinstance(schema, dict):
            continue
        waiting += [part for key in ("allOf", "anyOf", "oneOf") for part in schema.get(key, ())] + [schema.get("not")]
        target = str(schema.get("$ref", "")).removeprefix(_SCHEMAS)
        if target == name:
            raise SpecError(f"{name!r} is a part of itself", place_of("/components/schemas", name))
        if target in schemas and target not in seen:
            seen.add(target)
            waiting.append(schemas[target])


def _in_order(parameters: Iterable[Node], path: str) -> list[Node]:
    """Return them sorted as form A does: by where they are, and those of the path as they stand in it."""
    names = re.findall(r"\{([^{}]*)\}", path)

    def position(parameter: Node) -> tuple[int, int]:
        location, name = parameter.get("in"), parameter.get("name")
        return (
            _LOCATIONS.index(location) if location in _LOCATIONS else len(_LOCATIONS),
            names.index(name) if location == "path" and name in names else len(names),
        )

    return sorted(parameters, key=position)


def _ordered(node: Node, role: str) -> Node:
    order = _ORDER[role]
    return {
        **{key: node[key] for key in order if key in node},
        **{key: item for key, item in node.items() if key not in order},
    }
