"""`scripts/bench`: every contender in turn, several rounds, medians and ratios; and how long async stops the loop.

Three tables: one large file, small files one after another, and small files many at once.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import _environment
from anchor_uploads import AsyncUploadClient
from benchmark import many
from benchmark.arguments import parser
from benchmark.contenders import CONTENDERS, PEERS, SESSION

Key = TypeVar("Key")
Cells = dict[tuple[str, int], float]
IN_FLIGHT = (1, 8, 64, 200, 500)


@contextmanager
def serving(module: str) -> Iterator[int]:
    command = [sys.executable, "-m", module]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()


@contextmanager
def sample(size: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "a.bin")
        with path.open("wb") as file:
            block = bytes(1 << 20)
            for _ in range(size // len(block)):
                file.write(block)
            file.write(block[: size % len(block)])
        yield path


def run_in_turn(module: str, runs: dict[Key, list[object]], rounds: int) -> dict[Key, list[dict[str, float]]]:
    """Run `module` with the arguments of each run, a contender's name first; return what it printed in each round.

    In turn, so that a machine that slows down slows all of them.
    """
    results: dict[Key, list[dict[str, float]]] = {key: [] for key in runs}
    for number in range(rounds):
        for key, arguments in runs.items():
            print(f"\r{number + 1}/{rounds} {arguments[0]:32}", end="", file=sys.stderr, flush=True)
            python = _environment.ensure("peers") if arguments[0] in PEERS else sys.executable
            command = [python, "-m", module, *map(str, arguments)]
            output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            results[key].append(json.loads(output))
    print("\r" + " " * 40 + "\r", end="", file=sys.stderr)
    return results


def measure(size: int, count: int, rounds: int) -> None:
    with serving("benchmark.sink") as port, sample(size) as path:
        arguments: dict[str, list[object]] = {name: [name, port, path, count] for name in CONTENDERS}
        run_in_turn("benchmark.contenders", arguments, 1)  # to warm up
        results = run_in_turn("benchmark.contenders", arguments, rounds)
    first = next(iter(results.values()))
    print(f"{'':22}{'wall':>12}{'CPU':>12}{'wall ratio':>12}{'CPU ratio':>12}{'memory':>12}")
    for name, runs in results.items():
        wall, cpu = (statistics.median(run[key] for run in runs) / count for key in ("wall", "cpu"))
        ratios = [
            statistics.median(run[key] / base[key] for run, base in zip(runs, first, strict=True))
            for key in ("wall", "cpu")
        ]
        memory = max(run["memory"] for run in runs) / (1 << 20)
        shown = [f"{seconds:.2f} s" if seconds >= 0.05 else f"{seconds * 1e6:.0f} us" for seconds in (wall, cpu)]
        print(f"{name:22}{shown[0]:>12}{shown[1]:>12}{ratios[0]:>11.2f}x{ratios[1]:>11.2f}x{memory:>8.0f} MiB")


def measure_many(count: int, rounds: int) -> None:
    """Print a table for each quantity: a row for each contender, a column for each number of uploads in flight."""
    # One at a time waits for each answer; a twentieth of the uploads takes about as long as many at once.
    counts = {in_flight: count if in_flight > 1 else max(1, count // 20) for in_flight in IN_FLIGHT}
    with serving("benchmark.slow_answers") as port:
        arguments: dict[tuple[str, int], list[object]] = {
            (name, in_flight): [name, port, counts[in_flight], in_flight]
            for name in many.NAMES
            for in_flight in IN_FLIGHT
            if name != many.THREADS or in_flight <= many.MOST_THREADS
        }
        results = run_in_turn("benchmark.many", arguments, rounds)

    def median(quantity: str) -> Cells:
        return {key: statistics.median(run[quantity] for run in runs) for key, runs in results.items()}

    def per_upload(quantity: str) -> Cells:
        return {key: seconds / counts[key[1]] * 1e6 for key, seconds in median(quantity).items()}

    cpu = per_upload("cpu")
    show("CPU, us per upload", cpu)
    show("CPU, x of 8 in flight", {(name, at): value / cpu[name, 8] for (name, at), value in cpu.items()}, ".2f")
    show("wall, us per upload", per_upload("wall"))
    show("connections", median("connections"))


def show(title: str, cells: Cells, form: str = ".0f") -> None:
    print(f"\n{title:26}" + "".join(f"{in_flight:>8}" for in_flight in IN_FLIGHT))
    for name in many.NAMES:
        row = [cells.get((name, in_flight)) for in_flight in IN_FLIGHT]
        print(f"{name:26}" + "".join(f"{'-' if value is None else format(value, form):>8}" for value in row))


def measure_gap(size: int) -> None:
    async def run(port: int, path: Path) -> float:
        worst = 0.0

        async def tick() -> None:
            nonlocal worst
            last = time.perf_counter()
            while True:
                await asyncio.sleep(0.001)
                now = time.perf_counter()
                worst, last = max(worst, now - last - 0.001), now

        async with AsyncUploadClient(api_key="k", base_url=f"http://127.0.0.1:{port}") as client:
            await client.upload_file(SESSION, b"", filename="warm up")
            ticker = asyncio.ensure_future(tick())
            await client.upload_file(SESSION, path)
            ticker.cancel()
        return worst

    with serving("benchmark.sink") as port, sample(size) as path:
        gaps = [asyncio.run(run(port, path)) for _ in range(3)]
    print(f"\nworst gap of a 1 ms ticker during an async upload: {min(gaps) * 1000:.1f} ms (best of 3)")


def main() -> None:
    options = parser().parse_args()
    if options.only in (None, "large"):
        print(f"one file of {options.mib} MiB; ratios are to the first row, round by round")
        measure(options.mib << 20, 1, options.rounds)
        measure_gap(options.mib << 20)
    if options.only in (None, "small"):
        print(f"\n{options.small} files of 10 KB on one connection, each; ratios as above")
        measure(10_000, options.small, options.rounds)
    if options.only in (None, "many"):
        print(f"\n{options.many} files of 10 KB, so many in flight, each answered after 20 ms")
        measure_many(options.many, options.rounds)


if __name__ == "__main__":
    main()
