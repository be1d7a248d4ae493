"""One answer, held against what is documented for it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

from live_check.shapes import documented_shape, observed_shape, strangers, undocumented
from live_check.situations import Situation
from openapi.documented import Contract, Reply

__all__ = ["Finding", "Observed", "Verdict", "judge"]


class Verdict(Enum):
    """What an answer means for the contract."""

    AGREES = "agrees"
    OPEN = "open"
    CONTRADICTS = "contradicts"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Observed:
    """An answer as it came."""

    status: int
    content_type: str
    body: bytes
    request_id: str | None
    seconds: float

    def json(self) -> Any:
        """Return the body. Raises `ValueError` if it is not JSON."""
        try:
            return json.loads(self.body)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


@dataclass(frozen=True)
class Finding:
    """A line of the report: documented beside observed, and what to make of it."""

    name: str
    documented: str
    observed: str
    verdict: Verdict
    notes: tuple[str, ...] = ()
    status: int | None = None
    documented_statuses: tuple[int, ...] = ()
    shape: str | None = None
    message: str | None = None
    file_name: str | None = None
    path: str | None = None
    request_id: str | None = None
    seconds: float | None = None


def judge(
    contract: Contract, situation: Situation, observed: Observed | None, *, result: object, error: Exception | None
) -> Finding:
    """Compare an answer with the contract; `result` and `error` (or a warning) are what the wrapper made of it."""
    operation = contract.named(situation.operation)
    expected = [reply for status in situation.expected if (reply := operation.reply(status)) is not None]
    documented = " or ".join(f"{reply.status} {_documented(reply)}" for reply in expected)
    if observed is None:
        return Finding(situation.name, documented, "no answer", Verdict.CONTRADICTS, (str(error),))
    wrong: list[str] = []
    notes: list[str] = []
    if observed.status not in situation.expected and situation.settled:
        wrong.append(f"{observed.status} is not what the contract answers this with")
    reply = operation.reply(observed.status)
    if reply is None:
        notes.append(f"{observed.status} is not documented for {operation}")
    else:
        _compare(reply, observed, wrong, notes)
    if observed.status < 300 and error is not None:
        wrong.append(f"the wrapper says: {error}")
    left_open = observed.status not in situation.expected
    verdict = Verdict.CONTRADICTS if wrong else Verdict.OPEN if left_open else Verdict.AGREES
    shape, message = _told(observed)
    return Finding(
        situation.name,
        documented,
        f"{observed.status} {shape}",
        verdict,
        (*wrong, *notes),
        status=observed.status,
        documented_statuses=situation.expected,
        shape=shape,
        message=message,
        file_name=getattr(result, "name", None),
        path=getattr(result, "path", None),
        request_id=observed.request_id,
        seconds=round(observed.seconds, 3),
    )


def _documented(reply: Reply) -> str:
    if reply.json is not None:
        return documented_shape(reply.json.contract, reply.json.schema)
    return _media_types(reply)


def _media_types(reply: Reply) -> str:
    return " or ".join(body.media_type for body in reply.bodies) or "without a body"


def _compare(reply: Reply, observed: Observed, wrong: list[str], notes: list[str]) -> None:
    media_type = observed.content_type.partition(";")[0].strip().lower()
    documented = reply.body(media_type)
    if documented is None and (reply.bodies or observed.body):
        wrong.append(f"it is said to be {media_type or 'of no media type'}, not {_media_types(reply)}")
        documented = reply.json
    if documented is None or not documented.is_json:
        return
    try:
        body = observed.json()
    except ValueError as error:
        wrong.append(f"the body is not JSON: {error}")
        return
    wrong += documented.problems(body)
    wrong += strangers(documented.contract, documented.schema, body)
    more = list(undocumented(documented.contract, documented.schema, body))
    if more:
        notes.append(f"not documented: {', '.join(more)}")


def _told(observed: Observed) -> tuple[str, str | None]:
    """Return the body's shape, and the text in it that is meant for people."""
    try:
        body = observed.json()
    except ValueError:
        return f"{len(observed.body)} bytes of {observed.content_type or 'no media type'}", None
    place = body
    for name in ("data", "error", "error"):
        if isinstance(place, dict) and isinstance(place.get(name), dict):
            place = place[name]
    message = place.get("message") if isinstance(place, dict) else None
    return observed_shape(body), message if isinstance(message, str) else None
