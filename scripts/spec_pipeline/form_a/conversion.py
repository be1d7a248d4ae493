"""From Mintlify's intermediate form ("form A") to plain OpenAPI 3.1.0.

Strict on purpose: a key not known here, or a document that can be read in two ways, is an error
that names the place. Nobody has published what form A means, so a guess would be a silent one.

What form A has lost, and this therefore cannot give back:

- the operation's tags, summary, description and operationId (the page's prose has the middle two);
- `info`: title and version are those of the published OpenAPI documents, its description is gone;
- the security schemes' names: the title with `_` for spaces. Which of `_`, `-` or a space
  stood there is lost; where the API published both forms, it was `_`;
- where security and servers were declared, document, path or operation: servers come out at the
  document and security at the operation, with `security: []` for the document;
- whether a description stood at a parameter or at its schema: it comes out at the parameter. That
  of a request or response comes out once, though it stands at each of its media types;
- a media type's own `example`, and an example named `example` without a summary. Form A has one
  of that name wherever the authors named none, filled in (`<string>`, 123) where they gave no
  value either, so theirs cannot be told from filler. All of these are dropped; examples of other
  names, and the `example` of a schema, are the authors' and kept;
- whether a component was referred to by, or inlined with, an `allOf` of several schemas;
- components that the operation does not use.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from openapi.document import METHODS
from openapi.errors import SpecError
from openapi.pointers import place_of
from openapi.values import boolean, fields, mapping, members, one_member, same, sequence, string
from spec_pipeline.form_a.schemas import Schemas

__all__ = ["to_openapi"]

_TITLE = "AnchorBrowser API"
_VERSION = "1.0.0"

_STATUS = re.compile(r"[1-5](\d\d|XX)|default")
_MEDIA_TYPE = re.compile(r"[\w.+*-]+/[\w.+*-]+")
_PLACEHOLDER = "_mintlify/placeholder"
_LOCATIONS = ("path", "query", "header", "cookie")

Node = dict[str, Any]


def to_openapi(document: object) -> dict[str, Any]:
    """Convert a document of form A, as `yaml.load` returns it.

    The result shares nothing with `document`.

    Raises:
        SpecError: a key is unknown or missing, a value is of the wrong kind, or the document
            contradicts itself or can be read in two ways. Its place is a JSON pointer.
    """
    top = fields(document, "", required=("paths", "components"))
    schemas = Schemas()
    servers, path, method, operation, schemes = _endpoint(top["paths"], "/paths", schemas)
    components = fields(top["components"], "/components", required=(), optional=("schemas",))
    schemas.define(components.get("schemas", {}), "/components/schemas")
    schemas.check_references()
    gathered = {"schemas": schemas.components, "securitySchemes": schemes}
    return {
        "openapi": "3.1.0",
        "info": {"title": _TITLE, "version": _VERSION},
        "servers": servers,
        "security": [],
        "paths": {path: {method: operation}},
        "components": {key: part for key, part in gathered.items() if part},
    }


def _endpoint(value: object, place: str, schemas: Schemas) -> tuple[list[Node], str, str, Node, Node]:
    node = fields(
        value,
        place,
        required=("path", "method", "servers", "request", "response", "type"),
        optional=("deprecated",),
    )
    at = {key: place_of(place, key) for key in (*node, "deprecated")}
    if node["type"] != "path":
        raise SpecError(f"only endpoints of type path are known, not {node['type']!r}", at["type"])
    path = string(node["path"], at["path"])
    if not path.startswith("/"):
        raise SpecError(f"a path starts with a slash: {path!r}", at["path"])
    method = string(node["method"], at["method"])
    if method not in METHODS:
        raise SpecError(f"unknown method {method!r}: OpenAPI has {', '.join(METHODS)}", at["method"])
    servers = [
        _server(server, place_of(at["servers"], index))
        for index, server in enumerate(sequence(node["servers"], at["servers"]))
    ]

    request = fields(node["request"], at["request"], required=("security", "parameters", "body"))
    in_request = {key: place_of(at["request"], key) for key in request}
    schemes, security = _security(request["security"], in_request["security"])
    parameters = list(_parameters(request["parameters"], in_request["parameters"], schemas))
    _check_path_parameters(path, parameters, in_request["parameters"])
    body = _request_body(request["body"], in_request["body"], schemas)
    responses = _responses(node["response"], at["response"], schemas)

    operation: Node = {}
    if boolean(node.get("deprecated", False), at["deprecated"]):
        operation["deprecated"] = True
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = body
    operation["responses"] = responses
    operation["security"] = security
    return servers, path, method, operation, schemes


def _server(value: object, place: str) -> Node:
    node = fields(value, place, required=("url",), optional=("description",))
    return {key: string(item, at) for key, item, at in members(node, place)}


def _security(value: object, place: str) -> tuple[Node, list[Node]]:
    schemes: Node = {}
    requirements: list[Node] = []
    for index, alternative in enumerate(sequence(value, place)):
        at = place_of(place, index)
        node = fields(alternative, at, required=("title", "parameters"))
        title = string(node["title"], place_of(at, "title"))
        name = title.replace(" ", "_")
        if not re.fullmatch(r"[A-Za-z0-9._-]+", name):
            raise SpecError(f"the title {title!r} does not give a component's name", place_of(at, "title"))
        scheme = _scheme(node["parameters"], place_of(at, "parameters"))
        if not same(schemes.setdefault(name, scheme), scheme):
            raise SpecError(f"two definitions of the security scheme {name!r}", at)
        requirements.append({name: []})
    return schemes, requirements


def _scheme(value: object, place: str) -> Node:
    node = fields(value, place, required=("query", "header", "cookie"))
    schemes: list[Node] = []
    for location, names, names_at in members(node, place):
        for name, definition, at in members(names, names_at):
            fields(definition, at, required=("type",), optional=("description",))
            scheme = {key: string(item, item_at) for key, item, item_at in members(definition, at)}
            if scheme.pop("type") != "apiKey":
                raise SpecError(
                    "only schemes of type apiKey are known: teach spec_pipeline.form_a.conversion this one"
                    " after checking what it means",
                    place_of(at, "type"),
                )
            schemes.append({"type": "apiKey", "in": location, "name": name, **scheme})
    if len(schemes) != 1:
        raise SpecError(
            f"one alternative with {len(schemes)} keys: form A gives one title to all of them, so"
            " which scheme is which cannot be told",
            place,
        )
    return schemes[0]


def _parameters(value: object, place: str, schemas: Schemas) -> Iterator[Node]:
    node = fields(value, place, required=_LOCATIONS)
    for location in _LOCATIONS:
        for name, parameter, at in members(node[location], place_of(place, location)):
            held = fields(parameter, at, required=("schema",))
            schema, schema_at = one_member(held["schema"], place_of(at, "schema"))
            yield _parameter(name, location, schema, schema_at, schemas)


def _parameter(name: str, location: str, value: object, place: str, schemas: Schemas) -> Node:
    node = mapping(value, place)
    result: Node = {"name": name, "in": location}
    required = place_of(place, "required")
    if "required" in node:
        result["required"] = boolean(node["required"], required)
    if location == "path" and not result.get("required"):
        raise SpecError(
            "a path parameter that is not required: OpenAPI has none",
            required if "required" in node else place,
        )
    if "description" in node:
        result["description"] = string(node["description"], place_of(place, "description"))
    if "deprecated" in node:
        raise SpecError(
            "is the parameter deprecated, or its schema? Look it up before using this page",
            place_of(place, "deprecated"),
        )
    result["schema"] = schemas.mintlify(node, place, beside=("required", "description"))
    return result


def _check_path_parameters(path: str, parameters: list[Node], place: str) -> None:
    placeholders = re.findall(r"\{([^{}]*)\}", path)
    if re.search(r"[{}]", re.sub(r"\{[^{}]+\}", "", path)):
        raise SpecError(f"braces that do not match: {path!r}", "/paths/path")
    if len(set(placeholders)) != len(placeholders):
        raise SpecError(f"a placeholder stands twice in {path!r}", "/paths/path")
    names = [parameter["name"] for parameter in parameters if parameter["in"] == "path"]
    for name in names:
        if name not in placeholders:
            raise SpecError(
                f"the path {path!r} has no placeholder {{{name}}}",
                place_of(place_of(place, "path"), name),
            )
    for name in placeholders:
        if name not in names:
            raise SpecError(
                f"the placeholder {{{name}}} of the path is not among its parameters",
                place_of(place, "path"),
            )


def _request_body(value: object, place: str, schemas: Schemas) -> Node | None:
    content, description = _content(value, place, schemas, beside=("required",))
    if not content:
        if description:
            raise SpecError(f"no body, but a description of it: {description!r}", place)
        return None
    flags = []
    for _, media, at in members(value, place):
        schema, schema_at = one_member(mapping(media, at)["schemaArray"], place_of(at, "schemaArray"))
        flag = mapping(schema, schema_at).get("required")
        if flag is not None:
            boolean(flag, place_of(schema_at, "required"))
        flags.append(flag)
    if len({bool(flag) for flag in flags}) != 1:
        raise SpecError("the body is required in one media type and not in another", place)
    result: Node = {}
    if description is not None:
        result["description"] = description
    if flags[0] is not None:
        result["required"] = flags[0]
    return {**result, "content": content}


def _responses(value: object, place: str, schemas: Schemas) -> Node:
    responses: Node = {}
    for status, response, at in members(value, place):
        if not _STATUS.fullmatch(status):
            raise SpecError(f"{status!r} is no status, such as '200', '4XX' or 'default'", at)
        content, description = _content(response, at, schemas, beside=())
        if description is None:
            raise SpecError("a response without a description: check the published page", at)
        responses[status] = {"description": description}
        if content:
            responses[status]["content"] = content
    if not responses:
        raise SpecError("no response at all: check the published page", place)
    return responses


def _content(value: object, place: str, schemas: Schemas, *, beside: tuple[str, ...]) -> tuple[Node, str | None]:
    content: Node = {}
    descriptions: list[str | None] = []
    for media_type, media, at in members(value, place):
        node = fields(media, at, required=("schemaArray",), optional=("examples", "description"))
        schema, schema_at = one_member(node["schemaArray"], place_of(at, "schemaArray"))
        description = node.get("description")
        if description is not None:
            description = string(description, place_of(at, "description"))
        descriptions.append(description)
        if media_type == _PLACEHOLDER:
            _check_placeholder(node, at, schema, schema_at)
            continue
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise SpecError(f"unknown key {media_type!r}: it is no media type", at)
        content[media_type] = {"schema": schemas.mintlify(schema, schema_at, beside=beside)}
        examples = _examples(node.get("examples", {}), place_of(at, "examples"))
        if examples:
            content[media_type]["examples"] = examples
    if content and len(content) < len(descriptions):
        raise SpecError("it means no body, but there are other media types", place_of(place, _PLACEHOLDER))
    if len(set(descriptions)) > 1:
        raise SpecError("its media types have different descriptions: which of them holds?", place)
    return content, descriptions[0] if descriptions else None


def _check_placeholder(node: dict[str, object], place: str, schema: object, schema_at: str) -> None:
    held = fields(schema, schema_at, required=("type",), optional=("description",))
    if held["type"] != "any":
        raise SpecError(
            f"{_PLACEHOLDER} is known with type any only, not {held['type']!r}",
            place_of(schema_at, "type"),
        )
    if held.get("description", node.get("description")) != node.get("description"):
        raise SpecError("described in two ways: which of them holds?", schema_at)
    if _examples(node.get("examples", {}), place_of(place, "examples")):
        raise SpecError("no body, but an example of it", place_of(place, "examples"))


def _examples(value: object, place: str) -> Node:
    kept: Node = {}
    for name, example, at in members(value, place):
        node = fields(example, at, required=(), optional=("summary", "description", "value"))
        for key in ("summary", "description"):
            if key in node:
                string(node[key], place_of(at, key))
        if name == "example" and "summary" not in node:
            continue
        if "value" not in node:
            raise SpecError("an example without a value: check the published page", at)
        kept[name] = copy.deepcopy(node)
    return kept
