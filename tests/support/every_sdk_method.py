"""Calls every method of the official SDK for Python, and prints a line of JSON for what became of each.

Run by the Python of an environment that has the SDK; the environment says where the service is.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

# An end of sessions leaves none for those after it.
LAST = ("sessions.delete_session", "sessions.delete_all_sessions")


def main() -> None:
    sdk: Any = importlib.import_module("anchorbrowser")
    client = sdk.Anchorbrowser(max_retries=0, timeout=60)
    session_id = client.sessions.create_session().data.id
    methods = dict(methods_of(client))
    for name in (*sorted(methods.keys() - set(LAST)), *LAST):
        method = methods[name]
        told: dict[str, object] = {"method": name}
        try:
            use(method(**arguments(method, session_id)))
        except sdk.APIStatusError as error:
            told.update(status=error.status_code, message=error.body["error"]["message"])
        except Exception as error:
            told.update(problem=repr(error))
        print(json.dumps(told), flush=True)


def methods_of(client: Any) -> Iterator[tuple[str, Callable[..., Any]]]:
    kinds = importlib.import_module("anchorbrowser._resource").SyncAPIResource
    for resource in dir(type(client)):
        if not resource.startswith("_") and isinstance(getattr(client, resource, None), kinds):
            for name, member in inspect.getmembers(getattr(client, resource), inspect.ismethod):
                if not name.startswith("_"):
                    yield f"{resource}.{name}", member


def arguments(method: Callable[..., Any], session_id: str) -> dict[str, object]:
    """Return something for each argument that has to be given; only the service looks at what it is."""
    return {
        parameter.name: session_id if parameter.name == "session_id" else value(str(parameter.annotation))
        for parameter in inspect.signature(method).parameters.values()
        if parameter.default is inspect.Parameter.empty
    }


def value(annotation: str) -> object:
    literal = re.match(r"""Literal\[["'](.*?)["']""", annotation)
    if literal:
        return literal[1]
    kinds = {"str": "x", "int": 1, "float": 1.0, "bool": True, "FileTypes": ("a.txt", b"x"), "Iterable": [], "List": []}
    return next((given for kind, given in kinds.items() if annotation.startswith(kind)), {})


def use(result: Any) -> None:
    """Do what makes lazy results speak to the service: helpers return browsers to enter, and tasks to wait for."""
    if hasattr(result, "__enter__"):
        with result:
            pass
    elif isinstance(result, dict):
        for part in result.values():
            if hasattr(part, "result"):
                part.result(60)


if __name__ == "__main__":
    main()
