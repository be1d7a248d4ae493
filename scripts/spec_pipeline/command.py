"""What the commands have in common: their arguments, and that no accident passes for a verdict.

Standard library only, so that `--help` and a wrong option are answered before any environment is made.
"""

from __future__ import annotations

import argparse
import importlib
import io
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import _environment

__all__ = ["FAILED", "ROOT", "main", "mutate", "regenerate", "run", "vendor"]

ROOT = Path(__file__).resolve().parents[2]
FAILED = 3
"""The exit status of whatever is no verdict: a wrong option, a text that cannot be read, a fault of the program."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(FAILED, f"{self.prog}: {message}\n")


def main() -> int:
    """Run the command that is named first. What keeps it from even being imported is no verdict either."""
    name, *arguments = sys.argv[1:]
    return run(name, lambda: importlib.import_module(f"spec_pipeline.{name}").main(arguments), ())


def vendor() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="vendor",
        description="Show what the published spec has changed since it was vendored, and vendor it.",
        epilog="Exit status: 0 no change, or in words only; 1 compatible changes; 2 breaking ones; 3 no verdict, since "
        "something cannot be read. It reads up to 20 MB, and gives up after 10 seconds of work or 300 MiB.",
    )
    parser.add_argument(
        "pages",
        nargs="*",
        metavar="PAGE_OR_SPEC",
        help="a file or URL: a page of the reference, or an OpenAPI document (default: what was vendored last)",
    )
    parser.add_argument("--accept", action="store_true", help="write it into spec/; without this nothing is written")
    parser.add_argument(
        "--address",
        metavar="URL",
        action="append",
        default=[],
        help="where a file that is accepted was published, for it to be looked at again; once for each such file",
    )
    parser.add_argument("--verbose", action="store_true", help="name each operation that is left out")
    return _at_root(parser)


def regenerate() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="regenerate",
        description="Derive spec/openapi.yaml, spec/client.yaml and generated/ from the vendored spec.",
        epilog="Exit status: 0 done, or in step; 1 something differs (--check); 3 the spec or a generator is at fault.",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is committed differs")
    parser.add_argument(
        "--generators",
        type=Path,
        default=ROOT / ".venv-generate",
        help="the virtual environment that holds the generators (default: %(default)s)",
    )
    return _at_root(parser)


def mutate() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="mutate",
        description="Change the spec in every way that matters, and see that each change is noticed.",
        epilog="Exit status: 0 each is noticed by the right check at the right place, and there is no false alarm; 1 "
        "otherwise; 3 it could not be tried.",
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="only these (default: all)")
    return parser


def _at_root(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository to work on (default: this one)")
    return parser


def run(name: str, work: Callable[[], int], expected: tuple[type[Exception], ...]) -> int:
    """Do `work` and return its exit status.

    An `expected` exception becomes one line, and so does what the system refuses, such as a file that is not there or a
    disk that is full. All others become a traceback.
    """
    for stream in (sys.stdout, sys.stderr):
        # What is published holds characters that a console's own encoding may lack.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        return work()
    except expected as error:
        print(f"{name}: {error}", file=sys.stderr)
    except OSError as error:
        print(f"{name}: {error}; put that right, then run this again", file=sys.stderr)
    except Exception:
        traceback.print_exc()
        print(f"{name}: a fault of this program, and no verdict about the spec", file=sys.stderr)
    return FAILED


if __name__ == "__main__":
    _environment.run(main)
