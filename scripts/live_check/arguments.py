"""The arguments of `scripts/check-live`; standard library only, so that `--help` is answered at once."""

from __future__ import annotations

import argparse
from pathlib import Path

__all__ = ["KEY", "parser"]

KEY = "ANCHORBROWSER_API_KEY"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="check-live",
        description="Hold what the service answers against what the contract says. It starts one session, uploads a "
        f"few files into it and ends it. The key comes from {KEY}.",
        epilog="Exit status: 0 nothing contradicts the contract; 1 something does; 2 it could not be checked.",
    )
    parser.add_argument("--base-url", help="default: ANCHORBROWSER_BASE_URL, then the real service")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the findings there, too")
    parser.add_argument("--large-mib", metavar="N", type=_size, default=60, help="size of the large file (default: 60)")
    return parser


def _size(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number
