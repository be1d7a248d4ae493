"""`scripts/mutate-code`: breaks, one by one, in copies of the tree; what was noticed, and what was not."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import _environment
from code_mutations.arguments import Options, parser
from code_mutations.mutants import ROOT, Mutant, sample
from code_mutations.reach import KEPT, measured
from spec_pipeline import toml

GOAL = 0.92
EXPLAINED = Path(__file__).with_name("explained.toml")
LEFT = KEPT / "unnoticed.json"
NOTICED, SURVIVED, UNREACHED = "noticed", "survived", "reached by no test"


def verdict(mutant: Mutant, tests: list[str], tree: Path, seconds: float) -> str:
    if not tests:
        return UNREACHED
    broken = tree / mutant.file
    _write(broken, mutant.after)
    try:
        return NOTICED if run(tests, tree, 3 * seconds + 60).returncode else SURVIVED
    except subprocess.TimeoutExpired:
        return NOTICED
    finally:
        _write(broken, mutant.before)


def run(tests: list[str], tree: Path, timeout: float | None = None) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(tree / name) for name in ("wrapper", "generated", "scripts"))
    # A command line has no room for thousands.
    listed = tree / "chosen-tests"
    listed.write_text("\n".join(tests), "utf-8")
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", f"@{listed}"]
    settings = {**os.environ, "PYTHONPATH": paths}
    return subprocess.run(command, cwd=tree, env=settings, check=False, timeout=timeout, capture_output=True, text=True)


def main() -> int:
    options = parser().parse_args(namespace=Options())
    console = Console(highlight=False)
    explained = {
        (each["before"], each["after"]): each["why"]
        for each in toml.load(EXPLAINED.read_bytes(), name=EXPLAINED.name)["same"]
    }
    reach = measured()
    mutants = [
        mutant for mutant in sample(options.sample, options.seed, options.only) if mutant.words() not in explained
    ]
    if options.again:
        before = json.loads(LEFT.read_text("utf-8")) if LEFT.exists() else []
        mutants = [mutant for mutant in mutants if [mutant.file, *mutant.words()] in before]
    tests = {mutant: reach.tests(mutant.file, mutant.line, options.seconds) for mutant in mutants}
    console.print(f"{len(mutants)} breaks, chosen by seed {options.seed}")
    if not mutants:
        return 0
    found: dict[str, Counter[str]] = {}
    left = {mutant: (mutant.file, *mutant.words()) for mutant in mutants}
    with tempfile.TemporaryDirectory() as directory, ExitStack() as leaving:
        threads = ThreadPoolExecutor(options.workers)
        # As a context it would come to all of them first, also when it is broken off.
        leaving.callback(threads.shutdown, cancel_futures=True)
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.workers):
            trees.put(_copy(Path(directory, str(number))))
        # Else what fails anyway would pass for a test that notices.
        whole = run(sorted({test for chosen in tests.values() for test in chosen}), Path(directory, "0"))
        if whole.returncode:
            raise SystemExit(f"the tests fail in a copy with nothing broken:\n{whole.stdout[-2000:]}")

        def judge(mutant: Mutant) -> str:
            tree = trees.get()
            try:
                return verdict(mutant, tests[mutant], tree, options.seconds)
            finally:
                trees.put(tree)

        with Progress(console=console) as progress:
            task = progress.add_task("breaking", total=len(mutants))
            judging = {threads.submit(judge, mutant): mutant for mutant in mutants}
            for count, future in enumerate(as_completed(judging), start=1):
                mutant = judging[future]
                found.setdefault(mutant.file, Counter())[future.result()] += 1
                if future.result() == NOTICED:
                    del left[mutant]
                    # Of a run that is broken off, what it did not come to is left, too.
                    LEFT.write_text(json.dumps(list(left.values())), "utf-8")
                else:
                    words = "\n  - {}\n  + {}".format(*mutant.words())
                    console.print(f"{future.result()}: {mutant.file}:{mutant.line}{words}", markup=False)
                progress.advance(task)
                if not console.is_terminal and count % 50 == 0:
                    console.print(f"{count} of {len(mutants)} tried")
    _show(console, found)
    total = sum(found.values(), Counter())
    share = total[NOTICED] / max(1, total.total())
    console.print(f"{share:.1%} noticed, at least {GOAL:.0%} wanted")
    return 0 if share >= GOAL else 1


_moments = itertools.count(1)


def _write(file: Path, text: str) -> None:
    """Write with a time of change that the file never had: the compiled file of another text could pass for its own."""
    file.write_text(text, "utf-8")
    moment = next(_moments)
    os.utime(file, (moment, moment))


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
    _environment.run(main)
