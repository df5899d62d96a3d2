"""Curves to be drawn: as many numbers as a drawing can show, and of long runs kept beside the index.

The first drawing of a run reads all its lines; what it needs of each series stays in the index as a pyramid
(``stretches``), which is good as long as the run's files have the same sizes and times.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mlgitops.tracking.points import read_points, writers
from mlgitops.tracking.query import index
from mlgitops.tracking.query.comparison import require_known
from mlgitops.tracking.query.reading import seen, sizes
from mlgitops.tracking.query.roots import FolderRecords
from mlgitops.tracking.query.stretches import ENOUGH, Points, Stretch, mean, pack, point, unpack
from mlgitops.tracking.query.values import text_of
from mlgitops.tracking.records import RunRecord
from mlgitops.tracking.voices import order

WORTH_KEEPING = 1 << 20  # bytes of a run's lines, which are read in a few hundredths of a second
_MOST_LINES = 8  # of one run in one drawing

OfWriters = Mapping[str, list[Stretch]]
Row = tuple[str, str, str, int, int, bytes]  # run, series, writer, level, stretches, and those as bytes


@dataclass(frozen=True, slots=True)
class Outline:
    """What is drawn of one of a run's writers, in order of step.

    ``run`` is the run's place in the comparison. ``writer`` is empty where the run has one of this metric only.
    """

    run: int
    writer: str
    stretches: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Chart:
    """A metric's lines as in ``comparison.Curve``; of a run's many writers the first, and a mean of the others."""

    metric: str
    lines: tuple[Outline, ...]

    @property
    def steps(self) -> tuple[int, int]:
        """The lowest and the highest step."""
        found = [(one.first, one.last) for line in self.lines for one in line.stretches]
        return (int(min(first for first, _ in found)), int(max(last for _, last in found))) if found else (0, 0)

    @property
    def values(self) -> tuple[float, float]:
        """The lowest and the highest value that is a finite number."""
        found = [(one.low, one.high) for line in self.lines for one in line.stretches if one.finite]
        return (min(low for low, _ in found), max(high for _, high in found)) if found else (0.0, 0.0)


def charts(runs: Sequence[RunRecord], metrics: Sequence[str]) -> tuple[Chart, ...]:
    """Return what is drawn of metrics.

    Raises:
        InputError: no run has one of the metrics; the message names those that there are.
    """
    require_known(runs, metrics)
    if not metrics:
        return ()
    read = [_series(run.folder, metrics) for run in runs]
    return tuple(Chart(name, tuple(_lines(name, read))) for name in metrics)


def _lines(metric: str, read: Sequence[Mapping[str, OfWriters]]) -> Iterator[Outline]:
    for place, of_run in enumerate(read):
        of_writers = of_run.get(metric) or {"": []}
        first, *others = sorted(of_writers, key=order)
        yield Outline(place, first if others else "", of_writers[first])
        if len(others) < _MOST_LINES:
            yield from (Outline(place, writer, of_writers[writer]) for writer in others)
        else:
            yield Outline(place, f"mean of {len(others)} others", _mean([of_writers[writer] for writer in others]))


def _mean(lines: Sequence[Sequence[Stretch]]) -> list[Stretch]:
    """Return the mean of lines wherever stretches of them begin."""
    ordered = sorted((one for line in lines for one in line), key=_first)
    return [point(first, mean([*together])) for first, together in groupby(ordered, _first)]


def _first(one: Stretch) -> float:
    return one.first


def _series(folder: Path, metrics: Sequence[str]) -> dict[str, OfWriters]:
    """Return what is drawn of a run's metrics by metric and writer, from what is kept if that is as the run is."""
    found = sizes(folder, [path.name for path in writers(folder)])
    if sum(size for size, _ in found.values()) < WORTH_KEEPING:
        points = _points(folder, set(metrics))
        return {name: {writer: one.stretches(1) for writer, one in ones.items()} for name, ones in points.items()}
    state = seen(found)
    with contextlib.suppress(sqlite3.DatabaseError, OSError, ValueError), _opened(folder) as connection:
        kept = connection.execute("SELECT seen FROM drawn WHERE run = ?", (folder.name,)).fetchone()
        if kept == (state,):
            return {name: _kept(connection, folder.name, name) for name in metrics}
    drawn: dict[str, OfWriters] = {}
    rows: list[Row] = []
    for name, of_writers in _points(folder).items():
        levels = {writer: [*points.levels()] for writer, points in of_writers.items()}
        if name in metrics:
            drawn[name] = {writer: _enough(of_writer) for writer, of_writer in levels.items()}
        for writer, of_writer in levels.items():  # as bytes at once: a run may have thousands of series
            rows += [
                (folder.name, text_of(name), text_of(writer), number, len(level), pack(level))
                for number, level in enumerate(of_writer)
            ]
    with contextlib.suppress(sqlite3.DatabaseError, OSError), _opened(folder) as connection:
        _keep(connection, folder, state, rows)
    return drawn


def _enough(levels: Sequence[list[Stretch]]) -> list[Stretch]:
    """Return the coarsest level that will do for a drawing."""
    return next((level for level in reversed(levels) if len(level) >= ENOUGH), levels[0])


def _points(folder: Path, wanted: set[str] | None = None) -> dict[str, dict[str, Points]]:
    found: dict[str, dict[str, Points]] = {}
    for one in read_points(folder):
        if wanted is None or one.metric in wanted:
            of_writers = found.setdefault(one.metric, {})
            points = of_writers.get(one.writer) or of_writers.setdefault(one.writer, Points())
            points.add(one.step, one.value)
    return found


def _opened(folder: Path) -> contextlib.AbstractContextManager[sqlite3.Connection]:
    return index.opened(FolderRecords(folder.parent.parent))


def _kept(connection: sqlite3.Connection, run_id: str, metric: str) -> OfWriters:
    """Return of each writer the coarsest level that will do for a drawing."""
    sql = """SELECT writer, stretches FROM pyramids AS one WHERE run = ? AND series = ? AND level = (
        SELECT max(level) FROM pyramids WHERE run = one.run AND series = one.series AND writer = one.writer
        AND (level = 0 OR count >= ?))"""
    return {name: unpack(data) for name, data in connection.execute(sql, (run_id, text_of(metric), ENOUGH))}


def _keep(connection: sqlite3.Connection, folder: Path, state: str, rows: Sequence[Row]) -> None:
    """Keep what is drawn of a run, and forget runs that are gone."""
    with index.writing(connection, FolderRecords(folder.parent.parent)):
        known = [run_id for (run_id,) in connection.execute("SELECT run FROM drawn")]
        for run_id in known:
            if run_id == folder.name or not (folder.parent / run_id).exists():
                connection.execute("DELETE FROM drawn WHERE run = ?", (run_id,))
                connection.execute("DELETE FROM pyramids WHERE run = ?", (run_id,))
        connection.execute("INSERT INTO drawn VALUES (?, ?)", (folder.name, state))
        connection.executemany("INSERT INTO pyramids VALUES (?, ?, ?, ?, ?, ?)", rows)
