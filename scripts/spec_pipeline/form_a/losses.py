"""What form A cannot hold, taken out of documents of other forms."""

from __future__ import annotations

import copy

from openapi.document import Node, operations

__all__ = ["without_what_form_a_loses"]

_LOST = ("tags", "summary", "description", "externalDocs", "operationId")


def without_what_form_a_loses(document: Node) -> Node:
    """Return a copy of a document in the one layout, without what only some of the published forms can hold.

    Thus the same contract gives the same text, whichever form it was published in; `conversion` lists what is lost.
    The overlay has words of its own for most of it, and a second list of tags would be added to the first.
    """
    result = copy.deepcopy(document)
    result["info"] = {key: item for key, item in result["info"].items() if key in ("title", "version")}
    for _method, _path, operation, _at in operations(result):
        for key in _LOST:
            operation.pop(key, None)
        bodies = [*operation["responses"].values(), operation.get("requestBody", {})]
        for media in (media for body in bodies for media in body.get("content", {}).values()):
            media.pop("example", None)
            examples = media.pop("examples", {})
            kept = {name: item for name, item in examples.items() if name != "example" or "summary" in item}
            if kept:
                media["examples"] = kept
    return {key: item for key, item in result.items() if key not in ("tags", "externalDocs", "webhooks")}
