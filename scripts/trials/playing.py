"""Plays the trials of one subject, and tells of each on stdout, a line of JSON for each thing that happens.

python -m trials.playing MODULE SEED SECONDS MOST_SECONDS quick|full [NUMBER]
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import itertools
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests"))

from trials.trial import Attempt, LeftOut, Scene, Trial, Wrong, holds_key

Tell = Callable[..., None]


class Overheard(logging.Handler):
    """All that is logged, warned of and complained about: the key is to be in none of it, and of some none is to be."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.wrong: list[str] = []

    def __enter__(self) -> Overheard:
        logging.getLogger().addHandler(self)
        logging.getLogger().setLevel(logging.DEBUG)
        # At DEBUG they show the headers of requests and answers as they are, by design.
        for library in ("httpcore", "websockets"):
            logging.getLogger(library).setLevel(logging.INFO)
        logging.captureWarnings(capture=True)
        warnings.simplefilter("always")
        warnings.simplefilter("ignore", DeprecationWarning)
        sys.unraisablehook = lambda it: self._note(f"nobody could be told of {it.exc_value!r} in {it.object!r}")
        threading.excepthook = lambda it: self._note(f"a thread ended with {it.exc_value!r}")
        return self

    def __exit__(self, *_exception: object) -> None:
        logging.captureWarnings(capture=False)
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        text = f"{record.getMessage()} {self.format(record)}"
        complaint = "ResourceWarning" in text or (record.name == "asyncio" and record.levelno >= logging.ERROR)
        if complaint or holds_key(text):
            self._note(f"{record.name} {'complains' if complaint else 'logs the key'}: {text}")

    def taken(self) -> list[str]:
        taken, self.wrong = self.wrong, []
        return taken

    def _note(self, what: str) -> None:
        self.wrong.append(what.replace("\n", " ")[:300])


def attempts(
    trials: tuple[Attempt, ...], number: int | None, seconds: float, most: float
) -> Iterator[tuple[int, Attempt]]:
    """Yield numbers and what is tried under them: everything once, then again for as long as there is time.

    Once takes `most` seconds at most; what does not begin in that time is told.
    """
    if number is not None:
        yield number, trials[number % len(trials)]
        return
    ends, last = time.monotonic() + seconds, time.monotonic() + most
    for at in itertools.count():
        again = at >= len(trials)
        if not again and time.monotonic() > last:
            yield at, _without_time(trials[at:])
            return
        if again and (time.monotonic() > ends or all(hasattr(each, "once") for each in trials)):
            return
        if not (again and hasattr(trials[at % len(trials)], "once")):
            yield at, trials[at % len(trials)]


def _without_time(untried: tuple[Attempt, ...]) -> Attempt:
    def no_time(_trial: Trial) -> None:
        raise LeftOut(f"no time was left for {', '.join(dict.fromkeys(each.__name__ for each in untried))}")

    return no_time


def play(module: str, seed: int, seconds: float, most: float, tell: Tell, *, quick: bool, number: int | None) -> None:
    """Make the trials of a module. `tell` hears when one begins, and what came of it."""
    trials: tuple[Attempt, ...] = importlib.import_module(module).TRIALS
    ends = time.monotonic() + seconds
    gc.freeze()
    with tempfile.TemporaryDirectory() as scratch, Overheard() as overheard:
        with Scene() as scene:
            for at, attempt in attempts(trials, number, seconds, most):
                name = attempt.__name__
                tell(began=at, name=name)
                directory = Path(scratch, str(at))
                directory.mkdir()
                left, chance = ends - time.monotonic(), random.Random(f"{seed} {module} {at}")  # noqa: S311
                trial = Trial(scene, chance, directory, quick, left, lambda: tell(alive=True))
                told = _made(attempt, trial)
                shutil.rmtree(directory, ignore_errors=True)
                # So that what was left open is told of this trial.
                gc.collect()
                told["wrong"] += overheard.taken()
                tell(ended=at, name=name, **told)
        gc.collect()
        if late := overheard.taken():
            tell(ended=-1, name="afterwards", tried=0, wrong=late)


def _made(attempt: Attempt, trial: Trial) -> dict[str, Any]:
    try:
        return {"tried": attempt(trial) or 1, "wrong": []}
    except LeftOut as reason:
        return {"tried": 0, "wrong": [], "left_out": str(reason)}
    except Wrong as wrong:
        return {"tried": 1, "wrong": [str(wrong)]}
    except (Exception, asyncio.CancelledError) as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        text = f"raised {type(error).__name__}: {error} ({Path(at.filename).name}:{at.lineno}), which no call may"
        return {"tried": 1, "wrong": [text], "traceback": traceback.format_exc()}


def main(*given: str) -> None:
    module, seed, seconds, most, extent, *number = given
    # What anybody prints goes to stderr, so that it is heard as such.
    lock = threading.Lock()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as stream:
        os.dup2(2, 1)

        def tell(**what: object) -> None:
            with lock:
                stream.write(json.dumps(what) + "\n")
                stream.flush()

        def end_with_the_parent() -> None:
            # Not by sys.stdin, which the end of the interpreter would wait for.
            os.read(0, 1)
            os._exit(1)

        threading.Thread(target=end_with_the_parent, daemon=True).start()
        one = int(number[0]) if number else None
        play(module, int(seed), float(seconds), float(most), tell, quick=extent == "quick", number=one)
        tell(done=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
