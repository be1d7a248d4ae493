"""The arguments of `scripts/bench`; standard library only, so that `--help` is answered at once."""

from __future__ import annotations

import argparse

__all__ = ["CASES", "Options", "parser"]

CASES = {
    "large": "one large file, HTTP and TLS; how long async stops the loop",
    "memory": "peak memory, by kind of source and size",
    "small": "small files one after another; from nothing to one of them",
    "many": "small files at once",
    "far": "the same over TLS and a round trip of 50 ms",
    "page": "an uploaded file into a page",
    "disk": "the local Anchor, beside cp",
    "commands": "the project's own scripts",
    "suite": "the whole test suite",
}


class Options(argparse.Namespace):
    """What was asked for."""

    only: list[str]
    quick: bool
    mib: int
    count: int
    rounds: int
    json: str | None
    plot: str | None


def parser() -> argparse.ArgumentParser:
    cases = "\n".join(f"  {name:10}{text}" for name, text in CASES.items())
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure this client and what one might use instead, side by side on this machine, and say which\n"
        "goals are met. Exit status: 0 all of them, 1 not all.",
        epilog=f"cases:\n{cases}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", action="append", choices=CASES, metavar="CASE", help="this case (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="small and few, without the suite and the scripts: 90 s")
    parser.add_argument("--mib", type=int, help="size of the large file (default: 1024, quick: 128)")
    parser.add_argument("--count", type=int, help="how many small files (default: 2000, quick: 200)")
    parser.add_argument("--rounds", type=int, help="counted rounds (default: 5, quick: 1)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there")
    parser.add_argument("--plot", metavar="FILE", help="draw there, as SVG, what one large file takes")
    parser.set_defaults(**dict.fromkeys(("mib", "count", "rounds")))
    return parser
