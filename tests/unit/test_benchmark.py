"""What `scripts/bench` says of its figures."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmark import plot
from benchmark.figures import Goal, Outcome, Spread

SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize(
    ("values", "bound", "at_least", "met"),
    [
        ((0.9, 1.0, 1.4), 1.0, False, True),
        ((0.9, 1.1, 1.4), 1.0, False, False),
        ((39, 41, 41), 40, True, True),
        ((39, 39, 41), 40, True, False),
    ],
)
def test_the_median_decides_whether_a_goal_is_met(
    values: tuple[float, ...], bound: float, at_least: bool, met: bool
) -> None:
    assert Goal("", Spread.of(values), bound, at_least=at_least).met is met


@pytest.mark.parametrize(
    ("values", "unit", "shown"),
    [
        ([2.0], "MiB", "2.00 MiB"),
        ([0.071, 0.072, 0.08], "s", "0.072 s (0.071–0.080)"),
        ([22.4, 22.44, 22.5], "×", "22.4 × (22.4–22.5)"),
        ([238.0], "ms", "238 ms"),
    ],
)
def test_a_figure_is_shown_in_its_unit_with_its_spread(values: list[float], unit: str, shown: str) -> None:
    assert Spread.of(values).shown(unit) == shown


def test_the_picture_cuts_short_what_would_leave_nothing_to_see_of_the_rest() -> None:
    figures = {"anchor-uploads": {"cpu": 0.5, "memory": 30 << 20}, "a & b": {"cpu": 43.2, "memory": 3100 << 20}}
    picture = ElementTree.fromstring(plot.drawn(Outcome("title", (), figures=figures), "about"))
    texts = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"title", "about", "a & b", "0.50", "43", "3100"} <= set(texts)
    ours, theirs = (path.get("d") or "" for path in list(picture.iter(f"{SVG}path"))[:2])
    assert "v16" in ours
    assert "v16" not in theirs
