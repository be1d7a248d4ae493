"""The arguments of `scripts/torture`; standard library only, so that `--help` is answered at once."""

from __future__ import annotations

import argparse
import random

__all__ = ["SUBJECTS", "parser"]

# What each is about, and its share of the time.
SUBJECTS = {
    "names": ("names that people give to files, through all stops into a real page", 1),
    "bodies": ("bodies around every block's edge, 5 GiB, files that change", 2),
    "faults": ("a proxy that cuts, delays, trickles, resets and answers early, TLS, too", 3),
    "answers": ("answers of every broken shape", 2),
    "concurrency": ("64 threads, 500 tasks, cancellations at random moments", 2),
    "lifetime": ("fork, spawn, and the end of the interpreter", 1),
    "endurance": ("10,000 uploads with descriptors, threads and memory flat", 3),
    "local": ("the local Anchor: bombs, slow senders, a full disk, what is killed", 2),
    "documents": ("documents that are bombs, for the readers of the published spec", 1),
    "keys": ("the key, looked for in all that is printed, raised, logged or pickled", 1),
    "model": ("the stateful model of tests/wire/test_model.py, with other sequences each time", 10),
}
_QUICK, _FULL = 2.5, 28.0


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="torture",
        description="Try everything that can go wrong between a disk and a page, on this machine only.",
        epilog="Subjects: "
        + "; ".join(f"{name}: {about}" for name, (about, _share) in SUBJECTS.items())
        + ". Exit status: 0 all was right; 1 something was wrong; 130 Ctrl-C, with the table so far.",
    )
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of all that is random (told)")  # noqa: S311
    parser.add_argument("--quick", action="store_true", help=f"fewer and smaller trials, in {_QUICK:g} minutes")
    parser.add_argument(
        "--only", action="append", metavar="SUBJECT", choices=SUBJECTS, default=[], help="one of the subjects"
    )
    parser.add_argument("--trial", type=int, metavar="NUMBER", help="with --only: this one trial, once")
    parser.add_argument(
        "--minutes", type=float, help=f"for all subjects together (default: {_FULL:g}, or {_QUICK:g} with --quick)"
    )
    parser.set_defaults(minutes_of=lambda options: options.minutes or (_QUICK if options.quick else _FULL))
    return parser
