"""Rewritings of the contract that mean nothing, each to a text that reads differently."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from openapi import yaml
from openapi.document import operations

__all__ = ["REWRITES"]

Node: TypeAlias = "dict[str, Any]"

_UNORDERED = ("required", "enum", "tags")


def _reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: list(reversed(item)) if key in _UNORDERED and isinstance(item, list) else _reordered(item)
            for key, item in reversed(value.items())
        }
    return [_reordered(item) for item in value] if isinstance(value, list) else value


def _quoted(value: Any, indent: str = "") -> str:
    if isinstance(value, dict) and value:
        return "".join(f"\n\n{indent}{json.dumps(key)}: {_quoted(item, indent + '   ')}" for key, item in value.items())
    if isinstance(value, list) and value:
        return "".join(f"\n{indent}-\n{indent}   {_quoted(item, indent + '   ').lstrip()}" for item in value)
    return json.dumps(value)


def _commented(document: Node) -> str:
    lines = yaml.dump(document).splitlines()
    return "".join(f"{line}\n{' ' * (len(line) - len(line.lstrip()))}# {number}\n" for number, line in enumerate(lines))


def _anchored(document: Node) -> str:
    ((_, _, operation, _),) = operations(document)
    content = json.dumps(operation["responses"]["500"]["content"])
    first, *others = json.dumps(document).split(content)
    if len(others) < 2:
        raise LookupError("nothing else is like the content of the 500 any more: alias other parts")
    return f"{first}&content {content}" + "*content ".join(others)


REWRITES: dict[str, Callable[[Node], str]] = {
    "another order": lambda document: yaml.dump(_reordered(document)),
    "flow style": json.dumps,
    "quoted block style": lambda document: _quoted(document).lstrip(),
    "comments": _commented,
    "Windows line ends": lambda document: yaml.dump(document).replace("\n", "\r\n"),
    "anchors and aliases": _anchored,
}
