"""What is sent again, and when: the table, the pauses, and what a whole call says of all its attempts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from anchor_uploads import (
    AnchorUploadsError,
    ConnectionFailed,
    OutcomeUnknown,
    ServerError,
    SourceError,
    StatusError,
    TimedOut,
    errors,
)
from anchor_uploads._call import table
from anchor_uploads._call.exchange import Calls, Pause
from anchor_uploads._call.reply import retry_after
from anchor_uploads._call.settings import Deadline, Settings
from anchor_uploads._call.steps import run
from anchor_uploads._call.table import LONGEST_WAIT, TABLE, Again


def test_the_readme_has_the_table_of_the_code(root: Path) -> None:
    rows = [
        f"| {row.happened} | {', '.join(f'`{kind.__name__}`' for kind in row.raised)} | {row.again.value} |"
        for row in TABLE
    ]
    assert "\n".join(["| --- | --- | --- |", *rows, ""]) in (root / "README.md").read_text("utf-8")


def status(code: int, **attributes: Any) -> StatusError:
    return (ServerError if code >= 500 else StatusError)(f"failed with {code}", status_code=code, **attributes)


@pytest.mark.parametrize("code", range(400, 600))
def test_of_all_statuses_six_are_sent_again(code: int) -> None:
    repeated = code in (408, 429, 500, 502, 503, 504)
    assert (table.again(status(code)) is Again.AS_ASKED) == repeated
    assert (table.again(status(code)) is Again.NO) != repeated


def test_every_error_of_a_call_is_in_one_row_at_least() -> None:
    of_calls = {errors.ConnectionFailed, errors.OutcomeUnknown, errors.SourceError, errors.StatusError}
    assert of_calls | {errors.UnexpectedResponse} <= {kind for row in TABLE for kind in row.raised}
    assert table.again(errors.InvalidArgument("x")) is Again.NO


def attempts(*outcomes: Any, **settings: Any) -> tuple[Any, list[float]]:
    """What a call comes to whose attempts come to `outcomes`, and how long it paused between them."""
    pauses: list[float] = []
    settings = {"max_retries": 9, **settings}
    idempotent = settings.pop("idempotent", False)

    def attempt(number: int) -> Calls[Any]:
        yield Pause(0)
        return outcomes[number - 1]

    steps = table.repeated(
        attempt, Settings("key", **settings), Deadline(settings.get("deadline")), idempotent=idempotent
    )
    try:
        result = run(steps, lambda step: pauses.append(step.seconds))
    except AnchorUploadsError as error:
        result = error
    return result, [pause for pause in pauses if pause]


@pytest.mark.parametrize(
    ("asked", "waited"), [(0.5, 0.5), (LONGEST_WAIT, LONGEST_WAIT), (LONGEST_WAIT + 1, LONGEST_WAIT), (86_400.0, 60.0)]
)
def test_retry_after_is_waited_for_but_not_for_longer_than_a_minute(asked: float, waited: float) -> None:
    assert attempts(status(503, retry_after=asked), "done") == ("done", [waited])


def test_pauses_grow_to_eight_seconds_and_are_not_all_the_same() -> None:
    pauses = [attempts(*[status(503)] * 9, "done")[1] for _ in range(50)]
    for number, limit in enumerate([0.5, 1, 2, 4, 8, 8, 8, 8, 8]):
        assert 0.6 * limit < max(each[number] for each in pauses) <= limit
        assert len({each[number] for each in pauses}) > 1


def test_a_deadline_that_would_pass_in_a_pause_ends_the_call_at_once() -> None:
    last = status(503, retry_after=5)
    assert attempts(last, "done", deadline=4) == (last, [])


@pytest.mark.parametrize(
    "last", [TimedOut("late; nothing was saved"), SourceError("gone; nothing was saved"), status(404), status(500)]
)
def test_that_the_last_attempt_saved_nothing_is_not_all_if_an_earlier_one_may_have(last: AnchorUploadsError) -> None:
    unknown = OutcomeUnknown("it may have taken effect")
    text = str(unknown)
    result, _pauses = attempts(unknown, last, retry_unknown=True, max_retries=1)
    assert type(result) is OutcomeUnknown
    assert text in str(result)
    assert str(last) in str(result)
    assert result.__cause__ is last


NOTHING_SAVED = (
    ConnectionFailed("broken; nothing was saved"),
    TimedOut("late; nothing was saved"),
    SourceError("gone"),
)


@pytest.mark.parametrize("last", NOTHING_SAVED)
@pytest.mark.parametrize("between", [(), (status(429),), NOTHING_SAVED[:1]])
def test_that_the_last_attempt_saved_nothing_is_not_all_if_the_service_failed_before_with_the_file_in_hand(
    between: tuple[AnchorUploadsError, ...], last: AnchorUploadsError
) -> None:
    result, _pauses = attempts(status(502), *between, last, max_retries=1 + len(between))
    assert type(result) is ServerError
    assert result.status_code == 502
    assert str(result) == f"failed with 502. That may have taken effect; the last attempt: {last}"
    assert result.__cause__ is last


def test_after_several_attempts_the_story_is_that_of_the_one_that_is_the_most_open() -> None:
    unknown, failed, refused = OutcomeUnknown("unknown"), status(503), status(401)
    assert attempts(failed, refused)[0] is refused
    assert attempts(failed, unknown)[0] is unknown
    both = attempts(unknown, failed, refused, retry_unknown=True)[0]
    assert (type(both), str(both)) == (
        OutcomeUnknown,
        "unknown. That may have taken effect; the last attempt: failed with 401",
    )


def test_of_what_is_the_same_the_second_time_the_answer_counts() -> None:
    unknown, last = OutcomeUnknown("it may have taken effect"), status(404)
    assert attempts(unknown, last, idempotent=True)[0] is last
    assert type(attempts(unknown, TimedOut("late"), idempotent=True, max_retries=1)[0]) is OutcomeUnknown


def test_as_many_retries_as_anybody_asks_for_are_made() -> None:
    result, pauses = attempts(*[status(503)] * 1500, "done", max_retries=2000)
    assert (result, len(pauses)) == ("done", 1500)


def test_an_unknown_outcome_is_sent_again_only_where_that_is_harmless() -> None:
    unknown = OutcomeUnknown("it may have taken effect")
    assert attempts(unknown, "done")[0] is unknown
    assert attempts(unknown, "done", retry_unknown=True)[0] == "done"


def moment(seconds: float) -> str:
    return format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "least", "most"),
    [
        (lambda: "0", 0, 0),
        (lambda: "7", 7, 7),
        (lambda: "86400", 86400, 86400),
        (lambda: moment(-3600), 0, 0),
        (lambda: moment(3600), 3000, 3600),
        (lambda: moment(3600).replace("GMT", "-0000"), 3000, 3600),
    ],
    ids=["nothing", "seconds", "a day", "a moment gone by", "a moment to come", "a moment of no zone"],
)
def test_retry_after_is_seconds_or_a_moment_and_never_negative(
    value: Callable[[], str], least: float, most: float
) -> None:
    # Called here and not where the rows are made: a whole run may take long after that.
    seconds = retry_after({"retry-after": value()})
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize("value", ["", "soon", "-5", "1e400", "9" * 400, "Wed, 21 Oct 99999 07:28:00 GMT", "٣"])
def test_a_retry_after_that_says_nothing_is_none(value: str) -> None:
    assert retry_after({"retry-after": value}) is None
