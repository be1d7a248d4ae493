"""What a trial is given, and how it judges: by what the server holds, and by what was claimed of that."""

from __future__ import annotations

import hashlib
import json
import pickle
import random
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from anchor_uploads import AnchorUploadsError, ConnectionFailed, InvalidArgument, SourceError, Timeouts, UploadedFile

T = TypeVar("T")
Outcome = UploadedFile | AnchorUploadsError
Attempt = Callable[["Trial"], "int | None"]

# Every sign in it is one that URLs or JSON write in another way.
KEY = "sk-tor/ture+key=9&more"
_FORMS = {form.casefold() for form in (KEY, quote(KEY, safe=""), quote_plus(KEY), KEY.replace("/", "\\/"))}
IMPATIENT = Timeouts(connect=1, write=0.5, answer=0.5, read=0.5)
LATE = 3.0
"""Seconds after its deadline in which a call has ended, on a machine that is busy."""


class Wrong(AssertionError):
    """What came of a trial is not true of what there is."""


class LeftOut(Exception):
    """A trial cannot be made here; the text says why."""


class Scene(ExitStack):
    """What the trials of a subject share: made when it is first asked for, and closed after the last one."""

    def __init__(self) -> None:
        super().__init__()
        self._made: dict[object, Any] = {}

    def shared(self, make: Callable[[], AbstractContextManager[T]]) -> T:
        if make not in self._made:
            self._made[make] = self.enter_context(make())
        made: T = self._made[make]
        return made


@dataclass(frozen=True)
class Trial:
    """One trial: chance, a directory of its own, and what it shares with others.

    alive: to be called now and then by a trial that takes minutes.
    """

    scene: Scene
    random: random.Random
    directory: Path
    quick: bool = True
    seconds: float = 10.0
    alive: Callable[[], object] = lambda: None


def once(attempt: Attempt) -> Attempt:
    """Mark a trial that says nothing new when it is made again."""
    attempt.once = True  # type: ignore[attr-defined]
    return attempt


def hold(truth: object, what_is_wrong: str) -> None:
    if not truth:
        raise Wrong(what_is_wrong)


def holds_key(text: str | bytes) -> bool:
    text = (text.decode("latin-1") if isinstance(text, bytes) else text).casefold()
    return any(form in text for form in _FORMS)


def hold_no_key(it: object) -> None:
    """Hold that the key is in nothing that can be made of a result or an error."""
    texts: dict[str, str | bytes] = {"its text": str(it), "its repr": repr(it), "its pickle": pickle.dumps(it)}
    if isinstance(it, BaseException):
        texts["its traceback"] = "".join(traceback.format_exception(type(it), it, it.__traceback__))
        texts["its attributes"] = json.dumps(vars(it), default=repr)
    for where, text in texts.items():
        hold(not holds_key(text), f"the key is in {where}: {type(it).__name__}")


def outcome_of(call: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Return what a call returns, or which error of ours it raises; all else that it raises is a fault."""
    deadline = options.get("client", options).get("deadline")
    started = time.monotonic()
    try:
        outcome = call(*arguments, **options)
    except AnchorUploadsError as error:
        outcome = error
    seconds = time.monotonic() - started
    hold(deadline is None or seconds < deadline + LATE, f"{seconds:.1f} s with a deadline of {deadline} s: {outcome!r}")
    hold_no_key(outcome)
    return outcome


def check_held(outcome: Outcome, held: Iterable[bytes], content: bytes, *, twice: bool = False) -> None:
    """Hold an outcome against `held`, what the server has whole and did not refuse. twice: whether that was asked for.

    `OutcomeUnknown` and errors of the service leave open what it holds.
    """
    files = list(held)
    hold(all(each == content for each in files), f"another file is held than was sent: {outcome!r}")
    if isinstance(outcome, UploadedFile):
        hold(files, f"a success, and nothing is held: {outcome!r}")
        hold(outcome.size == len(content), f"a success of {outcome.size} bytes, of {len(content)}")
        hold(outcome.sha256 in (None, sha256(content)), "the checksum is that of another file")
    if isinstance(outcome, (ConnectionFailed, SourceError, InvalidArgument)):
        hold(not files, f"said that nothing was saved, and it is held: {outcome!r}")
    hold(twice or len(files) <= 1, f"saved {len(files)} times, unasked: {outcome!r}")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
