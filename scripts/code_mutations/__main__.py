"""`scripts/mutate-code`: breaks, one by one, in copies of the tree; what was noticed, and what was not."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from code_mutations.arguments import Options, parser
from code_mutations.mutants import ROOT, Mutant, sample
from code_mutations.reach import Reach, measured
from spec_pipeline import toml

GOAL = 0.92
EXPLAINED = Path(__file__).with_name("explained.toml")
NOTICED, SURVIVED, UNREACHED = "noticed", "survived", "reached by no test"


def verdict(mutant: Mutant, reach: Reach, tree: Path, seconds: float) -> str:
    tests = reach.tests(mutant.file, mutant.line, seconds)
    if not tests:
        return UNREACHED
    broken = tree / mutant.file
    broken.write_text(mutant.after, "utf-8")
    paths = os.pathsep.join(str(tree / name) for name in ("wrapper", "generated", "scripts"))
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # The compiled file of an earlier break may be as long and as old.
    settings = {**os.environ, "PYTHONPATH": paths, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=tree, env=settings, check=False, timeout=3 * seconds + 60, capture_output=True, text=True
        )
    except subprocess.TimeoutExpired:
        return NOTICED
    finally:
        broken.write_text(mutant.before, "utf-8")
    return NOTICED if done.returncode else SURVIVED


def main() -> None:
    options = parser().parse_args(namespace=Options())
    console = Console(highlight=False)
    explained = {
        (each["before"], each["after"]): each["why"] for each in toml.loads(EXPLAINED.read_text("utf-8"))["same"]
    }
    reach = measured()
    mutants = [
        mutant for mutant in sample(options.sample, options.seed, options.only) if mutant.words() not in explained
    ]
    console.print(f"{len(mutants)} breaks, chosen by seed {options.seed}")
    found: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(options.workers) as threads:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.workers):
            trees.put(_copy(Path(directory, str(number))))

        def judge(mutant: Mutant) -> str:
            tree = trees.get()
            try:
                return verdict(mutant, reach, tree, options.seconds)
            finally:
                trees.put(tree)

        with Progress(console=console) as progress:
            task = progress.add_task("breaking", total=len(mutants))
            judging = {threads.submit(judge, mutant): mutant for mutant in mutants}
            for future in as_completed(judging):
                mutant = judging[future]
                found.setdefault(mutant.file, Counter())[future.result()] += 1
                if future.result() != NOTICED:
                    before, after = mutant.words()
                    console.print(
                        f"{future.result()}: {mutant.file}:{mutant.line}\n  - {before}\n  + {after}", markup=False
                    )
                progress.advance(task)
    _show(console, found)
    total = sum(found.values(), Counter())
    share = total[NOTICED] / max(1, total.total())
    console.print(f"{share:.1%} noticed, at least {GOAL:.0%} wanted")
    sys.exit(0 if share >= GOAL else 1)


def _copy(tree: Path) -> Path:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, tree / name)
    return tree


def _show(console: Console, found: dict[str, Counter[str]]) -> None:
    table = Table(box=None, header_style="dim")
    table.add_column("")
    columns = ("tried", NOTICED, SURVIVED, UNREACHED)
    for column in columns:
        table.add_column(column, justify="right")
    for file, verdicts in sorted(found.items()):
        table.add_row(file, str(verdicts.total()), *(str(verdicts[column]) for column in columns[1:]))
    console.print(table)


if __name__ == "__main__":
    main()
