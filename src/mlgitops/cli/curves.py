"""Curves of several runs: as characters for a terminal, as SVG for a page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlgitops.tracking.query.charts import Chart
    from mlgitops.tracking.query.stretches import Stretch

BLOCKS = "▁▂▃▄▅▆▇█"
NOT_FINITE = "!"
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999933")
_WIDTH, _HEIGHT = 640, 200  # pixels of a chart
_MOST_POINTS = 1_000  # of one line of a chart


def blocks(curve: Chart, width: int) -> tuple[str, ...]:
    """Return a row for each line of a curve, all on the same scale; a column is the mean of its points.

    A column without points is blank; one whose points are all NaN or infinite is ``!``.
    """
    return tuple("".join(map(_block, _columns(curve, line.stretches, width))) for line in curve.lines)


def svg(curve: Chart) -> str:
    """Return a chart of all lines, in the colours of ``COLORS`` by run; it holds no text of a record.

    Lines of a run after its first one are faint.
    """
    low, high = curve.values
    first, last = curve.steps
    lines: list[str] = []
    run = -1
    for line in curve.lines:
        color, faint = COLORS[line.run % len(COLORS)], ' opacity="0.4"' if line.run == run else ""
        run = line.run
        for part in _parts(_outline(line.stretches)):
            where = " ".join(
                f"{_scaled(step, first, last) * _WIDTH:.1f},{(1 - _scaled(value, low, high)) * _HEIGHT:.1f}"
                for step, value in part
            )
            shape = f'<polyline points="{where}" fill="none" stroke="{color}" stroke-width="1.5"{faint}/>'
            if len(part) == 1:
                x, y = where.split(",")
                shape = f'<circle cx="{x}" cy="{y}" r="2.5" fill="{color}"{faint}/>'
            lines.append(shape)
    return f'<svg viewBox="-4 -4 {_WIDTH + 8} {_HEIGHT + 8}" role="img">{"".join(lines)}</svg>'


def _columns(curve: Chart, stretches: Sequence[Stretch], width: int) -> list[float | None]:
    """Return the height of each column from 0 to 1: None without points, NaN without finite ones."""
    from mlgitops.tracking.query.stretches import mean

    low, high = curve.values
    first, last = curve.steps
    columns: list[list[Stretch]] = [[] for _ in range(min(width, last - first + 1))]
    for one in stretches:
        middle = one.first / 2 + one.last / 2
        columns[min(len(columns) - 1, int(_scaled(middle, first, last) * len(columns)))].append(one)
    return [_scaled(mean(ones), low, high) if ones else None for ones in columns]


def _block(height: float | None) -> str:
    if height is None:
        return " "
    return NOT_FINITE if math.isnan(height) else BLOCKS[min(len(BLOCKS) - 1, int(height * len(BLOCKS)))]


def _scaled(value: float, low: float, high: float) -> float:
    # Half of each first: the distance of two finite numbers may be infinite.
    return (value / 2 - low / 2) / (high / 2 - low / 2) if high / 2 - low / 2 > 0 else 0.5


def _outline(stretches: Sequence[Stretch]) -> list[tuple[float, float]]:
    """Return the lowest and the highest point of every so many stretches, in order, so that no peak is lost."""
    from mlgitops.tracking.query.stretches import merged

    size = math.ceil(len(stretches) / (_MOST_POINTS / 2))
    found: list[tuple[float, float]] = []
    for one in merged(stretches, size) if size > 2 else stretches:
        found += sorted({(one.low_at, one.low), (one.high_at, one.high)}) if one.finite else [(one.first, math.nan)]
    return found


def _parts(points: list[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Return the stretches between values that are not finite."""
    parts: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if math.isfinite(point[1]):
            parts[-1].append(point)
        elif parts[-1]:
            parts.append([])
    return [part for part in parts if part]
