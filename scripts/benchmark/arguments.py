"""The arguments of `scripts/bench`; standard library only, so that `--help` is answered at once."""

from __future__ import annotations

import argparse

__all__ = ["parser"]


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description="Measure the clients side by side against a server on this machine."
    )
    parser.add_argument("--only", choices=("large", "small", "many"), help="one of the tables (default: all)")
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file (default: %(default)s)")
    parser.add_argument("--small", type=int, default=500, help="uploads of 10 KB in turn (default: %(default)s)")
    parser.add_argument("--many", type=int, default=2000, help="uploads of 10 KB at once (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="counted rounds (default: %(default)s)")
    return parser
