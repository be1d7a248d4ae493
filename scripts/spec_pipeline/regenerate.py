"""The command behind `scripts/regenerate`: derive everything from the vendored spec, or check that nobody has to.

Exit status: 0 done, or nothing to do; 1 a difference (`--check`); 3 the spec or a generator is at fault.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from openapi.errors import SpecError
from spec_pipeline import command, files
from spec_pipeline.derive.build import DERIVED, build
from spec_pipeline.derive.compare import differences
from spec_pipeline.derive.generators import GenerationError, Generators
from spec_pipeline.published.source import Source


def main(arguments: list[str] | None = None) -> int:
    options = command.regenerate().parse_args(arguments)
    generators = Generators(options.generators.resolve())
    return command.run(
        "regenerate",
        lambda: _run(options.root.resolve(), generators, check=options.check),
        (SpecError, GenerationError),
    )


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
    if found or edited:
        return 1
    print("in step: what is committed is what the vendored spec gives")
    return 0


def _replace(new: Path, old: Path) -> None:
    old.parent.mkdir(parents=True, exist_ok=True)
    if new.is_file():
        files.replace(old, new.read_bytes())
    else:
        files.replace_directory(old, new)
