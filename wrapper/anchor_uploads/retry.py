"""What may be sent again, and when.

    what happened                                              sent again
    ---------------------------------------------------------  ------------------------------------------
    no connection: refused, no such host, TLS, time-out        yes: nothing was sent
    broken or too slow before the body went out whole          yes: without its end it cannot be accepted
    408, 429, 500, 502, 503, 504 answered                      yes: the service says that it did not do it
    body out whole, no answer                                  only if idempotent or `retry_unknown`
    any other status, an answer outside the contract           no: it would come again
    the source cannot be read, or changed                      no

Source: RFC 9110 §9.2.2 (a POST may be repeated only if the first is known not to have been applied) and §10.2.3.
"""

from __future__ import annotations

import logging
from typing import Any

import tenacity

from anchor_uploads.config import Settings
from anchor_uploads.deadline import Deadline
from anchor_uploads.errors import AnchorUploadsError, ConnectionFailed, OutcomeUnknown, StatusError

REPEATED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
LONGEST_WAIT = 60.0
"""Seconds that are waited at most before the next attempt, whatever `Retry-After` asks."""

_log = logging.getLogger("anchor_uploads")
_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=8.0)


def may_repeat(error: BaseException, *, repeat_unknown: bool) -> bool:
    """Tell whether the request that ended in `error` may be sent again."""
    if isinstance(error, OutcomeUnknown):
        return repeat_unknown
    if isinstance(error, StatusError):
        return error.status_code in REPEATED_STATUSES
    return isinstance(error, ConnectionFailed)


def policy(settings: Settings, deadline: Deadline, *, idempotent: bool) -> dict[str, Any]:
    """Return the arguments for `tenacity.Retrying` or `tenacity.AsyncRetrying`."""
    repeat_unknown = idempotent or settings.retry_unknown

    def stop(state: tenacity.RetryCallState) -> bool:
        return state.attempt_number > settings.max_retries or deadline.passes_within(state.upcoming_sleep)

    return {
        "retry": tenacity.retry_if_exception(lambda error: may_repeat(error, repeat_unknown=repeat_unknown)),
        "stop": stop,
        "wait": _wait,
        "before_sleep": _tell,
        "reraise": True,
    }


def _wait(state: tenacity.RetryCallState) -> float:
    error = _error(state)
    asked = error.retry_after if isinstance(error, StatusError) else None
    return _backoff(state) if asked is None else min(asked, LONGEST_WAIT)


def _tell(state: tenacity.RetryCallState) -> None:
    _log.info("attempt %d failed, next in %.1f s: %s", state.attempt_number, state.upcoming_sleep, _error(state))


def _error(state: tenacity.RetryCallState) -> AnchorUploadsError | None:
    error = state.outcome.exception() if state.outcome else None
    return error if isinstance(error, AnchorUploadsError) else None
