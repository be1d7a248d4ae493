"""The findings, for people and for programs."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from live_check.judging import Finding, Verdict

__all__ = ["answers", "as_json", "as_text"]

_COLUMNS = ("situation", "documented", "observed", "verdict")
_STYLES = {
    Verdict.AGREES: "green",
    Verdict.OPEN: "yellow",
    Verdict.CONTRADICTS: "bold red",
    Verdict.NOT_TRIED: "dim",
}


def as_json(base_url: str, findings: Iterable[Finding]) -> dict[str, Any]:
    """Return a document that `json` can write."""
    findings = list(findings)
    counts = {verdict.value: sum(it.verdict is verdict for it in findings) for verdict in Verdict}
    return {
        "base_url": base_url,
        "counts": counts,
        "answers": answers(findings),
        "findings": [{**asdict(finding), "verdict": finding.verdict.value} for finding in findings],
    }


def as_text(base_url: str, findings: Iterable[Finding]) -> str:
    """Return the table, and what is known now that the contract leaves open."""
    findings = list(findings)
    title = f"The contract and {base_url}"
    rows = [
        (
            finding.name,
            finding.documented,
            "\n".join([finding.observed, *_quoted(finding), *finding.notes]).strip(),
            finding.verdict,
        )
        for finding in findings
    ]
    width = max(80, shutil.get_terminal_size((120, 24)).columns)
    try:
        table = _with_rich(title, rows, width)
    except ImportError:
        table = _plain(title, rows, width)
    known = "\n".join(f"- {question}: {answer}" for question, answer in answers(findings).items())
    count = sum(finding.verdict is Verdict.CONTRADICTS for finding in findings)
    verdict = f"{count} contradictions" if count != 1 else "1 contradiction"
    return f"{table}\nWhat the contract leaves open:\n{known}\n\n{verdict} in {len(findings)} situations\n"


def answers(findings: Iterable[Finding]) -> dict[str, str]:
    """Return what these findings say about questions that the contract leaves open."""
    known = {finding.name: finding for finding in findings}
    errors = {f"{it.status} {it.shape}": it.name for it in known.values() if it.status is not None and it.status >= 400}
    strange = [f"{it.status} ({it.name})" for it in known.values() if it.verdict is Verdict.OPEN]
    return {
        "where a file lies": _path_rule([it for it in known.values() if it.file_name is not None]),
        "a second file of one name": _second(known.get("a name"), known.get("the same name again")),
        "an empty file": _what_came(known.get("empty file")),
        "a large file": _what_came(known.get("large file")),
        "a wrong key": _what_came(known.get("wrong key")),
        "shapes of errors": "; ".join(f"{shape} ({name})" for shape, name in errors.items()) or "no error came",
        "answers that the contract does not have": ", ".join(strange) or "none",
    }


def _path_rule(uploads: list[Finding]) -> str:
    """Tell whether "saved at", and a path that ends with the name as it was sent, holds for all."""
    if not uploads:
        return "no upload was taken"
    other = [it for it in uploads if it.path is None or re.split(r"[\\/]", it.path)[-1] != it.file_name]
    if not other:
        return f"at the path that the message tells, under the name as it was sent, as in {uploads[0].message!r}"
    return "not always where the message seems to say: " + "; ".join(
        f"{it.file_name!r}: {it.message!r}, read as {it.path!r}" for it in other
    )


def _second(first: Finding | None, second: Finding | None) -> str:
    if first is None or second is None or second.status != 200:
        return _what_came(second)
    if second.path is None:
        return "taken, but the message tells no path"
    return "replaces the first" if first.path == second.path else f"lies beside the first, at {second.path}"


def _what_came(finding: Finding | None) -> str:
    if finding is None:
        return "not tried"
    return " ".join([finding.observed, *_quoted(finding)])


def _quoted(finding: Finding) -> list[str]:
    return [repr(finding.message)] if finding.message is not None else []


def _with_rich(title: str, rows: list[tuple[str, str, str, Verdict]], width: int) -> str:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, show_lines=True)
    for column in _COLUMNS:
        table.add_column(column, overflow="fold")
    for *texts, verdict in rows:
        table.add_row(*map(Text, texts), Text(verdict.value, style=_STYLES[verdict]))
    console = Console(width=width)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def _plain(title: str, rows: list[tuple[str, str, str, Verdict]], width: int) -> str:
    first, last = 20, 12
    middle = (width - first - last - 6) // 2
    widths = (first, middle, middle, last)
    lines = [title, ""]
    for row in [_COLUMNS, *((*texts, verdict.value) for *texts, verdict in rows)]:
        cells = [_wrapped(cell, width_) for cell, width_ in zip(row, widths, strict=True)]
        for number in range(max(map(len, cells))):
            pieces = (cell[number] if number < len(cell) else "" for cell in cells)
            lines.append("  ".join(f"{piece:{width_}}" for piece, width_ in zip(pieces, widths, strict=True)).rstrip())
        lines.append("-" * width)
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    return [piece for line in text.split("\n") for piece in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
