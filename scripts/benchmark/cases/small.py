"""Small files one after another, and from nothing to one of them."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import Figures, client, in_turn, ratio, sample, serving
from benchmark.programs.upload import OURS, OURS_AIOHTTP, OURS_ASYNC

SDK = "official SDK, file"
CLIENTS = (
    *("http.client", "httpx", "httpx2", "aiohttp", "requests", "requests-toolbelt", "niquests", "generated client"),
    *(SDK, OURS, OURS_ASYNC, OURS_AIOHTTP),
)


def measure(options: Options) -> Iterator[Outcome]:
    count = options.count
    with serving("sink") as server, sample(10_000) as path:
        url = f"http://127.0.0.1:{server.port}"
        runs = {(name, times): client("upload", name, url, path, times) for name in CLIENTS for times in (1, count)}
        found = in_turn("small", runs, options.rounds)
    net = {
        name: [
            {key: (many[key] - one[key]) / (count - 1) * 1e6 for key in ("wall", "cpu")}
            for many, one in zip(found[name, count], found[name, 1], strict=True)
        ]
        for name in CLIENTS
    }
    yield _outcome(
        f"{count} files of 10 KB one after another, net of process start, each",
        "µs",
        net,
        [
            Goal("CPU, ours ÷ bare httpx", ratio(net[OURS], net["httpx"], "cpu"), 1.0),
            Goal("CPU, ours ÷ official SDK", ratio(net[OURS], net[SDK], "cpu"), 0.5),
        ],
    )
    whole = {
        name: [{key: figure[key] * 1000 for key in ("wall", "cpu")} for figure in found[name, 1]] for name in CLIENTS
    }
    yield _outcome(
        "From nothing to one uploaded file of 10 KB, whole process",
        "ms",
        whole,
        [
            Goal(f"{quantity}, ours ÷ {text}", ratio(whole[OURS], whole[peer], key), bound)
            for quantity, key in (("wall", "wall"), ("CPU", "cpu"))
            for peer, text, bound in (("httpx", "bare httpx", 1.5), (SDK, "official SDK", 0.45))
        ],
    )


def _outcome(title: str, unit: str, found: dict[str, list[Figures]], goals: list[Goal]) -> Outcome:
    outcome = Outcome(title, (f"wall, {unit}", f"CPU, {unit}", "CPU ÷ ours"), goals=goals)
    for name, figures in found.items():
        spreads = {key: Spread.of(figure[key] for figure in figures) for key in ("wall", "cpu")}
        outcome.rows[name] = [
            *(spread.shown("") for spread in spreads.values()),
            ratio(figures, found[OURS], "cpu").shown("×"),
        ]
        outcome.figures[name] = {key: spread.median for key, spread in spreads.items()}
    return outcome
