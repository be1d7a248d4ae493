"""`scripts/torture`: starts a process for each subject, watches it, and tells what was tried, right and wrong."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import _environment
from trials import arguments
from trials.trial import holds_key

PATIENCE = 120.0
"""Seconds after which a trial that was not heard of hangs."""
_SHOWN = 20


@dataclass
class Row:
    """What came of one subject. wrong: a line for each, with what makes it again."""

    subject: str
    tried: int = 0
    wrong: list[str] = field(default_factory=list)
    left_out: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0

    def __str__(self) -> str:
        bad = len(self.wrong)
        return f"{self.subject:12} {self.tried:7} {max(0, self.tried - bad):7} {bad:7} {self.seconds:8.1f}"


class Subject:
    """One subject, tried in a process of its own, so that whatever it comes to, this one can tell of it."""

    def __init__(self, name: str, module: str, options: Namespace, seconds: list[float], again: str) -> None:
        self.row = Row(name)
        numbers = [] if options.trial is None else [options.trial]
        told = [module, options.seed, *seconds, "quick" if options.quick else "full", *numbers]
        self._command = [sys.executable, "-X", "dev", "-m", "trials.playing", *map(str, told)]
        self._again = again
        self._trial: dict[str, Any] = {}

    def run(self, progress: Progress) -> None:
        started = time.monotonic()
        # Short, for the paths of a browser's sockets in it.
        with tempfile.TemporaryDirectory(prefix="aut", ignore_cleanup_errors=True) as scratch:
            errors = Path(scratch, "stderr")
            temporary = Path(scratch, "t")
            temporary.mkdir()
            with errors.open("wb") as stderr, _started(self._command, _environment_in(temporary), stderr) as events:
                status = None
                while status is None:
                    status = self._hear(events)
                    self.row.seconds = time.monotonic() - started
                    progress.show(self.row)
            self._look_at_what_is_left(status, errors.read_text("utf-8", "replace"), temporary)
        self.row.seconds = time.monotonic() - started

    def _hear(self, events: queue.Queue[dict[str, Any]]) -> str | None:
        """Take in one thing that happened; return how it ended once it has."""
        try:
            event = events.get(timeout=0.5)
        except queue.Empty:
            if time.monotonic() - self._trial.get("heard", time.monotonic()) < PATIENCE:
                return None
            self._wrong(f"had not ended after {PATIENCE:g} s, and was killed")
            return "killed"
        if "began" in event:
            self._trial = event
        elif "ended" in event:
            self._trial = event
            self.row.tried += event["tried"]
            self.row.left_out.update(dict.fromkeys(filter(None, [event.get("left_out")])))
            for text in event["wrong"]:
                self._wrong(text)
            if event.get("traceback"):
                self.row.wrong[-1] += "\n" + event["traceback"]
        self._trial["heard"] = time.monotonic()
        return event.get("over")

    def _look_at_what_is_left(self, status: str, printed: str, temporary: Path) -> None:
        if holds_key(printed):
            self._wrong("the key was printed")
        if status == "broken":
            self._wrong("the process of the trials broke off: " + " ".join(printed.split("\n")[-4:]))
        elif printed and status == "done":
            self._wrong(f"this was printed: {printed.strip().splitlines()[-1][:300]}")
        # Chromium's own, of browsers that were killed.
        left = [path.name for path in temporary.iterdir() if ".org.chromium." not in path.name]
        if left and status == "done":
            self._wrong(f"left in the temporary directory: {', '.join(sorted(left)[:5])}")

    def _wrong(self, text: str) -> None:
        number = self._trial.get("began", self._trial.get("ended", -1))
        again = f"{self._again} --trial {number}" if number >= 0 else self._again
        self.row.wrong.append(f"{self._trial.get('name', 'at the start')}: {text}   [{again}]")


def _environment_in(temporary: Path) -> dict[str, str]:
    """Return an environment without accounts and proxies, where `temporary` is the directory for temporary files."""
    told = ("ANCHOR", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    ours = {name: value for name, value in os.environ.items() if not name.upper().startswith(told)}
    browser = {name: value for name, value in os.environ.items() if name == "ANCHOR_UPLOADS_BROWSER"}
    return {**ours, **browser, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary)), "PYTHONUTF8": "1"}


@contextlib.contextmanager
def _started(command: list[str], environment: dict[str, str], stderr: Any) -> Iterator[queue.Queue[dict[str, Any]]]:
    """Start a process, give what it tells and, last, how it ended; leave nothing of it behind."""
    events: queue.Queue[dict[str, Any]] = queue.Queue()
    # A group of its own: Ctrl-C is for the one who watches.
    group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP}
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, **group
    ) as process:

        def read() -> None:
            assert process.stdout
            over = "broken"
            for line in process.stdout:
                told = json.loads(line)
                over = "done" if told.get("done") else over
                events.put(told)
            # What an interpreter says in the end, and that it does end, is a part of the trials.
            process.wait()
            events.put({"over": over})

        reading = threading.Thread(target=read, daemon=True)
        try:
            reading.start()
            yield events
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                root = psutil.Process(process.pid)
                for each in [*root.children(recursive=True), root]:
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
            process.wait()
            if reading.ident:
                reading.join(5)


class Progress:
    """A line that is written over on a terminal; elsewhere a line now and then."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._told = time.monotonic()

    def show(self, row: Row, *, over: bool = False) -> None:
        now = time.monotonic()
        if over or now - self._told >= (0.2 if self._terminal else 60):
            self._told = now
            end = "\r" if self._terminal and not over else "\n"
            print(f"{row.subject:12} {row.tried} tried, {len(row.wrong)} wrong, {row.seconds:.0f} s      ", end=end,
                  file=sys.stderr, flush=True)  # fmt: skip


def run(modules: Mapping[str, str], options: Namespace) -> Iterator[Row]:
    """Try the subjects one after another, and yield the row of each before it is filled."""
    ends = time.monotonic() + options.minutes * 60
    shares = {name: arguments.SUBJECTS.get(name, ("", 1))[1] for name in modules}
    progress = Progress()
    for name, module in modules.items():
        left = max(0.0, ends - time.monotonic())
        seconds = [left * shares[name] / sum(shares.values()), left]
        del shares[name]
        again = f"scripts/torture --seed {options.seed} --only {name}" + (" --quick" if options.quick else "")
        subject = Subject(name, module, options, seconds, again)
        yield subject.row
        subject.run(progress)
        progress.show(subject.row, over=True)


def show(rows: list[Row], seed: int) -> None:
    print(f"\n{'subject':12} {'tried':>7} {'right':>7} {'wrong':>7} {'seconds':>8}")
    for row in rows:
        print(row)
    for row in rows:
        for reason in row.left_out:
            print(f"left out of {row.subject}: {reason}")
        for text in row.wrong[:_SHOWN]:
            print(f"\nWRONG {row.subject}, {text}")
        if len(row.wrong) > _SHOWN:
            print(f"\n… and {len(row.wrong) - _SHOWN} more in {row.subject}")
    print(f"\nseed {seed}")


def main(given: list[str] | None = None, modules: Mapping[str, str] | None = None) -> int:
    options = arguments.parser().parse_args(given)
    options.minutes = options.minutes_of(options)
    if modules is None:
        modules = {name: f"trials.{name}" for name in arguments.SUBJECTS if name in (options.only or [name])}
    rows: list[Row] = []
    try:
        print(f"seed {options.seed}, at most about {options.minutes:g} minutes", file=sys.stderr, flush=True)
        for row in run(modules, options):
            rows.append(row)
    except KeyboardInterrupt:
        return 130
    finally:
        show(rows, options.seed)
    return 1 if any(row.wrong for row in rows) else 0


if __name__ == "__main__":
    _environment.run(main)
