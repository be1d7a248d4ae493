"""Which tests reach a line, and how long each takes: measured by coverage, and kept while the code is the same."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import zip_longest
from pathlib import Path

from coverage import CoverageData
from coverage.parser import PythonParser

from code_mutations.mutants import ROOT, files

KEPT = ROOT / ".cache" / "code-mutations"
# Each runs in one process. What makes environments or runs the generators is told apart by how long it takes.
PARTS = (
    ("tests/unit", "tests/wire"),
    ("tests/browser", "tests/local/test_handed_in.py", "tests/local/test_downstream.py"),
    ("tests/pipeline/test_diff.py", "tests/pipeline/test_mutations.py", "tests/contract/test_replies.py"),
)
SETTINGS = "[run]\nbranch = true\nsource_pkgs = anchor_uploads, spec_pipeline.changes\n"


class Reach:
    """Which tests reach which lines."""

    def __init__(self, directory: Path) -> None:
        self._seconds: dict[str, float] = {}
        self._tests: dict[tuple[str, int], set[str]] = defaultdict(set)
        for part in range(len(PARTS)):
            self._seconds |= json.loads((directory / f"{part}.json").read_text("utf-8"))
            data = CoverageData(str(directory / f"{part}.coverage"))
            data.read()
            for file in data.measured_files():
                name = Path(file).relative_to(ROOT).as_posix()
                for line, contexts in data.contexts_by_lineno(file).items():
                    # Without a name: what was imported before any test.
                    tests = set(contexts) - {""}
                    self._tests[name, line].update(tests)
                    self._tests[name, 0].update(tests)

    def tests(self, file: str, line: int, seconds: float) -> list[str]:
        """Return tests that reach the line, as many as `seconds` have room for: of each function one, then the next."""
        # What runs at import runs in no test, and whatever reaches the file has it.
        reaching = self._tests.get((file, _parsed(file).first_line(line))) or self._tests[file, 0]
        rows: dict[str, list[str]] = defaultdict(list)
        for test in sorted(reaching & self._seconds.keys(), key=self._seconds.__getitem__):
            rows[test.partition("[")[0]].append(test)
        chosen: list[str] = []
        for turn in zip_longest(*sorted(rows.values(), key=lambda tests: self._seconds[tests[0]])):
            for test in filter(None, turn):
                seconds -= self._seconds[test]
                if seconds < 0:
                    return chosen
                chosen.append(test)
        return chosen


@cache
def _parsed(file: str) -> PythonParser:
    """Parse a file as coverage does, which knows a statement by its first line."""
    parser = PythonParser(filename=str(ROOT / file))
    parser.parse_source()
    return parser


def measured() -> Reach:
    texts = [(ROOT / file).read_bytes() for file in files()]
    texts += [path.read_bytes() for path in sorted((ROOT / "tests").rglob("*.py"))]
    directory = KEPT / hashlib.sha256(b"\0".join(texts)).hexdigest()[:16]
    if not directory.exists():
        unfinished = directory.with_suffix(".new")
        unfinished.mkdir(parents=True, exist_ok=True)
        (unfinished / "settings").write_text(SETTINGS, "utf-8")
        with ThreadPoolExecutor(2) as threads:
            list(threads.map(lambda part: _measure(part, unfinished), range(len(PARTS))))
        unfinished.rename(directory)
    return Reach(directory)


def _measure(part: int, directory: Path) -> None:
    print(f"measuring which tests reach which lines: {' '.join(PARTS[part])}", flush=True)
    command = [sys.executable, "-m", "coverage", "run", f"--rcfile={directory / 'settings'}"]
    command += ["-m", "pytest", "-q", "-p", "code_mutations.plugin", "-p", "no:cacheprovider", *PARTS[part]]
    told = {"COVERAGE_FILE": str(directory / f"{part}.coverage"), "SECONDS_FILE": str(directory / f"{part}.json")}
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **told}, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"the tests fail as they are:\n{done.stdout[-2000:]}")
