"""Small pictures of what a fit found, as SVG that is written here.

A library that draws would be imported into the user's process for it, which costs more than most fits and builds a
cache of fonts on a new machine. All text that comes from the user's data is escaped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import BinaryIO

_SIZE = 300  # of the side of a plot, in pixels
_MARGIN = 60
_MOST_BARS = 30
_LONGEST_NAME = 28  # characters
_LONGEST_LABEL = 7  # of a class, which has the margin to stand in
_MOST_CELLS_WITH_NUMBERS = 15  # a side
_BLUE = (31, 88, 160)


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture that saves itself as figures of matplotlib do."""

    svg: str

    def savefig(self, file: BinaryIO, **_: object) -> None:
        """Write the picture."""
        file.write(self.svg.encode())


def matrix(title: str, labels: Sequence[object], counts: Sequence[Sequence[float]]) -> Chart:
    """Draw how often each class (a row) was taken for which (a column), as a share of its row."""
    side = _SIZE / len(labels)
    with_numbers = len(labels) <= _MOST_CELLS_WITH_NUMBERS
    shapes = []
    for row, found in enumerate(counts):
        total = sum(found) or 1.0
        for column, count in enumerate(found):
            share = count / total
            x, y = _MARGIN + column * side, _MARGIN + row * side
            shapes.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}" fill="{_tint(share)}"/>'
            )
            if with_numbers:
                colour = "#fff" if share > 0.5 else "#000"
                shapes.append(_text(f"{share:.2f}", x + side / 2, y + side / 2 + 4, "middle", colour))
        x, y = _MARGIN + (row + 0.5) * side, _MARGIN + _SIZE + 12
        shapes.append(_text(labels[row], _MARGIN - 6, x + 4, "end", limit=_LONGEST_LABEL))
        label = _text(labels[row], x, y, "end", limit=_LONGEST_LABEL)
        shapes.append(f'<g transform="rotate(-30 {x:.1f} {y})">{label}</g>')
    return _picture(title, "predicted", "true", shapes)


def curve(title: str, points: Sequence[tuple[float, float]], x_name: str, y_name: str) -> Chart:
    """Draw a line through points between 0 and 1."""
    line = " ".join(f"{_MARGIN + x * _SIZE:.1f},{_MARGIN + (1 - y) * _SIZE:.1f}" for x, y in points)
    frame = f'<rect x="{_MARGIN}" y="{_MARGIN}" width="{_SIZE}" height="{_SIZE}" fill="none" stroke="#888"/>'
    shapes = [frame, f'<polyline points="{line}" fill="none" stroke="{_tint(1)}" stroke-width="2"/>']
    for tick in (0.0, 0.5, 1.0):
        shapes.append(_text(tick, _MARGIN + tick * _SIZE, _MARGIN + _SIZE + 16, "middle"))
        shapes.append(_text(tick, _MARGIN - 6, _MARGIN + (1 - tick) * _SIZE + 4, "end"))
    return _picture(title, x_name, y_name, shapes)


def bars(title: str, values: Mapping[str, float]) -> Chart:
    """Draw the largest values, the largest first."""
    largest = sorted(values.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST_BARS]
    left, top, step = 200, 40, 18
    most = max((value for _, value in largest), default=0.0)
    shapes = []
    for place, (name, value) in enumerate(largest):
        y = top + place * step
        length = max(0.0, value / most * _SIZE) if most > 0 else 0.0
        shapes.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{step - 4}" fill="{_tint(1)}"/>')
        shapes.append(_text(name, left - 6, y + step - 7, "end"))
        shapes.append(_text(f"{value:.4g}", left + length + 4, y + step - 7, "start"))
    return _sheet(title, left + _SIZE + 80, top + len(largest) * step + 20, shapes)


def _picture(title: str, x_name: str, y_name: str, shapes: list[str]) -> Chart:
    middle, size = _MARGIN + _SIZE / 2, _SIZE + 2 * _MARGIN
    names = [
        _text(x_name, middle, size - 10, "middle"),
        f'<g transform="rotate(-90 16 {middle})">{_text(y_name, 16, middle, "middle")}</g>',
    ]
    return _sheet(title, size, size, [*shapes, *names])


def _sheet(title: str, width: int, height: int, shapes: list[str]) -> Chart:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    )
    paper = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    return Chart("\n".join([head, paper, _text(title, width / 2, 24, "middle", limit=100), *shapes, "</svg>\n"]))


def _text(value: object, x: float, y: float, anchor: str, colour: str = "#000", limit: int = _LONGEST_NAME) -> str:
    text = str(value)
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    shown = escape("".join(letter if letter.isprintable() else "�" for letter in text))  # XML has no control characters
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{shown}</text>'


def _tint(share: float) -> str:
    """Return a colour between white and blue."""
    return "#" + "".join(f"{round(255 + (full - 255) * min(1.0, max(0.0, share))):02x}" for full in _BLUE)
