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
        number, spread = self.median, (self.least, self.most)
        if unit == "MiB":
            number, spread = number / 2**20, (spread[0] / 2**20, spread[1] / 2**20)
        digits = 0 if abs(number) >= 100 else 1 if abs(number) >= 10 else 2 if unit != "s" or number >= 0.1 else 3
        text = f"{number:.{digits}f} {unit}"
        return text if spread[0] == spread[1] else f"{text} ({spread[0]:.{digits}f}–{spread[1]:.{digits}f})"


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
