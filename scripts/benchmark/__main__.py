"""`scripts/bench`: runs the cases one by one, shows each as it is done, and ends with what was missed."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Iterator
from datetime import date
from importlib import metadata
from pathlib import Path

from rich.console import Console

import _environment
from benchmark import plot
from benchmark.arguments import CASES, Options, parser
from benchmark.cases import commands, large, local, many, memory, small
from benchmark.figures import Outcome
from benchmark.processes import settings

MEASURES: dict[str, Callable[[Options], Iterator[Outcome]]] = {
    "large": large.measure,
    "memory": memory.measure,
    "small": small.measure,
    "many": many.measure,
    "far": many.measure_far,
    "page": local.measure_page,
    "disk": local.measure_disk,
    "commands": commands.measure,
    "suite": commands.measure_suite,
}
DEFAULTS = {"mib": (1024, 128), "count": (2000, 200), "rounds": (5, 1)}
NOT_QUICK = {"commands", "suite"}
# A key or a proxy of one's own has no place here, and programs are not compiled anew in each process.
CLEAN = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": ""}


def main() -> int:
    options = parser().parse_args(namespace=Options())
    for name, (full, quick) in DEFAULTS.items():
        if getattr(options, name) is None:
            setattr(options, name, quick if options.quick else full)
    cases = options.only or [name for name in CASES if not (options.quick and name in NOT_QUICK)]
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=140)
    about = f"{date.today()}, {_machine()}, Python {platform.python_version()}, medians of {options.rounds}"
    console.print(f"{about} (least–most)\n")
    outcomes: dict[str, list[Outcome]] = {}
    with settings(**CLEAN):
        for name in cases:
            for outcome in MEASURES[name](options):
                outcomes.setdefault(name, []).append(outcome)
                console.print(*outcome.shown(), "", sep="\n")
    goals = [goal for parts in outcomes.values() for part in parts for goal in part.goals]
    console.print(f"{sum(goal.met for goal in goals)} of {len(goals)} goals met")
    if options.json:
        told = {name: [vars(part) for part in parts] for name, parts in outcomes.items()}
        Path(options.json).write_text(json.dumps({"about": about, "cases": told}, default=vars, indent=1), "utf-8")
    if options.plot and "large" in outcomes:
        Path(options.plot).write_text(plot.drawn(outcomes["large"][0], about), "utf-8", newline="\n")
    return 0 if all(goal.met for goal in goals) else 1


def _machine() -> str:
    return f"{os.cpu_count()} cores {platform.machine()}, {platform.system()}, httpx {metadata.version('httpx')}"


if __name__ == "__main__":
    _environment.run(main)
