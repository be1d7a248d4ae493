"""The project's own commands, in environments that are there already."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import console

ROOT = Path(__file__).resolve().parents[3]
COMMANDS = {"regenerate --check": 3, "vendor spec/openapi-mintlify.yaml": 4, "mutate": 20, "check": 15}
SUITE = {"test -q": 240}


def measure(options: Options) -> Iterator[Outcome]:
    yield _measure("The commands, warm", COMMANDS, 1 if options.quick else 3)


def measure_suite(_options: Options) -> Iterator[Outcome]:
    yield _measure("The whole test suite", SUITE, 1)


def _measure(title: str, commands: dict[str, int], rounds: int) -> Outcome:
    outcome = Outcome(title, ())
    for text, bound in commands.items():
        script, *arguments = text.split()
        taken = []
        with console.status(f"scripts/{text}"):
            for _ in range(rounds):
                started = time.perf_counter()
                command = [sys.executable, str(ROOT / "scripts" / script), *arguments]
                done = subprocess.run(command, cwd=ROOT, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
                taken.append(time.perf_counter() - started)
                if done.returncode:
                    outcome.notes.append(f"scripts/{text} ended with status {done.returncode}")
        outcome.goals.append(Goal(f"scripts/{script}", Spread.of(taken), bound, "s"))
        outcome.figures[text] = outcome.goals[-1].found.median
    return outcome
