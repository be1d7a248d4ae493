"""Faults on demand: what a service has to cope with, when a test wants it.

Each request meets the oldest fault that fits it, or none.

Example:
    >>> fault = anchor.faults.add("upload_file", status=503, retry_after=1)  # the next upload, once
    >>> fault = anchor.faults.add("upload_file", drop_after=100_000)  # the connection breaks in the middle
    >>> fault = anchor.faults.add("upload_file", drop_answer=True)  # the file is there, but nobody says so
    >>> len(anchor.faults.pending)
    3
"""

from __future__ import annotations

import json
import re
import sys
import threading
from typing import Any

from attrs import Attribute, asdict, field, fields, frozen

from anchor_uploads._human import printable

__all__ = ["OPERATIONS", "Fault", "Faults"]

_ROUTES = (
    ("upload_file", "POST", re.compile(r"/v1/sessions/([^/]+)/uploads")),
    ("create_session", "POST", re.compile(r"/v1/sessions()")),
    # Without the words that are no session's id here.
    ("get_session", "GET", re.compile(r"/v1/sessions/(?!(?:all|history|pending-interventions)\Z)([^/]+)")),
    ("list_sessions", "GET", re.compile(r"/v1/sessions/all/status()")),
    # Before the one whose path fits it, too.
    ("end_all_sessions", "DELETE", re.compile(r"/v1/sessions/all()")),
    ("end_session", "DELETE", re.compile(r"/v1/sessions/([^/]+)")),
)

OPERATIONS = tuple(name for name, _, _ in _ROUTES)
"""The operations that can fail on demand."""


def _one_of(kinds: type | tuple[type, ...], what: str, at_least: float | None = None) -> Any:
    def check(_fault: object, attribute: Attribute[Any], value: Any) -> None:
        # True is an int, but not a number that anybody means.
        fits = isinstance(value, kinds) and (kinds is bool or not isinstance(value, bool))
        if not fits or (at_least is not None and not at_least <= value <= sys.float_info.max):
            raise ValueError(f"{attribute.name} is {value!r}; pass {what}")

    return check


def _or_none(check: Any) -> Any:
    def check_unless_none(fault: object, attribute: Attribute[Any], value: Any) -> None:
        if value is not None:
            check(fault, attribute, value)

    return check_unless_none


def _operation(_fault: object, _attribute: Attribute[Any], value: Any) -> None:
    if value not in OPERATIONS:
        raise ValueError(f"operation is {value!r}; pass one of {', '.join(OPERATIONS)}")


def _status(_fault: object, _attribute: Attribute[Any], value: Any) -> None:
    if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and 200 <= value <= 599):
        raise ValueError(f"status is {value!r}; pass an HTTP status from 200 to 599")


@frozen(kw_only=True)
class Fault:
    """What happens to requests that fit: in the order of the attributes from `delay` on, and several can be combined.

    Attributes:
        operation: Which requests: one of `OPERATIONS`.
        session_id: The session they are for; None is any.
        times: How many of them; None is all, until `Faults.clear`.
        delay: So many seconds pass before the server looks at the request.
        bytes_per_second: It reads the request's body no faster than that.
        drop_after: The connection breaks when about so many bytes of the body were read; 0 is before any.
        status: The answer, in place of the operation.
        body: Of that answer: sent as it is if it is text, else as JSON; None is an error in the shape of the contract.
        retry_after: The header of that answer: seconds, or a date as text.
        drop_answer: All is done as asked, but the connection breaks in place of the answer.

    Raises:
        ValueError: One of them cannot be meant.

    Example:
        >>> from anchor_uploads.local.faults import Fault
        >>> Fault(operation="upload_file", delay=0.5, status=429, retry_after=1).times
        1
    """

    operation: str = field(validator=_operation)
    session_id: str | None = field(default=None, validator=_or_none(_one_of(str, "a session's id")))
    times: int | None = field(default=1, validator=_or_none(_one_of(int, "a whole number from 1", 1)))
    delay: float = field(default=0.0, validator=_one_of((int, float), "seconds", 0))
    bytes_per_second: float | None = field(
        default=None, validator=_or_none(_one_of((int, float), "a number from 1", 1))
    )
    drop_after: int | None = field(default=None, validator=_or_none(_one_of(int, "a number of bytes", 0)))
    status: int | None = field(default=None, validator=_status)
    body: Any = None
    retry_after: int | float | str | None = field(
        default=None, validator=_or_none(_one_of((int, float, str), "seconds, or a date as text"))
    )
    drop_answer: bool = field(default=False, validator=_one_of(bool, "True or False"))

    def __attrs_post_init__(self) -> None:
        if self.status is None and (self.body is not None or self.retry_after is not None):
            raise ValueError("body and retry_after belong to an answer; pass status, too")
        text = self.retry_after if isinstance(self.retry_after, str) else ""
        if not (text.isascii() and text.isprintable() and text == text.strip()):
            raise ValueError("retry_after cannot be a header's value; pass seconds, or a date as text")
        # Whoever asks which faults are pending is told all of each.
        told = asdict(self, recurse=False, filter=lambda _attribute, value: not isinstance(value, bytes))
        for name, value in told.items():
            try:
                json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
            except (TypeError, ValueError, RecursionError) as problem:
                raise ValueError(
                    f"{name} cannot be written as JSON in UTF-8 ({problem}); pass text or what JSON knows"
                ) from None
        if (
            self.status is None
            and self.drop_after is None
            and not (self.delay or self.bytes_per_second or self.drop_answer)
        ):
            raise ValueError("this fault does nothing; pass status, delay, bytes_per_second, drop_after or drop_answer")


class Faults:
    """The faults that wait for their requests. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pending: list[tuple[Fault, int | None]] = []

    def __repr__(self) -> str:
        return f"<Faults: {len(self.pending)} pending>"

    def add(self, operation: str, /, **what: Any) -> Fault:
        """Let requests for an operation fail. It comes after the faults that were added before.

        Args:
            operation: One of `OPERATIONS`.
            what: The other attributes of a `Fault`.

        Returns:
            The fault.

        Raises:
            ValueError: A fault has no such attribute, or the value cannot be meant.

        Example:
            >>> fault = anchor.faults.add("upload_file", status=503, retry_after=0)
            >>> client.upload_file(session.id, b"content", filename="a.txt").attempts
            2
        """
        unknown = what.keys() - {attribute.name for attribute in fields(Fault)}
        if unknown:
            known = ", ".join(attribute.name for attribute in fields(Fault))
            raise ValueError(f"a fault has no {printable(', '.join(sorted(unknown)))}; it has {known}")
        fault = Fault(operation=operation, **what)
        with self._lock:
            self._pending.append((fault, fault.times))
        return fault

    @property
    def pending(self) -> tuple[Fault, ...]:
        """The faults that still wait, oldest first; their `times` are those that are left."""
        with self._lock:
            return tuple(Fault(**{**asdict(fault, recurse=False), "times": left}) for fault, left in self._pending)

    def clear(self) -> None:
        """Let every request be served normally."""
        with self._lock:
            self._pending.clear()

    def take(self, method: str, path: str) -> Fault | None:
        """Return the fault that a request meets; it counts as met.

        Args:
            method: Of the request, such as `POST`.
            path: Of the request, such as `/v1/sessions`.

        Example:
            >>> fault = anchor.faults.add("create_session", status=429)
            >>> anchor.faults.take("POST", "/v1/sessions").status
            429
        """
        for operation, its_method, its_path in _ROUTES:
            found = its_path.fullmatch(path)
            if found is not None and method == its_method:
                return self._take(operation, found[1])
        return None

    def _take(self, operation: str, session_id: str) -> Fault | None:
        with self._lock:
            for position, (fault, left) in enumerate(self._pending):
                if fault.operation != operation or fault.session_id not in (None, session_id):
                    continue
                if left == 1:
                    del self._pending[position]
                elif left is not None:
                    self._pending[position] = (fault, left - 1)
                return fault
        return None
