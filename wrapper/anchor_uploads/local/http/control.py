"""What a test asks of the server itself, beside the Anchor API: faults, a reset, whether it is there."""

from __future__ import annotations

import json

from attrs import asdict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from anchor_uploads.local.faults import Fault, Faults
from anchor_uploads.local.http import replies
from anchor_uploads.local.sessions import Sessions

__all__ = ["control_routes"]

_MAX_BYTES = 1024 * 1024


def control_routes(sessions: Sessions, faults: Faults) -> list[BaseRoute]:
    """Return the routes, which all answer JSON:

    - `GET /healthz`: 200 while the server takes requests. The only one that needs no key.
    - `POST /local/faults`: a JSON object with the fields of `Fault` adds one, and is answered with it, 201.
    - `GET /local/faults`: those that still wait for their requests.
    - `DELETE /local/faults`: from here on, every request is served normally.
    - `POST /local/reset`: the same, and all sessions end.
    """

    async def healthz(_request: Request) -> Response:
        return JSONResponse({"status": "stopping" if sessions.closing else "ok", "sessions": len(sessions)})

    async def handle_faults(request: Request) -> Response:
        # One route for all, so that a 405 lists every method that is allowed.
        if request.method == "POST":
            return await add_fault(request)
        if request.method == "DELETE":
            faults.clear()
        return JSONResponse({"data": [_as_json(fault) for fault in faults.pending]})

    async def add_fault(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_BYTES:
                return replies.error(400, f"the body is longer than {_MAX_BYTES} bytes")
        try:
            fields = json.loads(body)
            if not isinstance(fields, dict):
                raise ValueError("pass a JSON object with the fields of a fault")
            fault = faults.add(fields.pop("operation", None), **fields)
        except (ValueError, RecursionError) as problem:
            return replies.error(400, f"no fault was added: {problem}")
        return JSONResponse({"data": _as_json(fault)}, 201)

    async def reset(_request: Request) -> Response:
        faults.clear()
        count, _problems = await sessions.end_all("was ended by a reset of the server")
        return JSONResponse({"data": {"sessions_ended": count}})

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/local/faults", handle_faults, methods=["GET", "POST", "DELETE"]),
        Route("/local/reset", reset, methods=["POST"]),
    ]


def _as_json(fault: Fault) -> dict[str, object]:
    fields = asdict(fault, recurse=False)
    if isinstance(fault.body, bytes):
        fields["body"] = fault.body.decode("utf-8", "replace")
    return fields
