"""One run of Schemathesis over an API that is served on a socket, in a process of its own.

Its own process, because Schemathesis brings hooks and settings for pytest and Hypothesis that other tests should not
get.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

SECONDS = 280
TESTS = Path(__file__).resolve().parents[1]


@dataclass
class Findings:
    """What a run did and found. `answers` counts (method, path of the contract, status)."""

    cases: int
    complete: bool
    failures: set[str]
    text: str
    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)


def run(
    specification: Path,
    base_url: str,
    headers: dict[str, str],
    directory: Path,
    *,
    checks: set[str],
    examples: int,
) -> Findings:
    """Try all operations of `specification` at `base_url`; `directory` takes the reports. The seed is fixed."""
    arguments = [
        *("run", str(specification), "--url", base_url, "--no-color"),
        *(f"--header={name}: {value}" for name, value in headers.items()),
        *(
            "--checks",
            ",".join(sorted(checks)),
            "--seed",
            "1",
            "--max-examples",
            str(examples),
            "--generation-database",
            "none",
            "--continue-on-failure",
        ),
        *("--report", "json,ndjson", "--report-json-path", "run.json", "--report-ndjson-path", "run.ndjson"),
    ]
    done = subprocess.run(
        [sys.executable, "-X", "utf8", "-m", "schemathesis.cli", *arguments],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(TESTS), "SCHEMATHESIS_HOOKS": "support.schemathesis_hooks"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        timeout=SECONDS,
        check=False,
    )
    # 1 says that there are failures, anything above that it could not run.
    if done.returncode > 1:
        raise RuntimeError(f"Schemathesis ended with status {done.returncode}:\n{done.stdout}")
    report = json.loads((directory / "run.json").read_text("utf-8"))
    findings = Findings(
        cases=report["test_cases"]["generated"],
        complete=report["complete"] and not report["errors"],
        failures=set(),
        text=done.stdout,
    )
    with (directory / "run.ndjson").open(encoding="utf-8") as events:
        for event in map(json.loads, events):
            _count(event, findings)
    return findings


def _count(event: dict[str, object], findings: Findings) -> None:
    finished = event.get("ScenarioFinished")
    if not isinstance(finished, dict):
        return
    recorder = finished["recorder"]
    for name, interaction in recorder.get("interactions", {}).items():
        case, response = recorder["cases"][name]["value"], interaction["response"]
        if response is not None:
            findings.answers[case["method"], case["path"], response["status_code"]] += 1
    for checks in recorder.get("checks", {}).values():
        for check in checks:
            findings.checks[check["name"]] += 1
            if check["status"] != "success":
                findings.failures.add(check["name"])
