"""Documents that are bombs: what reads the published spec refuses them in words, and soon."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from openapi import yaml
from openapi.errors import SpecError
from spec_pipeline.command import ROOT
from trials.trial import Trial, hold

Bomb = Callable[[int], str]
_LAUGH = "\n".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10) if n else 'lol'}]" for n in range(12))
BOMBS: dict[str, Bomb] = {
    "aliases of aliases": lambda n: _LAUGH + f"\nz: [{', '.join(['*a6'] * (n % 50))}]",
    "an alias in itself": lambda n: "a: &a [" + "[" * (n % 50) + "*a" + "]" * (n % 50) + "]",
    "brackets": lambda n: "[" * n,
    "brackets that close": lambda n: "[" * n + "]" * n,
    "braces": lambda n: '{"a":' * n + "1" + "}" * n,
    "a mapping in a key": lambda n: "{" * n + "}" * n,
    "keys in keys": lambda n: "? " * n + "a",
    "lists in lists": lambda n: "- " * n + "a",
    "indents": lambda n: "\n".join(" " * at + "a:" for at in range(min(n, 3000))),
    "a long number": lambda n: "a: " + "9" * n,
    "a number with a large exponent": lambda n: f"a: 1e{n}",
    "an octal number": lambda n: "a: 0o" + "7" * n,
    "a long word": lambda n: "a: " + "x" * n,
    "many anchors": lambda n: "[" + ",".join(f"&a{at} x" for at in range(n)) + "]",
    "many documents": lambda n: "---\na\n" * n,
    "many members": lambda n: json.dumps({str(at): [at] for at in range(n)}),
    "one key again and again": lambda n: "a: 1\n" * n,
    "tags": lambda n: "a: " + "!!python/object/apply:os.system " * (n % 9 + 1) + "['true']",
    "merge keys": lambda n: "a: &a {b: 1}\n" + "c: {<<: [" + ",".join(["*a"] * n) + "]}",
    "a quote that stays open": lambda n: 'a: "' + "\n" * n,
    "escapes": lambda n: 'a: "' + "\\ud83d" * n + '"',
    "folds": lambda n: "a: >" + "\n\n  x" * n,
    "comments": lambda n: "#" * n + "\n" * n,
    "directives": lambda n: "%YAML 1.2\n" * n + "--- a",
    "tabs": lambda n: "a:\n" + "\t" * n + "b",
    "signs that are none": lambda n: "a: \x00\x1b\ufffe" * n,
}


def bombs_in_the_reader(trial: Trial) -> int:
    for name, bomb in BOMBS.items():
        text = bomb(trial.random.choice([1, 99, 101, 1000, 20_000, trial.random.randrange(1, 200_000)]))
        before = time.process_time(), psutil.Process().memory_info().rss
        try:
            yaml.load(text, name="bomb")
        except SpecError as error:
            hold(len(str(error)) < 2000, f"{name}: an error of {len(str(error))} signs")
        except RecursionError:
            hold(False, f"{name}: deeper than Python goes")
        _hold_bounds(name, time.process_time() - before[0], psutil.Process().memory_info().rss - before[1])
    return len(BOMBS)


def bombs_in_scripts_vendor(trial: Trial) -> int:
    names = trial.random.sample(sorted(BOMBS), 2 if trial.quick else 8)
    for name in names:
        text = BOMBS[name](trial.random.choice([1000, 100_000, 1_000_000]))
        if trial.random.random() < 0.5:
            text = f"# Upload\n\n````yaml openapi.yaml post /v1/x\n{text}\n````\n"
        path = trial.directory / "bomb.md"
        path.write_text(text, "utf-8", errors="surrogatepass")
        _hold_refused(name, ["vendor", str(path)])
        trial.alive()
    return len(names)


def bombs_in_scripts_regenerate(trial: Trial) -> int:
    """The vendored file, or another that is read beside it, is a bomb."""
    names = trial.random.sample(sorted(BOMBS), 1 if trial.quick else 4)
    for name in names:
        spec = trial.directory / "spec"
        spec.mkdir(exist_ok=True)
        for file in (ROOT / "spec").iterdir():
            if file.is_file():
                (spec / file.name).write_bytes(file.read_bytes())
        victim = trial.random.choice(["openapi-mintlify.yaml", "overlay.yaml", "SOURCE.toml", "operations.toml"])
        (spec / victim).write_text(BOMBS[name](100_000), "utf-8", errors="surrogatepass")
        _hold_refused(f"{name} as {victim}", ["regenerate", "--check", "--root", str(trial.directory)])
        trial.alive()
    return len(names)


def _hold_refused(name: str, arguments: list[str]) -> None:
    """Hold that a command ends by itself, within its bounds, with a line and no verdict."""
    command = [sys.executable, "-m", "spec_pipeline.command", *arguments]
    done = subprocess.run(command, capture_output=True, timeout=100, encoding="utf-8", errors="replace", check=False)
    told = done.stderr.strip()
    last = told[-300:].replace("\n", " ")
    hold(done.returncode == 3, f"{arguments[0]}, {name}: ended with status {done.returncode}: {last}")
    hold("Traceback" not in told, f"{arguments[0]}, {name}: taken for a fault of the program: {last}")
    hold(0 < len(told) < 5000, f"{arguments[0]}, {name}: told {len(told)} signs")


def _hold_bounds(name: str, seconds: float, size: int) -> None:
    # Those of the command around it.
    hold(seconds < 10, f"{name}: took {seconds:.1f} s of the processor")
    hold(size < 200 << 20, f"{name}: took {size >> 20} MiB")


TRIALS = (bombs_in_the_reader, bombs_in_scripts_vendor, bombs_in_scripts_regenerate)
