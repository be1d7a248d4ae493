"""A whole published document: one operation that matters, between many that do not."""

from __future__ import annotations

import copy
from typing import Any, TypeAlias

__all__ = ["around"]

Node: TypeAlias = "dict[str, Any]"

# What OpenAPI 3.1 takes from JSON Schema and generators of code do not express, and what they would stumble over.
_SCHEMAS: list[Node] = [
    {"type": ["string", "null"], "enum": ["a", "b", None]},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"if": {"required": ["a"]}, "then": {"minProperties": 2}, "else": {"not": {}}},
    {"type": "object", "patternProperties": {"^x-": {"const": 7}}, "unevaluatedProperties": False},
    {"$defs": {"node": {"$anchor": "node", "type": "string"}}, "$ref": "#/components/schemas/Shared"},
    {"type": "array", "contains": {"type": "null"}, "minContains": 2, "maxContains": 3},
    {"type": "object", "dependentSchemas": {"a": {"required": ["b"]}}, "propertyNames": {"pattern": "^[a-z]+$"}},
    {"type": "string", "contentMediaType": "application/jwt", "contentEncoding": "base64url"},
    {"oneOf": [True, False, {"$ref": "#/components/schemas/Tree"}]},
    {"type": "object", "nullable": True, "properties": {"old": {"type": "integer", "exclusiveMinimum": True}}},
    {"$ref": "https://elsewhere.example/schema.json#/$defs/thing", "description": "Not in this document"},
    {"nullable": True, "allOf": [{"$ref": "#/components/schemas/Tree"}], "description": "Two readings"},
    {"$dynamicRef": "#anything", "examples": [{"$ref": "this is data"}]},
]


def around(document: Node, *, paths: int) -> Node:
    """Return ``document`` with as many ``paths`` more, and its own parts where a whole document has them.

    What operations have in common is referred to, what they inherit is said by the document, and some of what is said
    about the others no reader of this operation may look at.
    """
    whole: Node = copy.deepcopy(document)
    ((path, item),) = whole["paths"].items()
    ((_method, operation),) = item.items()
    components: Node = whole["components"]
    components["schemas"] |= {
        "Shared": {"type": "object", "properties": {"tree": {"$ref": "#/components/schemas/Tree"}}},
        "Tree": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/Tree"}}},
        **{f"Thing{number}": _thing(number) for number in range(paths)},
    }
    components["parameters"] = {"first": operation["parameters"][0], "page": _query("page"), "none": {"name": 7}}
    components["responses"] = {"Missing": operation["responses"]["404"], "Unread": {"content": []}}
    components["requestBodies"] = {"Body": {"content": {"text/plain": {"schema": {"type": "string"}}}}}
    components["pathItems"] = {"Shared": {"get": {"responses": {"200": {"description": "Shared"}}}}}
    components["securitySchemes"] |= {
        "oauth": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://a.example", "scopes": {}}}},
        "certificate": {"type": "mutualTLS"},
    }
    operation["parameters"][0] = {"$ref": "#/components/parameters/first"}
    operation["responses"]["404"] = {"$ref": "#/components/responses/Missing"}
    whole["security"] = operation.pop("security")
    whole["webhooks"] = {"done": {"post": {"responses": {"200": {"description": "Heard"}}}}}
    whole["tags"] = [{"name": f"Things {number}"} for number in range(paths)]
    others = {f"/v1/things{number}/{{id}}": _item(number) for number in range(paths)}
    # In the middle, so that neither the first nor the last can be meant.
    before = dict(list(others.items())[: paths // 2])
    whole["paths"] = {**before, path: item, **others}
    return whole


def _thing(number: int) -> Node:
    schema = _SCHEMAS[number % len(_SCHEMAS)]
    return {
        "title": f"Thing {number}",
        "type": "object",
        "properties": {f"field{index}": copy.deepcopy(schema) for index in range(8)},
        "allOf": [{"$ref": f"#/components/schemas/Thing{number + 1}"}],
    }


def _query(name: str) -> Node:
    return {"name": name, "in": "query", "schema": {"type": "integer"}}


def _item(number: int) -> Node:
    if number == 0:
        return {"$ref": "#/components/pathItems/Shared"}
    answer = {"application/json": {"schema": {"$ref": f"#/components/schemas/Thing{number}"}}}
    return {
        "servers": [{"url": "https://{region}.example", "variables": {"region": {"default": "eu"}}}],
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
        "get": {
            "tags": [f"Things {number}"],
            "parameters": [{"$ref": "#/components/parameters/page"}, {"$ref": "#/components/parameters/gone"}],
            "responses": {
                "200": {"description": "There", "content": answer, "links": {"self": {"operationId": "unknown"}}},
                "404": {"$ref": "#/components/responses/Missing"},
            },
        },
        "post": {
            "requestBody": {"$ref": "#/components/requestBodies/Body"},
            "responses": {"default": {"$ref": "./responses.yaml#/Created"}},
            "callbacks": {"made": {"{$request.body#/hook}": {"post": {"responses": {}}}}},
            "security": [{"oauth": ["write"], "certificate": []}, {"unknown": []}],
        },
        "delete": {"responses": 7},
    }
