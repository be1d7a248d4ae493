"""Small files at once: each answered after 20 ms, nearby and far away."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.arguments import Options
from benchmark.figures import Goal, Outcome, Spread
from benchmark.processes import client, in_turn, serving, trusted_certificate, with_report
from benchmark.programs.many import BARE, NAMES, THREADS
from benchmark.programs.slow_answers import ANSWERED_AFTER
from benchmark.programs.upload import OURS_AIOHTTP, OURS_ASYNC

IN_FLIGHT = (8, 64, 200, 500)
ROUND_TRIP = 0.05


def measure(options: Options) -> Iterator[Outcome]:
    """Measure what one upload takes beside others."""
    count = options.count
    with serving("slow_answers") as server:
        runs = {
            (name, at): client("many", name, f"http://127.0.0.1:{server.port}", count, at)
            for name in NAMES
            for at in IN_FLIGHT
            if name != THREADS or at <= 64
        }
        found = in_turn("many", runs, options.rounds, with_report(server))
    outcome = Outcome(
        f"{count} files of 10 KB, each answered after 20 ms, so many in flight: CPU, µs each (connections)",
        [str(at) for at in IN_FLIGHT],
    )
    cpu = {key: Spread.of(figure["cpu"] / count * 1e6 for figure in figures) for key, figures in found.items()}
    for name in NAMES:
        cells = [
            f"{cpu[name, at].median:.0f} ({found[name, at][-1]['connections']:.0f})" if (name, at) in cpu else "–"
            for at in IN_FLIGHT
        ]
        outcome.rows[name] = cells
        outcome.figures[name] = {at: cpu[name, at].median for at in IN_FLIGHT if (name, at) in cpu}
    for name in (OURS_ASYNC, OURS_AIOHTTP):
        least, most = (choose(cpu[name, at].median for at in IN_FLIGHT) for choose in (min, max))
        middle = (least + most) / 2
        outcome.goals.append(Goal(f"flat: furthest from the middle, {name}", Spread.of([most / middle - 1]), 0.15, ""))
    for at in IN_FLIGHT:
        wall = [a["wall"] / b["wall"] for a, b in zip(found[BARE, at], found[OURS_ASYNC, at], strict=True)]
        over = [a["cpu"] / b["cpu"] for a, b in zip(found[OURS_AIOHTTP, at], found[BARE, at], strict=True)]
        outcome.goals += [
            Goal(f"CPU, {OURS_AIOHTTP} ÷ bare aiohttp, {at} in flight", Spread.of(over), 1.3),
            Goal(f"rate, {OURS_ASYNC} ÷ bare aiohttp, {at} in flight", Spread.of(wall), 0.85, at_least=True),
        ]
    ideal = count / 8 * ANSWERED_AFTER
    reached = Spread.of(ideal / figure["wall"] for figure in found[THREADS, 8])
    outcome.goals.append(Goal(f"rate, {THREADS} ÷ the ideal, 8 in flight", reached, 0.9, at_least=True))
    yield outcome


def measure_far(options: Options) -> Iterator[Outcome]:
    """Measure the same over TLS and 50 ms of round trip, 64 in flight."""
    count, in_flight = options.count, 64
    with trusted_certificate() as chain, serving("slow_answers", chain, ROUND_TRIP / 2) as server:
        url = f"https://127.0.0.1:{server.port}"
        names = ("httpx", BARE, OURS_ASYNC, OURS_AIOHTTP)
        runs = {name: client("many", name, url, count, in_flight) for name in names}
        found = in_turn("far", runs, options.rounds, with_report(server))
    outcome = Outcome(
        f"{count} files of 10 KB, TLS, a round trip of 50 ms and 20 ms more, {in_flight} in flight",
        ("wall, s", "CPU, µs each", "connections"),
    )
    # A handshake is one round trip, and so is each upload.
    ideal = ROUND_TRIP + -(-count // in_flight) * (ROUND_TRIP + ANSWERED_AFTER)
    for name, figures in found.items():
        wall = Spread.of(figure["wall"] for figure in figures)
        cpu = Spread.of(figure["cpu"] / count * 1e6 for figure in figures)
        connections = Spread.of(figure["connections"] for figure in figures)
        outcome.rows[name] = [wall.shown(""), cpu.shown(""), connections.shown("")]
        outcome.figures[name] = {"wall": wall.median, "cpu": cpu.median, "connections": connections.median}
        if name == OURS_ASYNC:
            outcome.goals += [
                Goal("connections made", connections, in_flight, ""),
                Goal("wall ÷ the ideal", Spread.of(figure["wall"] / ideal for figure in figures), 1.1),
            ]
    yield outcome
