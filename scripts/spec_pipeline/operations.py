"""`spec/operations.toml`: which of the published operations code is generated from.

The service publishes far more than an upload needs, and not all of it in a way that the generators can express. What
is not named here is left out before anything looks at it, so it can neither stop a generation nor change its output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from spec_pipeline import toml, yaml_documents
from spec_pipeline.checked import mapping
from spec_pipeline.errors import SpecError
from spec_pipeline.plain import operations
from spec_pipeline.spelling import METHODS

__all__ = ["Operation", "added_by", "generated", "named_by", "published", "refuse_missing", "route", "select", "shown"]

FILE = "operations.toml"
Operation = tuple[str, str]
"""Method, in lower case, and path."""

_TARGET = re.compile(rf"\$\.paths\[(['\"])(?P<path>/[^'\"]*)\1\]\.(?P<method>{'|'.join(METHODS)})\b")


def route(method: str, path: str) -> Operation:
    """Return what is the same for operations that are called alike: the names in a path are not sent."""
    return method, re.sub(r"\{[^{}]*\}", "{}", path)


def shown(operation: Operation) -> str:
    return f"{operation[0].upper()} {operation[1]}"


def generated(spec: Path) -> list[Operation]:
    """Return what `operations.toml` in the directory ``spec`` names; without that file, what the overlay names."""
    file = spec / FILE
    if not file.exists():
        return named_by(yaml_documents.load((spec / "overlay.yaml").read_text("utf-8"), name="spec/overlay.yaml"))
    place = f"spec/{FILE}"
    try:
        settings = toml.loads(file.read_text("utf-8"))
    except toml.TOMLDecodeError as error:
        raise SpecError(f"cannot be read: {error}", place) from error
    lines = settings.get("generate")
    if list(settings) != ["generate"] or not isinstance(lines, list) or not lines:
        raise SpecError('holds one list and nothing else: generate = ["POST /path", …]', place)
    return [_operation(line, place) for line in lines]


def _operation(line: object, place: str) -> Operation:
    method, _, path = str(line).partition(" ")
    if method.lower() not in METHODS or not path.startswith("/"):
        raise SpecError(f'{line!r} is no operation: write it as "POST /path"', place)
    return method.lower(), path


def named_by(overlay: object) -> list[Operation]:
    """Return the operations that the overlay's targets name; those it adds itself are not published."""
    actions = overlay.get("actions") if isinstance(overlay, dict) else None
    found = [_TARGET.match(str(action.get("target"))) for action in actions or () if isinstance(action, dict)]
    return list(dict.fromkeys((match["method"], match["path"]) for match in found if match))


def added_by(overlay: object) -> list[Operation]:
    """Return the operations that the overlay adds, with updates of the document's paths."""
    actions = overlay.get("actions") if isinstance(overlay, dict) else None
    updates = [action.get("update") for action in actions or () if action.get("target") == "$.paths"]
    return [
        (method, path)
        for update in updates
        for path, item in mapping(update, "/actions").items()
        for method in mapping(item, "/actions")
        if method in METHODS
    ]


def published(document: dict[str, Any]) -> list[Operation]:
    return [(method, path) for method, path, _, _ in operations(document)]


def select(document: dict[str, Any], wanted: Iterable[Operation]) -> dict[str, Any]:
    """Return ``document`` with those of its operations that are wanted; what they share stays where it is."""
    kept = {route(*operation) for operation in wanted}
    paths: dict[str, Any] = {}
    for path, item in mapping(document.get("paths", {}), "/paths").items():
        if not isinstance(item, dict):
            continue
        rest = {key: part for key, part in item.items() if key not in METHODS or route(key, path) in kept}
        if any(key in METHODS for key in rest) or "$ref" in rest:
            paths[path] = rest
    return {**document, "paths": paths}


def refuse_missing(document: dict[str, Any], wanted: Iterable[Operation], place: str) -> None:
    """Raise `SpecError` for what is wanted and not published."""
    there = published(document)
    routes = {route(*operation) for operation in there}
    missing = [shown(operation) for operation in wanted if route(*operation) not in routes]
    if missing:
        raise SpecError(
            f"{', '.join(missing)}: code is generated from this, but it is not published here. Published: "
            f"{', '.join(map(shown, there)) or 'nothing'}. Change spec/{FILE} and the overlay to what took its place, "
            "or vendor the page that has it",
            place,
        )
