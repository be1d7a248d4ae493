"""The demo on a terminal, as a picture that needs no font of its own."""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from recording.terminal import on_a_terminal

PICTURE = Path(".github", "docs", "demo.svg")
COLUMNS = 112
_SVG = """<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>anchor-uploads demo</title>
<style>
.{unique_id}-matrix {{ font: {char_height}px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
<rect width="100%" height="100%" rx="8" fill="#1d1f21"/>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g></g></svg>
"""


def record() -> str:
    """Run the demo on a terminal and return the picture, as SVG. Needs a terminal of POSIX, and a Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        shown = on_a_terminal([sys.executable, "-m", "anchor_uploads", "demo", "--output", folder], COLUMNS, os.environ)
        shown = shown.replace(folder, "demo-output")
    lines = [_last_drawn(line) for line in shown.split("\r\n")]
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), color_system="truecolor")
    console.print("$ anchor-uploads demo", highlight=False)
    for line in lines:
        console.print(Text.from_ansi(line), no_wrap=True, overflow="ellipsis", crop=True)
    return console.export_svg(title="", theme=MONOKAI, code_format=_SVG, unique_id="demo")


def _last_drawn(line: str) -> str:
    """Return what a line shows in the end; a bar is drawn again and again."""
    return re.sub(r"\x1b\[\?25[lh]", "", line).rpartition("\x1b[2K")[2].rpartition("\r")[2]
