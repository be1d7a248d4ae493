"""What was measured, what it should have been, and how both are shown."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Spread:
    """The median of some rounds, and how far they lie apart."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def shown(self, unit: str) -> str:
        size = abs(self.median)
        digits = 0 if size >= 100 else 1 if size >= 10 else 2 if unit != "s" or size >= 0.1 else 3
        text = f"{self.median:.{digits}f} {unit}"
        return text if self.least == self.most else f"{text} ({self.least:.{digits}f}–{self.most:.{digits}f})"


@dataclass(frozen=True)
class Goal:
    """What a figure should be at most (or at least)."""

    what: str
    found: Spread
    bound: float
    unit: str = "×"
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.found.median >= self.bound if self.at_least else self.found.median <= self.bound


@dataclass
class Outcome:
    """All that one case has to tell."""

    title: str
    columns: Sequence[str]
    rows: dict[str, list[str]] = field(default_factory=dict)
    goals: list[Goal] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def shown(self) -> Iterator[str | Table]:
        yield f"[bold]{self.title}"
        yield from self.notes
        if self.rows:
            table = Table(box=None, header_style="dim")
            table.add_column("", no_wrap=True)
            for column in self.columns:
                table.add_column(column, justify="right", no_wrap=True)
            for name, cells in self.rows.items():
                table.add_row(name, *cells, style="bold" if name.startswith("anchor-uploads") else "")
            yield table
        goals = Table(box=None, show_header=False)
        for goal in self.goals:
            verdict = "[green]met[/]" if goal.met else "[red]missed[/]"
            sign = "≥" if goal.at_least else "≤"
            goals.add_row(verdict, goal.what, goal.found.shown(goal.unit), f"{sign} {goal.bound:g} {goal.unit}")
        yield goals
