"""What is raised of what happened, and what may be sent again.

Source: RFC 9110 §9.2.2 (a POST may be repeated only if the first is known not to have been applied) and §10.2.3.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from enum import Enum
from typing import TypeVar

import httpx
from attrs import frozen

from anchor_uploads import errors
from anchor_uploads._aside import Stopped, TimeIsUp
from anchor_uploads._call.body import Sent
from anchor_uploads._call.exchange import Answer, Calls, NoAnswer, Pause, Send
from anchor_uploads._call.reply import status_error, unexpected
from anchor_uploads._call.secrets import log
from anchor_uploads._call.settings import Deadline, Settings
from anchor_uploads.errors import AnchorUploadsError

Result = TypeVar("Result")

LONGEST_WAIT = 60.0
"""Seconds that are waited at most before the next attempt, whatever `Retry-After` asks."""

_FIRST_WAIT, _LAST_WAIT = 0.5, 8.0


class Again(Enum):
    """Whether a request is sent again."""

    YES = "yes"
    AS_ASKED = "yes, after `Retry-After` or a growing pause"
    IF_HARMLESS = "only with `retry_unknown=True`"
    NO = "no"


@frozen
class Row:
    """One row of the README's table. statuses: those that it is about, none for all that no row above names."""

    happened: str
    raised: tuple[type[AnchorUploadsError], ...]
    again: Again
    statuses: frozenset[int] = frozenset()


TABLE = (
    Row(
        "no connection, or broken before the file was out",
        (errors.ConnectionFailed, errors.TimedOut),
        Again.YES,
    ),
    Row(
        "408, 429, 500, 502, 503, 504",
        (errors.RateLimited, errors.ServerError, errors.StatusError),
        Again.AS_ASKED,
        frozenset({408, 429, 500, 502, 503, 504}),
    ),
    Row("the file is out whole, and no answer comes", (errors.OutcomeUnknown,), Again.IF_HARMLESS),
    Row(
        "400, 401, 403, 404, 413 and others",
        (
            errors.BadRequest,
            errors.AuthenticationFailed,
            errors.SessionNotFound,
            errors.FileTooLarge,
            errors.StatusError,
        ),
        Again.NO,
    ),
    Row("an answer outside the contract, or a success before the file was out", (errors.UnexpectedResponse,), Again.NO),
    Row("the file cannot be sent", (errors.SourceError,), Again.NO),
)


def again(error: AnchorUploadsError) -> Again:
    """Return what the table says of `error`."""
    for row in TABLE:
        status = getattr(error, "status_code", None)
        if isinstance(error, row.raised) and (not row.statuses or status in row.statuses):
            return row.again
    return Again.NO


def judged(
    came: Answer | NoAnswer, send: Send, what: str, read: Callable[[Answer, str], Result | AnchorUploadsError]
) -> Result | AnchorUploadsError:
    """Return what came of a request: how much of it had left, against what came back. `what` begins all texts."""
    if isinstance(came, NoAnswer):
        return (_unknown if came.sent is Sent.WHOLE else _failed)(came, send, what)
    if came.status_code >= 400:
        return status_error(came, what, url=send.url)
    if came.status_code >= 300:
        return unexpected(came, what, "redirects elsewhere, where the key does not follow")
    if came.status_code < 200:
        return unexpected(came, what, "is not one that ends a request")
    if came.sent is not Sent.WHOLE:
        return unexpected(
            came, what, "says success, but came before the file was out: this attempt cannot have saved it"
        )
    return read(came, what)


def repeated(
    attempt: Callable[[int], Calls[Result | AnchorUploadsError]],
    settings: Settings,
    deadline: Deadline,
    *,
    idempotent: bool = False,
) -> Calls[Result]:
    """Make attempts, numbered from 1 on, until one has a result or the request must not be sent again."""
    outcome = yield from _attempts(attempt, settings, deadline, idempotent=idempotent)
    if not isinstance(outcome, AnchorUploadsError):
        return outcome
    try:
        raise outcome
    finally:
        # It leads to this frame. If that led back, only the collector would free what it leads to: the file.
        del outcome


def _attempts(
    attempt: Callable[[int], Calls[Result | AnchorUploadsError]],
    settings: Settings,
    deadline: Deadline,
    *,
    idempotent: bool,
) -> Calls[Result | AnchorUploadsError]:
    harmless = idempotent or settings.retry_unknown
    last: AnchorUploadsError | None = None
    before: AnchorUploadsError | None = None
    for number in itertools.count(1):
        try:
            result = yield from attempt(number)
            if not isinstance(result, AnchorUploadsError):
                return result
            last, pause = result, _pause(result, number)
            may_repeat = again(last) not in ((Again.NO,) if harmless else (Again.NO, Again.IF_HARMLESS))
            if not may_repeat or number > settings.max_retries or deadline.passes_within(pause):
                break
            before = last if _is_as_open(last, before) else before
            log(settings._api_key, "attempt %d failed, next in %.1f s: %s", number, pause, last)
            yield Pause(pause)
        except Stopped:
            if last is None:
                raise
            break
        except AnchorUploadsError as error:
            # The file cannot be read any more, or the client was closed.
            if before is None:
                raise
            return _in_all(error, before)
    assert last
    # What is the same the second time is told by the answer to that.
    return last if idempotent and hasattr(last, "status_code") else _in_all(last, before)


def _pause(error: AnchorUploadsError, number: int) -> float:
    asked = error.retry_after if isinstance(error, errors.StatusError) else None
    if asked is not None:
        return min(asked, LONGEST_WAIT)
    return random.uniform(0, min(_LAST_WAIT, _FIRST_WAIT * 2 ** min(number - 1, 10)))  # noqa: S311 - no secret


def may_have_taken_effect(error: AnchorUploadsError) -> bool:
    """Tell whether an attempt that is to be repeated may have done what it was to do."""
    # A service that fails with a file in hand, or a gateway in front of one that has it, may have it still.
    return isinstance(error, (errors.ServerError, errors.OutcomeUnknown))


def _is_as_open(error: AnchorUploadsError, before: AnchorUploadsError | None) -> bool:
    """Tell whether an attempt may have saved something, and whether that is as uncertain as it is of one before."""
    less = isinstance(before, errors.OutcomeUnknown) and not isinstance(error, errors.OutcomeUnknown)
    return may_have_taken_effect(error) and not less


def _in_all(last: AnchorUploadsError, before: AnchorUploadsError | None) -> AnchorUploadsError:
    """Return the error of the whole call: that the last attempt saved nothing is not all if one before it may have.

    Another answer of the service says nothing of the kind, and so can stand for all, unless an outcome is unknown.
    """
    answered = hasattr(last, "status_code") and not isinstance(before, errors.OutcomeUnknown)
    if before is None or answered or isinstance(last, errors.OutcomeUnknown):
        return last
    before.args = (f"{before}. That may have taken effect; the last attempt: {last}",)
    before.__cause__ = last
    return before


def _unknown(came: NoAnswer, send: Send, what: str) -> AnchorUploadsError:
    cause = _cause(came.problem, send)
    error = errors.OutcomeUnknown(
        f"{what}: sent whole, but no answer came ({cause}). It may have taken effect; look before you send it "
        "again, or pass retry_unknown=True where a second time does no harm"
    )
    error.__cause__ = came.problem
    return error


def _failed(came: NoAnswer, send: Send, what: str) -> AnchorUploadsError:
    cause = _cause(came.problem, send)
    way = f" on the way through {came.through}" if came.through else ""
    check = "Check that proxy, or set NO_PROXY" if came.through else "Check the base URL and the network"
    error: AnchorUploadsError
    if isinstance(came.problem, TimeIsUp):
        error = time_is_up(what, send.deadline.seconds)
    elif isinstance(came.problem, httpx.TimeoutException):
        error = errors.TimedOut(
            f"{what}: gave up waiting for the network{way} ({cause}); nothing was saved. Try again, or allow more time "
            "with timeout="
        )
    else:
        error = errors.ConnectionFailed(
            f"{what}: the connection failed before all was sent{way} ({cause}); nothing was saved. {check}"
        )
    error.__cause__ = came.problem
    return error


def time_is_up(what: str, seconds: float | None) -> errors.TimedOut:
    return errors.TimedOut(
        f"{what}: not done within the deadline of {seconds} s; nothing was saved. Allow more time with deadline="
    )


def _cause(problem: Exception, send: Send) -> str:
    if isinstance(problem, TimeIsUp):
        return f"the deadline of {send.deadline.seconds} s passed"
    return f"{type(problem).__name__}: {problem}" if str(problem) else type(problem).__name__
