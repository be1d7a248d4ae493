"""The picture in the README: a bar for each client, once on light and once on dark ground."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmark.figures import Outcome

_ROW, _TOP, _NAMES, _BAR, _PANEL = 24, 70, 230, 210, 310
_FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\""


@dataclass(frozen=True)
class _Theme:
    ground: str
    text: str
    faint: str
    ours: str
    others: str


_THEMES = {
    "light": _Theme("#ffffff", "#1f2328", "#59636e", "#0969da", "#c8d1da"),
    "dark": _Theme("#0d1117", "#e6edf3", "#9198a1", "#4493f8", "#3d444d"),
}
# Quantity, heading, how many of its unit one of the figures' is, the unit.
_PANELS = (("cpu", "CPU", 1.0, "s"), ("memory", "peak memory", 2**-20, "MiB"))


def draw(outcome: Outcome, about: str, directory: Path) -> None:
    """Write `bench-light.svg` and `bench-dark.svg`."""
    for name, theme in _THEMES.items():
        (directory / f"bench-{name}.svg").write_text(_picture(outcome, about, theme), "utf-8", newline="\n")


def _picture(outcome: Outcome, about: str, theme: _Theme) -> str:
    rows = sorted(outcome.figures.items(), key=lambda row: row[1]["cpu"])
    width, height = _NAMES + _PANEL * len(_PANELS), _TOP + _ROW * len(rows) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT} font-size="13" role="img">',
        f"<title>{escape(outcome.title)}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="{theme.ground}"/>',
        _text(16, 24, outcome.title, theme.text, 'font-weight="600"'),
        _text(16, 42, about, theme.faint, 'font-size="11"'),
    ]
    for column, (quantity, heading, factor, unit) in enumerate(_PANELS):
        left = _NAMES + _PANEL * column
        # One that takes ten times as much as ours would leave nothing to see of the rest.
        longest = min(max(row[quantity] for _, row in rows), 6 * outcome.figures["anchor-uploads"][quantity])
        lines.append(_text(left, _TOP - 8, f"{heading}, {unit}", theme.faint, 'font-size="11"'))
        for number, (name, row) in enumerate(rows):
            top, value = _TOP + _ROW * number, row[quantity]
            ours = name.startswith("anchor-uploads")
            if not column:
                lines.append(_text(_NAMES - 12, top + 16, name, theme.text, _weight(ours) + ' text-anchor="end"'))
            if not value:
                continue
            length = _BAR * min(value / longest, 1)
            shape = f"M{left} {top + 4}h{length:.1f}"
            # A bar that is cut short ends in a break.
            shape += "l-5 4 5 4-5 4 5 4" if value > longest else "v16"
            lines.append(f'<path d="{shape}H{left}z" fill="{theme.ours if ours else theme.others}"/>')
            shown = value * factor
            figure = f"{shown:.0f}" if shown >= 10 else f"{shown:.2f}"
            lines.append(_text(left + length + 6, top + 16, figure, theme.text, _weight(ours)))
    return "\n".join([*lines, "</svg>", ""])


def _weight(ours: bool) -> str:
    return 'font-weight="600"' if ours else ""


def _text(x: float, y: float, words: str, colour: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y}" fill="{colour}" {more}>{escape(words)}</text>'
