"""How a comparison of runs is shown: as lines, as Markdown, as a page of HTML, as JSON.

What records say is inert in each: no control characters on a terminal, code spans in
Markdown, escaped in HTML, which holds no script and loads nothing.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mlgitops import digest
from mlgitops.bot.inert import code, plain
from mlgitops.cli.curves import COLORS, blocks, svg

if TYPE_CHECKING:
    from mlgitops.tracking.query.charts import Chart
    from mlgitops.tracking.query.comparison import Comparison, Curve, Line, Row

HEADINGS = {
    "run": "Run",
    "params": "Parameters",
    "metrics": "Metrics",
    "tags": "Tags",
    "data": "Data",
    "code": "Code",
}
_LONGEST = 60  # characters of a value in a table
_NARROWEST = 20  # columns of a curve


def shown(value: object, longest: int = _LONGEST, *, cut: bool = False) -> str:
    """Return a value as one inert line; a metric is its last value, a digest is whole unless it is to be cut."""
    if value is None:
        return "-"
    if isinstance(value, str) and digest.PATTERN.fullmatch(value):
        return f"{value[:19]}…" if cut else value
    text = plain(getattr(value, "last", value), longest) or "''"
    if isinstance(value, float) or hasattr(value, "last"):
        return f"{getattr(value, 'last', value):.6g}"
    return text


def rows_of(comparison: Comparison, everything: bool) -> Sequence[Row]:
    """Return the rows to show."""
    return comparison.rows if everything else comparison.differing


def same(comparison: Comparison) -> str:
    """Say how much the runs have in common."""
    count = len(comparison.rows) - len(comparison.differing)
    return f"{count} more are the same in all {len(comparison.runs)} runs" if count else ""


def text(comparison: Comparison, curves: Sequence[Chart], *, everything: bool, width: int, cut: bool = False) -> str:
    """Return a comparison for so many columns; on a terminal digests are cut."""
    ids = [run.id for run in comparison.runs]
    table = [["", *ids]]
    group = ""
    for row in rows_of(comparison, everything):
        if row.group != group:
            group = row.group
            table.append([HEADINGS[group].upper()])
        table.append([f"  {plain(row.name, 40)}", *(shown(value, cut=cut) for value in row.values)])
    lines: list[str] = []
    for columns in _fitting(table, width):
        lines += [""] if lines else []
        lines += [_line(line, columns) for line in table]
    if not everything and (said := same(comparison)):
        lines += ["", f"{said}; see them with --all"]
    for curve in curves:
        lines += ["", *_plot(curve, ids, width)]
    return "\n".join(lines)


def _fitting(table: Sequence[Sequence[str]], width: int) -> Iterator[dict[int, int]]:
    """Yield which columns stand side by side, each with its width: the names, and as many runs as fit, two at least."""
    columns = range(len(table[0]))
    names, *widths = (max(len(line[column]) for line in table if len(line) > column) for column in columns)
    block, left = {0: names}, width - names
    for column, wide in enumerate(widths, 1):
        if len(block) > 2 and left < wide + 2:
            yield block
            block, left = {0: names}, width - names
        block[column] = wide
        left -= wide + 2
    yield block


def _line(cells: Sequence[str], columns: Mapping[int, int]) -> str:
    return "  ".join(cells[column].ljust(wide) for column, wide in columns.items() if column < len(cells)).rstrip()


def markdown(comparison: Comparison, curves: Sequence[Chart], *, everything: bool) -> str:
    """Return a comparison as a Markdown table, and its curves as a block of text."""
    lines = [f"| | {' | '.join(code(run.id) for run in comparison.runs)} |"]
    lines.append("|---" * (len(comparison.runs) + 1) + "|")
    for row in rows_of(comparison, everything):
        cells = " | ".join("-" if value is None else code(shown(value)) for value in row.values)
        lines.append(f"| {HEADINGS[row.group]} {code(row.name, 40)} | {cells} |")
    if not everything and (said := same(comparison)):
        lines += ["", said[0].upper() + said[1:] + "."]
    for curve in curves:
        ids = [run.id for run in comparison.runs]
        # A fence that no name can close: backticks in names become quotes.
        lines += ["", "```text", *(line.replace("`", "'") for line in _plot(curve, ids, 100)), "```"]
    return "\n".join(lines)


def page(comparison: Comparison, curves: Sequence[Chart], *, everything: bool) -> str:
    """Return a comparison as one HTML file that needs nothing else."""
    ids = [_escaped(run.id) for run in comparison.runs]
    keys = [f'<i style="background:{COLORS[n % len(COLORS)]}"></i>{run_id}' for n, run_id in enumerate(ids)]
    body = [f"<tr><th></th>{''.join(f'<th>{key}</th>' for key in keys)}</tr>"]
    group = ""
    for row in rows_of(comparison, everything):
        if row.group != group:
            group = row.group
            body.append(f'<tr><th colspan="{len(ids) + 1}" class="group">{HEADINGS[group]}</th></tr>')
        cells = "".join(f"<td>{_escaped(shown(value, 200))}</td>" for value in row.values)
        body.append(f'<tr class="{"other" if row.differs else "same"}"><th>{_escaped(row.name)}</th>{cells}</tr>')
    charts = [
        f"<figure><figcaption>{_escaped(curve.metric)}, steps {curve.steps[0]} to {curve.steps[1]}, "
        f"{curve.values[0]:.6g} to {curve.values[1]:.6g}{_several(curve, ids)}</figcaption>{svg(curve)}</figure>"
        for curve in curves
    ]
    note = f"<p>{same(comparison)}.</p>" if not everything and same(comparison) else ""
    return _PAGE.format(table="".join(body), note=note, charts="".join(charts))


def to_json(comparison: Comparison, curves: Sequence[Curve], *, everything: bool) -> dict[str, Any]:
    """Return a comparison as JSON can write it; numbers that JSON has not are text."""
    from dataclasses import asdict

    from mlgitops.tracking.points import from_number
    from mlgitops.tracking.records import MetricSummary

    def value_of(value: Any) -> Any:
        if isinstance(value, MetricSummary):
            return {name: value_of(part) for name, part in asdict(value).items()}
        return from_number(value) if isinstance(value, float) else value

    def points_of(line: Line) -> list[list[Any]]:
        return [[step, value_of(value)] for step, value in line.points]

    return {
        "runs": [run.id for run in comparison.runs],
        "rows": [
            {"group": row.group, "name": row.name, "differs": row.differs, "values": [*map(value_of, row.values)]}
            for row in rows_of(comparison, everything)
        ],
        "curves": [
            {
                "metric": curve.metric,
                "series": [points_of(line) for line in curve.firsts],
                "others": [
                    {"run": comparison.runs[line.run].id, "writer": line.writer, "points": points_of(line)}
                    for line in curve.others
                ],
            }
            for curve in curves
        ],
    }


def _plot(curve: Chart, ids: Sequence[str], width: int) -> list[str]:
    (low, high), (first, last) = curve.values, curve.steps
    names = [" ".join((ids[line.run], plain(line.writer, 40))).rstrip() for line in curve.lines]
    longest = max(map(len, names))
    columns = max(_NARROWEST, width - longest - 4)
    title = f"{plain(curve.metric, 60)}  ({low:.6g} to {high:.6g}, steps {first} to {last})"
    return [
        title,
        *(f"  {i.ljust(longest)}  {line}".rstrip() for i, line in zip(names, blocks(curve, columns), strict=True)),
    ]


def _several(curve: Chart, ids: Sequence[str]) -> str:
    """Return what an HTML page says of runs of which several processes logged the metric."""
    found: dict[int, list[str]] = {}
    for line in curve.lines:
        found.setdefault(line.run, []).append(_escaped(plain(line.writer, 40)))
    told = [
        f"; {ids[run]}: {writers[0]}, faint {', '.join(writers[1:])}"
        for run, writers in found.items()
        if len(writers) > 1
    ]
    return "".join(told)


def _escaped(value: str) -> str:
    return html.escape(plain(value))


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Runs, compared</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem; padding: 0 1rem; }}
table {{ border-collapse: collapse; display: block; overflow-x: auto; }}
th, td {{ padding: .2rem .8rem; text-align: left; font-weight: normal; white-space: nowrap; }}
th.group {{ font-weight: bold; padding-top: 1rem; }}
td {{ font-family: ui-monospace, monospace; font-size: .9em; }}
tr.same {{ opacity: .6; }}
tr + tr {{ border-top: 1px solid #8884; }}
i {{ display: inline-block; width: .7em; height: .7em; margin-right: .5em; }}
figure {{ margin: 2rem 0; }} svg {{ width: 100%; border: 1px solid #8884; }}
</style></head>
<body><h1>Runs, compared</h1><table>{table}</table>{note}{charts}</body></html>
"""
