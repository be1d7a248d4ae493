"""`spec/operations.toml`: which of the published operations code is generated from.

The service publishes far more than an upload needs, and not all of it in a way that the generators can express. What
is not named here is left out before anything looks at it, so it can neither stop a generation nor change its output.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from openapi import yaml
from openapi.document import METHODS, Operation, listed, route, shown
from openapi.errors import SpecError
from openapi.values import mapping
from spec_pipeline import toml

__all__ = ["FILE", "added_by", "generated", "named_by", "refuse_missing"]

FILE = "operations.toml"
_TARGET = re.compile(rf"\$\.paths\[(['\"])(?P<path>/[^'\"]*)\1\]\.(?P<method>{'|'.join(METHODS)})\b")


def generated(spec: Path) -> list[Operation]:
    """Return what `operations.toml` in the directory `spec` names; without that file, what the overlay names."""
    file = spec / FILE
    if not file.exists():
        return named_by(yaml.load((spec / "overlay.yaml").read_bytes(), name="spec/overlay.yaml"))
    place = f"spec/{FILE}"
    settings = toml.load(file.read_bytes(), name=place)
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


def refuse_missing(document: dict[str, Any], wanted: Iterable[Operation], place: str) -> None:
    """Raise `SpecError` for what is wanted and not published."""
    there = listed(document)
    routes = {route(*operation) for operation in there}
    missing = [shown(operation) for operation in wanted if route(*operation) not in routes]
    if missing:
        raise SpecError(
            f"{', '.join(missing)}: code is generated from this, but it is not published here. Published: "
            f"{', '.join(map(shown, there)) or 'nothing'}. Change spec/{FILE} and the overlay to what took its place, "
            "or vendor the page that has it",
            place,
        )
