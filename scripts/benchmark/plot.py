"""The picture in the README: a bar for each client, on light or on dark ground as the reader has it."""

from __future__ import annotations

from html import escape

from benchmark.figures import Outcome

_ROW, _TOP, _NAMES, _BAR, _PANEL = 24, 70, 260, 200, 300
_FONT = "font-family=\"system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif\""
_STYLE = """<style>
.ground { fill: #ffffff } .text { fill: #1f2328 } .faint { fill: #59636e }
.ours { fill: #0969da } .others { fill: #c8d1da }
@media (prefers-color-scheme: dark) {
.ground { fill: #0d1117 } .text { fill: #e6edf3 } .faint { fill: #9198a1 }
.ours { fill: #4493f8 } .others { fill: #3d444d }
}
</style>"""
# Quantity, heading, how many of its unit one of the figures' is, the unit.
_PANELS = (("cpu", "CPU", 1.0, "s"), ("memory", "peak memory", 2**-20, "MiB"))


def drawn(outcome: Outcome, about: str) -> str:
    """Return the picture, an SVG."""
    rows = sorted(outcome.figures.items(), key=lambda row: row[1]["cpu"])
    width, height = _NAMES + _PANEL * len(_PANELS), _TOP + _ROW * len(rows) + 12
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_FONT} font-size="13" role="img">',
        f"<title>{escape(outcome.title)}</title>",
        _STYLE,
        f'<rect width="{width}" height="{height}" rx="6" class="ground"/>',
        _text(16, 24, outcome.title, "text", 'font-weight="600"'),
        _text(16, 42, about, "faint", 'font-size="11"'),
    ]
    for column, (quantity, heading, factor, unit) in enumerate(_PANELS):
        left = _NAMES + _PANEL * column
        # One that takes ten times as much as ours would leave nothing to see of the rest.
        longest = min(max(row[quantity] for _, row in rows), 6 * outcome.figures["anchor-uploads"][quantity])
        lines.append(_text(left, _TOP - 8, f"{heading}, {unit}", "faint", 'font-size="11"'))
        for number, (name, row) in enumerate(rows):
            top, value = _TOP + _ROW * number, row[quantity]
            ours = name.startswith("anchor-uploads")
            if not column:
                lines.append(_text(_NAMES - 12, top + 16, name, "text", _weight(ours) + ' text-anchor="end"'))
            if not value:
                continue
            length = _BAR * min(value / longest, 1)
            shape = f"M{left} {top + 4}h{length:.1f}"
            # A bar that is cut short ends in a break.
            shape += "l-5 4 5 4-5 4 5 4" if value > longest else "v16"
            lines.append(f'<path d="{shape}H{left}z" class="{"ours" if ours else "others"}"/>')
            shown = value * factor
            figure = f"{shown:.0f}" if shown >= 10 else f"{shown:.2f}"
            lines.append(_text(left + length + 6, top + 16, figure, "text", _weight(ours)))
    return "\n".join([*lines, "</svg>", ""])


def _weight(ours: bool) -> str:
    return 'font-weight="600"' if ours else ""


def _text(x: float, y: float, words: str, kind: str, more: str) -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{kind}" {more}>{escape(words)}</text>'
