"""`scripts/bench`: every contender in turn, several rounds, medians and ratios; and how long async stops the loop."""

from __future__ import annotations

import argparse
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

from anchor_uploads import AsyncUploadClient
from benchmark.contenders import CONTENDERS, SESSION


@contextmanager
def sink() -> Iterator[int]:
    command = [sys.executable, "-m", "benchmark.sink"]
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


def measure(size: int, count: int, rounds: int) -> None:
    results: dict[str, list[dict[str, float]]] = {name: [] for name in CONTENDERS}
    with sink() as port, sample(size) as path:
        # In turn, so that a machine that slows down slows all of them; the first round only warms up.
        for number in range(rounds + 1):
            for name in CONTENDERS:
                command = [sys.executable, "-m", "benchmark.contenders", name, str(port), str(path), str(count)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                if number:
                    results[name].append(json.loads(output))
                print(f"\r{number}/{rounds} {name:24}", end="", file=sys.stderr, flush=True)
    print("\r" + " " * 32 + "\r", end="", file=sys.stderr)
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

    with sink() as port, sample(size) as path:
        gaps = [asyncio.run(run(port, path)) for _ in range(3)]
    print(f"\nworst gap of a 1 ms ticker during an async upload: {min(gaps) * 1000:.1f} ms (best of 3)")


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file (default: %(default)s)")
    parser.add_argument("--small", type=int, default=500, help="how many uploads of 10 KB (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default: %(default)s)")
    options = parser.parse_args()
    print(f"one file of {options.mib} MiB; ratios are to the first row, round by round")
    measure(options.mib << 20, 1, options.rounds)
    print(f"\n{options.small} files of 10 KB on one connection, each")
    measure(10_000, options.small, options.rounds)
    measure_gap(options.mib << 20)


if __name__ == "__main__":
    main()
