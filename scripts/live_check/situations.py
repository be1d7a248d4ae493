"""What is tried against the service, and what the contract says about it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SITUATIONS", "Situation"]


@dataclass(frozen=True)
class Situation:
    """One request and what the contract answers it with.

    expected: the statuses that fit. settled: whether another status contradicts the contract; if not, the contract
    leaves it open, and what comes is worth knowing.
    """

    name: str
    operation: str
    expected: tuple[int, ...]
    settled: bool = True


SITUATIONS = {
    situation.name: situation
    for situation in (
        Situation("start a session", "createSession", (200,)),
        Situation("look at the session", "getSession", (200,)),
        # Its twin, the end of all, is not tried: the account may have sessions that others need.
        Situation("list the sessions", "listSessions", (200,)),
        # "No file uploaded" may well be what a service says of an empty one.
        Situation("empty file", "uploadFile", (200, 400)),
        Situation("one byte", "uploadFile", (200,)),
        Situation("Unicode name", "uploadFile", (200,)),
        Situation("quoted name", "uploadFile", (200,)),
        Situation("a name", "uploadFile", (200,)),
        Situation("the same name again", "uploadFile", (200,), settled=False),
        # "File too large" is a 400, but the contract names no limit, and gateways have their own 413.
        Situation("large file", "uploadFile", (200, 400), settled=False),
        Situation("no file in the form", "uploadFile", (400,)),
        Situation("unknown session", "uploadFile", (404,)),
        # The published page does not have 401; spec/overlay.yaml adds it after the other operations.
        Situation("wrong key", "uploadFile", (401,), settled=False),
        Situation("end the session", "endSession", (200,)),
        Situation("upload to the ended session", "uploadFile", (404,), settled=False),
        Situation("look at the ended session", "getSession", (404,), settled=False),
    )
}
