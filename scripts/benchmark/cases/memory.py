"""The most memory that a process has, by kind of source and size."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import client, in_turn, serving
from benchmark.programs.memory import KINDS

SIZES = {"1 KiB": 1 << 10, "1 MiB": 1 << 20, "100 MiB": 100 << 20, "1 GiB": 1 << 30, "5 GiB": 5 << 30}
QUICK = ("1 KiB", "100 MiB")


def measure(options: Options) -> Iterator[Outcome]:
    sizes = QUICK if options.quick else tuple(SIZES)
    with serving("sink") as server:
        url = f"http://127.0.0.1:{server.port}"
        runs = {(kind, size): client("memory", kind, url, SIZES[size]) for kind in KINDS for size in sizes}
        found = in_turn("memory", runs, 1, warm_up=False)
    outcome = Outcome("Peak memory of a whole process, MiB", sizes)
    for kind in KINDS:
        peaks = {size: found[kind, size][0]["memory"] / 2**20 for size in sizes}
        outcome.rows[kind] = [f"{peak:.1f}" for peak in peaks.values()]
        outcome.figures[kind] = peaks
        more = Spread.of([max(peaks.values()) - peaks["1 KiB"]])
        outcome.goals.append(Goal(f"the most above 1 KiB, {kind}", more, 8, "MiB"))
    yield outcome
