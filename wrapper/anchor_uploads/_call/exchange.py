"""What a call wants done, step by step, and what comes of a request: an answer, or none."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from typing import Any, TypeVar

from attrs import field, frozen

from anchor_uploads._call.body import Body, Sent
from anchor_uploads._call.contract import Operation
from anchor_uploads._call.secrets import without
from anchor_uploads._call.settings import ApiKey, Deadline, Settings

Result = TypeVar("Result")

QUOTED = 64 * 1024
"""Bytes of an answer that an error has at most."""


@frozen
class Send:
    """Send one request and read its answer: an `Answer` or `NoAnswer` comes of it.

    body: the file, None for an operation without one.
    """

    settings: Settings
    operation: Operation
    deadline: Deadline
    body: Body | None = None

    @property
    def url(self) -> str:
        return self.settings.base_url + self.operation.path


@frozen
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@frozen
class Work:
    """Do what may wait for a disk, a pipe or a network; `TimeIsUp` is raised if it takes longer than the deadline."""

    function: Callable[[], object]
    deadline: Deadline
    may_never_end: bool


@frozen
class Answer:
    """What came back: the status, the headers, and as much of the body as was read and is kept.

    sent: how much of the request had left before. problem: why the body could not be read to its end, or None.
    key: what no error may quote of it.
    """

    status_code: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent: Sent = Sent.WHOLE
    problem: Exception | None = None
    key: ApiKey | None = None

    @property
    def quoted(self) -> bytes:
        """The beginning of the body, as an error may show it. The key is taken out first: cut, it is not known."""
        return (without(self.key, self.body) if self.key else self.body)[:QUOTED]


@frozen
class NoAnswer:
    """No answer came. sent: how much of the request may have left. problem: why, `TimeIsUp` for the deadline.

    through: the proxy on the way, if the environment names one.
    """

    problem: Exception
    sent: Sent
    through: str | None = None


Calls = Generator[Send | Pause | Work, Any, Result]
"""The steps of one call, which end in its result or raise its error."""
