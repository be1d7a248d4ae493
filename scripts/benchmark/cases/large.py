"""One large file: each client in a process of its own, less what the same process takes for one of 1 KiB."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext

from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import Command, Figures, client, in_turn, ratio, run, sample, serving, trusted_certificate
from benchmark.programs.upload import OURS, OURS_AIOHTTP, OURS_ASYNC, TARGET

CLIENTS = (
    *("sendfile", "curl", "http.client", "httpx", "httpx2", "aiohttp", "requests", "requests-toolbelt", "niquests"),
    *("generated client", "official SDK, file", OURS, OURS_ASYNC, OURS_AIOHTTP),
)
BY_PATH = "official SDK, path"
TICKING = {name: f"{name}, ticking" for name in (OURS_ASYNC, OURS_AIOHTTP)}


def measure(options: Options) -> Iterator[Outcome]:
    for scheme in ("http", "https"):
        yield _measure(scheme, options.mib << 20, options.rounds)


def _measure(scheme: str, size: int, rounds: int) -> Outcome:
    outcome = Outcome(
        f"One file of {size >> 20} MiB from a path, {scheme.upper()}, net of what 1 KiB takes",
        ("wall, s", "CPU, s", "memory, MiB", "CPU ÷ ours"),
    )
    certificate = trusted_certificate() if scheme == "https" else nullcontext()
    with (
        certificate as chain,
        serving("sink", *filter(None, [chain])) as server,
        sample(size) as file,
        sample(1024) as tiny,
    ):
        url = f"{scheme}://127.0.0.1:{server.port}"

        def command(name: str, path: object, *more: object) -> Command:
            if name == "curl":
                return ["curl", "-sS", "-o", os.devnull, "-F", f"file=@{path}", url + TARGET]
            return client("upload", name, url, path, 1, *more)

        def observed(command: Command) -> Figures:
            before = server.report()["cpu"]
            figures = run(command)
            return {**figures, "server": server.report()["cpu"] - before}

        possible = {"curl": shutil.which("curl"), "sendfile": scheme == "http"}
        names = [name for name in CLIENTS if possible.get(name, True)]
        runs = {(name, path): command(name, path) for name in names for path in (file, tiny)}
        runs |= {(ticking, file): command(name, file, "ticking") for name, ticking in TICKING.items()}
        found = in_turn(scheme.upper(), runs, rounds, observed)
        net = {name: _net(found[name, file], found[name, tiny]) for name in names}
        if scheme == "http":
            # It takes so long that once has to do.
            net[BY_PATH] = _net([run(command(BY_PATH, file))], [run(command(BY_PATH, tiny))])
    ours = net[OURS]
    for name, figures in net.items():
        spreads = {key: Spread.of(figure[key] for figure in figures) for key in ("wall", "cpu", "memory")}
        memory = f"{spreads['memory'].median / 2**20:.0f}" if spreads["memory"].median else "–"
        cells = [spreads["wall"].shown(""), spreads["cpu"].shown(""), memory, ratio(figures, ours, "cpu").shown("×")]
        outcome.rows[name] = cells
        outcome.figures[name] = {key: spread.median for key, spread in spreads.items()}
    if "curl" in net:
        bound = 0.95 if scheme == "http" else 1.05
        outcome.goals += [
            Goal("CPU, ours ÷ curl", ratio(ours, net["curl"], "cpu"), bound),
            Goal("wall, ours ÷ curl", ratio(ours, net["curl"], "wall"), 1.05),
        ]
    for name in (OURS_ASYNC, OURS_AIOHTTP):
        gaps = Spread.of(figures["gap"] * 1000 for figures in found[TICKING[name], file])
        outcome.goals += [
            Goal(f"CPU, {name} ÷ sync", ratio(net[name], ours, "cpu"), 1.2),
            Goal(f"CPU, {name} ÷ bare aiohttp", ratio(net[name], net["aiohttp"], "cpu"), 1.0),
            Goal(f"worst gap of a ticker of 1 ms, {name}", gaps, 5, "ms"),
        ]
    if BY_PATH in net:
        outcome.goals.append(
            Goal("CPU, official SDK given a path ÷ ours", ratio(net[BY_PATH], ours, "cpu"), 40, at_least=True)
        )
    busy = Spread.of(figures["server"] / figures["wall"] for figures in found[OURS, file])
    outcome.goals.append(Goal("the sink is no bottleneck: its CPU ÷ our wall", busy, 0.9))
    return outcome


def _net(whole: list[Figures], start: list[Figures]) -> list[Figures]:
    """Subtract what the process takes besides; the memory is that of the whole."""
    return [
        {"wall": a["wall"] - b["wall"], "cpu": a["cpu"] - b["cpu"], "memory": a.get("memory", 0.0)}
        for a, b in zip(whole, start, strict=True)
    ]
