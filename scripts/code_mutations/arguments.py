"""The arguments of `scripts/mutate-code`; standard library only, so that `--help` is answered at once."""

from __future__ import annotations

import argparse

__all__ = ["Options", "parser"]


class Options(argparse.Namespace):
    """What was asked for."""

    sample: int
    seed: int
    only: str
    seconds: float
    workers: int
    again: bool


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mutate-code",
        description="Break the core, the way into the page and what compares specs, one small change at a time, and "
        "run the tests that reach the changed line. Exit status: 0 enough of it was noticed, 1 too little.",
    )
    parser.add_argument("--sample", type=int, default=600, help="how many breaks, spread evenly (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="which ones (default: %(default)s)")
    parser.add_argument("--only", default="", metavar="TEXT", help="those in files whose path holds it")
    parser.add_argument(
        "--seconds", type=float, default=60, help="of tests for each, the quickest first (default: %(default)s)"
    )
    parser.add_argument("--again", action="store_true", help="of those, what the last run left")
    parser.add_argument("--workers", type=int, default=2, help="how many at once (default: %(default)s)")
    return parser
