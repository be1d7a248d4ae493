"""The command behind `scripts/check-live`.

Exit status: 0 nothing contradicts the contract; 1 something does; 2 it could not be checked (usage, key, network).
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import _environment
from anchor_uploads import InvalidArgument
from anchor_uploads.cli.interruption import clean_up_in_peace
from live_check.arguments import KEY, parser
from live_check.attaching import attach_in_page
from live_check.judging import Finding, Verdict
from live_check.report import as_json, as_text
from live_check.run import Attach, Impossible, LiveCheck
from openapi.documented import Contract

ROOT = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None, *, attach: Attach = attach_in_page) -> int:
    options = parser().parse_args(arguments)
    key = os.environ.get(KEY)
    if not key:
        print(f"check-live: no API key; set {KEY} in the environment", file=sys.stderr)
        return 2
    try:
        return _check(options, key, attach)
    except (Impossible, InvalidArgument, OSError) as error:
        print(_without(key, f"check-live: {error}"), file=sys.stderr)
        return 2


def _check(options: Namespace, key: str, attach: Attach) -> int:
    if options.json is not None:
        # Not after minutes of work.
        _write(options.json, "a", "")
    contract = Contract.read(ROOT / "spec" / "client.yaml")
    check = LiveCheck(contract, api_key=key, base_url=options.base_url, large_mib=options.large_mib, attach=attach)
    findings: list[Finding] = []
    with clean_up_in_peace() as cleanup:
        for finding in cleanup.enter_context(closing(iter(check))):
            # Before anything is laid out, which may break a key in two.
            findings.append(_redacted(key, finding))
            print(f"{finding.verdict.value:12} {finding.name}", file=sys.stderr, flush=True)
    text = as_text(check.base_url, findings)
    encoding = sys.stdout.encoding or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding))
    finally:
        if options.json is not None:
            document = json.dumps(as_json(check.base_url, findings), indent=2)
            _write(options.json, "w", document + "\n")
    return 1 if any(finding.verdict is Verdict.CONTRADICTS for finding in findings) else 0


def _write(path: Path, mode: str, text: str) -> None:
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise Impossible(f"{path} cannot be written ({error.strerror}); name another file with --json") from error


def _redacted(key: str, finding: Finding) -> Finding:
    changes: dict[str, Any] = {"notes": tuple(_without(key, note) for note in finding.notes)}
    for field in fields(finding):
        value = getattr(finding, field.name)
        if isinstance(value, str):
            changes[field.name] = _without(key, value)
    return replace(finding, **changes)


def _without(key: str, text: str) -> str:
    """Services echo what they were sent, and URLs carry the key."""
    for spelling in {key, quote(key, safe=""), quote_plus(key), repr(key)[1:-1]}:
        text = text.replace(spelling, "…")
    return text


if __name__ == "__main__":
    _environment.run(main)
