"""The command behind `scripts/regenerate`: derive everything from the vendored spec, or check that nobody has to.

Exit status: 0 done, or nothing to do; 1 a difference (`--check`); 2 the spec or a generator is at fault.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from spec_pipeline.build import DERIVED, build
from spec_pipeline.compare import differences
from spec_pipeline.errors import SpecError
from spec_pipeline.generators import GenerationError, Generators
from spec_pipeline.source import Source

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="regenerate", description="Derive code from the vendored spec.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if what is committed differs")
    parser.add_argument("--root", type=Path, default=ROOT, help="the repository to work on (default: this one)")
    parser.add_argument(
        "--generators",
        type=Path,
        default=ROOT / ".venv-generate",
        help="the virtual environment that holds the generators (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        return _run(options.root.resolve(), Generators(options.generators.resolve()), check=options.check)
    except (SpecError, GenerationError) as error:
        print(f"regenerate: {error}", file=sys.stderr)
        return 2


def _run(root: Path, generators: Generators, *, check: bool) -> int:
    source = Source.read(root / "spec")
    edited = source.differs_from(root / "spec")
    if edited:
        print(
            f"spec/{source.file}: is not what spec/SOURCE.toml says was vendored (another SHA-256). Bring the "
            "published bytes back, or vendor the new page.",
            file=sys.stderr,
        )
    with tempfile.TemporaryDirectory(prefix="regenerate-") as directory:
        fresh = Path(directory)
        build(root, fresh, generators, report=lambda step: print(step, flush=True))
        found = list(differences(root, fresh))
        if not check:
            for derived in DERIVED:
                _replace(fresh / derived, root / derived)
            print(f"{len(found)} of the derived files changed" if found else "nothing changed")
            return 0
    for text in found:
        print(f"\n{text}", end="")
    if found:
        print(f"\n{len(found)} files differ. If the spec or the overlay was changed, run scripts/regenerate.")
    return 1 if found or edited else 0


def _replace(new: Path, old: Path) -> None:
    """Put `new` where `old` is; until the last step `old` stays whole."""
    old.parent.mkdir(parents=True, exist_ok=True)
    aside = old.with_name(f".{old.name}.new")
    if new.is_file():
        shutil.copyfile(new, aside)
    else:
        shutil.rmtree(aside, ignore_errors=True)
        shutil.copytree(new, aside)
        shutil.rmtree(old, ignore_errors=True)
    aside.replace(old)


if __name__ == "__main__":
    sys.exit(main())
