"""The pictures for the docs: how near each number is to its goal, what grows with the shop, and what limits cost."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from bench.results import TIMES, Check, Result
from bench.svg import BAD, GOOD, GRID, INK, SERIES, Drawing

_ROW = 22
_LABELS = 470
_BARS = 300
_END = 1.5
"""The share of a goal at which the bars end."""

_LIMITS_ROW, _LIMITS_LEFT, _LIMITS_WIDTH = 34, 130, 520
_LIMITS_END = 3.0
"""The multiple of the ideal at which the picture ends."""

Row = dict[str, Any]


def goals(results: Sequence[Result]) -> str:
    """A bar for each goal; shorter is better, the line is the goal."""
    groups = [(result.title, [check for check in result.checks if check.goal is not None]) for result in results]
    groups = [(title, checks) for title, checks in groups if checks]
    height = 50 + sum(_ROW * (len(checks) + 1) + 6 for _, checks in groups)
    drawing = Drawing(_LABELS + _BARS + 150, height, "Each number as a share of its goal")
    goal = _LABELS + _BARS / _END
    drawing.text(goal, 16, "goal", "middle", bold=True)
    drawing.line(goal, 22, goal, height - 10, INK, 1.5)
    y = 40.0
    for title, checks in groups:
        drawing.text(8, y, title, bold=True)
        y += _ROW
        for check in checks:
            drawing.text(20, y, check.what.replace("`", ""))
            color = GOOD if check.is_met else BAD
            drawing.bar(_LABELS, y - 11, min(check.share, _END) / _END * _BARS, 14, color)
            drawing.text(_LABELS + _BARS + 10, y, f"{shown(check.value, check.unit)} {goal_of(check)}")
            y += _ROW
        y += 6
    return drawing.render()


def growth(rows: Sequence[Row]) -> str:
    """Four panels over the number of projects, both axes logarithmic."""
    panels: list[tuple[str, Callable[[Row], float]]] = [
        ("time, s", lambda row: float(row["seconds"])),
        ("requests", lambda row: float(row["requests"])),
        ("peak memory, MB", lambda row: float(row["peakMB"])),
        ("greatest state of a stream, KB", lambda row: max(row["stateBytes"].values()) / 1000),
    ]
    kinds = list(dict.fromkeys(str(row["sync"]) for row in rows))
    width, height = 400, 250
    drawing = Drawing(2 * width, 2 * height + 30, "What grows with the number of projects")
    for number, kind in enumerate(kinds):
        drawing.bar(60 + 150 * number, 10, 12, 12, SERIES[number])
        drawing.text(78 + 150 * number, 20, {"first": "first sync"}.get(kind, kind))
    for number, (title, value) in enumerate(panels):
        left, top = number % 2 * width, 30 + number // 2 * height
        _panel(
            drawing,
            left,
            top,
            title,
            [[(row["projects"], value(row)) for row in rows if row["sync"] == kind] for kind in kinds],
        )
    return drawing.render()


def limits(cells: Sequence[Row]) -> str:
    """A dot for each limit: how long the sync took, as a multiple of the ideal; the lines are the goals."""
    forms = list(dict.fromkeys(str(cell["form"]) for cell in cells))
    tellings = list(dict.fromkeys(str(cell["telling"]) for cell in cells))
    height = 60 + _LIMITS_ROW * len(forms)
    drawing = Drawing(_LIMITS_LEFT + _LIMITS_WIDTH + 40, height, "Time under a limit, of the ideal")
    for number, telling in enumerate(tellings):
        drawing.bar(_LIMITS_LEFT + 170 * number, 10, 12, 12, SERIES[number])
        drawing.text(_LIMITS_LEFT + 18 + 170 * number, 20, telling)

    def across(ratio: float) -> float:
        return _LIMITS_LEFT + min(ratio, _LIMITS_END) / _LIMITS_END * _LIMITS_WIDTH

    bottom = height - 24
    for ratio in (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, _LIMITS_END):
        drawing.line(across(ratio), 34, across(ratio), bottom, GRID, 0.5)
        drawing.text(across(ratio), height - 8, f"{ratio:g}", "middle")
    for row, form in enumerate(forms):
        y = 34 + _LIMITS_ROW * (row + 0.5)
        drawing.text(8, y + 4, form)
        some = [cell for cell in cells if cell["form"] == form]
        goal = across(some[0]["most"])
        drawing.line(goal, y - _LIMITS_ROW / 2 + 2, goal, y + _LIMITS_ROW / 2 - 2, INK, 1.5)
        for cell in some:
            number = tellings.index(str(cell["telling"]))
            # those that are told in the same way lie on one height
            drawing.dot(across(cell["ratio"]), y + 7 * (number - (len(tellings) - 1) / 2), SERIES[number])
    return drawing.render()


def _panel(drawing: Drawing, left: int, top: int, title: str, lines: list[list[tuple[float, float]]]) -> None:
    values = [y for line in lines for _, y in line]
    sizes = sorted({x for line in lines for x, _ in line})
    low, high = math.floor(math.log10(max(min(values), 1e-3))), math.ceil(math.log10(max(max(values), 1e-2)))
    high = max(high, low + 1)
    x0, x1, y0, y1 = left + 60, left + 380, top + 220, top + 35

    def place(x: float, y: float) -> tuple[float, float]:
        span = math.log10(sizes[-1] / sizes[0]) or 1
        across = math.log10(x / sizes[0]) / span
        up = (math.log10(max(y, 1e-3)) - low) / (high - low)
        return x0 + across * (x1 - x0), y0 - up * (y0 - y1)

    drawing.text(left + 60, top + 24, title, bold=True)
    for power in range(low, high + 1):
        _, y = place(sizes[0], 10.0**power)
        drawing.line(x0, y, x1, y, GRID, 0.5)
        drawing.text(x0 - 6, y + 4, f"{10.0**power:,.10g}", "end")
    for size in sizes:
        x, _ = place(size, 1)
        drawing.text(x, y0 + 16, f"{size:,}", "middle")
    for number, line in enumerate(lines):
        drawing.curve([place(x, y) for x, y in line], SERIES[number])


def shown(value: float, unit: str = "") -> str:
    """A number with as many digits as mean something."""
    digits = 2 if unit in (TIMES, "s") else 0 if abs(value) >= 100 or value == int(value) else 1
    text = f"{value:,.{digits}f}"
    return f"{text} {unit}" if unit and unit != "/s" else text


def goal_of(check: Check) -> str:
    if check.goal is None:
        return ""
    return f"({'≥' if check.at_least else '≤'} {check.goal:,.10g})"
