"""Several runs side by side: what each says of everything that one of them says, and their curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from mlgitops.errors import InputError
from mlgitops.tracking.points import read_points
from mlgitops.tracking.query.roots import Root, records_of
from mlgitops.tracking.query.values import duration
from mlgitops.tracking.records import MetricSummary, RunRecord, Scalar
from mlgitops.tracking.voices import order

Value = Scalar | MetricSummary
Points = tuple[tuple[int, float], ...]
_MOST_LISTED = 20  # names in a message


@dataclass(frozen=True, slots=True)
class Row:
    """One thing and what each run says of it, None where a run says nothing.

    ``group`` is run, params, metrics, tags, data or code. A metric's value is its summary.
    """

    group: str
    name: str
    values: tuple[Value, ...]

    @property
    def differs(self) -> bool:
        """Whether two of the runs say different things; NaN is equal to itself here."""
        return len({repr(value) for value in self.values}) > 1


@dataclass(frozen=True, slots=True)
class Line:
    """The points of one of a run's writers, as pairs of step and value in order of step.

    ``run`` is the run's place in the comparison. ``writer`` is empty where the run has one of this metric only.
    """

    run: int
    writer: str
    points: Points


@dataclass(frozen=True, slots=True)
class Curve:
    """A metric's lines: of each run one, perhaps without points, and one more for each other process that logged it.

    The first line of a run is that of the writer whose last value is the run's (``RunRecord.shared``).
    """

    metric: str
    lines: tuple[Line, ...]

    @property
    def firsts(self) -> tuple[Line, ...]:
        """Each run's first line."""
        return tuple(next(of_run) for _, of_run in groupby(self.lines, _run))

    @property
    def others(self) -> tuple[Line, ...]:
        """The lines of each run after its first."""
        return tuple(line for _, of_run in groupby(self.lines, _run) for line in tuple(of_run)[1:])


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order that was asked for, and the rows of all of them."""

    runs: tuple[RunRecord, ...]
    rows: tuple[Row, ...]

    @property
    def differing(self) -> tuple[Row, ...]:
        """The rows in which the runs differ."""
        return tuple(row for row in self.rows if row.differs)


def compare(runs: Sequence[RunRecord | str], *, root: Root = None) -> Comparison:
    """Return what runs say, side by side.

    Args:
        runs: records, or ids or the beginnings of them.
        root: where records lie that are named by id, as for ``search_runs``.

    Raises:
        InputError: there are fewer than two different runs.
        NotFoundError: there is no such run, or several begin so.
    """
    records = records_of(root)
    return side_by_side([run if isinstance(run, RunRecord) else records.read(run) for run in runs])


def side_by_side(runs: Sequence[RunRecord]) -> Comparison:
    """Return what records say, side by side; errors as ``compare``."""
    if len({run.folder.resolve() for run in runs}) < max(2, len(runs)):
        raise InputError("a comparison needs two or more different runs; see which there are: mlgitops runs")
    rows: list[Row] = []
    for group, say in _GROUPS.items():
        said = [say(run) for run in runs]
        names = dict.fromkeys(name for saying in said for name in saying)
        ordered = names if group in ("run", "code") else sorted(names)
        rows += [Row(group, name, tuple(saying.get(name) for saying in said)) for name in ordered]
    return Comparison(tuple(runs), tuple(rows))


def with_curves(runs: Sequence[RunRecord]) -> tuple[str, ...]:
    """Return the metrics that have several points in one of the runs, in order of name."""
    return tuple(sorted({name for run in runs for name, summary in run.metrics.items() if summary.count > 1}))


def curves(runs: Sequence[RunRecord], metrics: Sequence[str]) -> tuple[Curve, ...]:
    """Read every point of metrics; for drawings ``charts`` has fewer.

    Raises:
        InputError: no run has one of the metrics; the message names those that there are.
    """
    require_known(runs, metrics)
    if not metrics:
        return ()
    read = [_points(run, set(metrics)) for run in runs]
    return tuple(Curve(name, tuple(_lines(name, read))) for name in metrics)


def require_known(runs: Sequence[RunRecord], metrics: Sequence[str]) -> None:
    """Refuse metrics that none of the runs has; errors as ``curves``."""
    known = sorted({name for run in runs for name in run.metrics})
    for name in metrics:
        if name not in known:
            listed = ", ".join(map(ascii, known[:_MOST_LISTED])) or "none"
            raise InputError(f"none of these runs has a metric {name!a}; they have: {listed}")


def _run(line: Line) -> int:
    return line.run


def _lines(metric: str, read: Sequence[Mapping[str, Mapping[str, Points]]]) -> Iterator[Line]:
    for place, of_run in enumerate(read):
        of_writers = of_run.get(metric) or {"": ()}
        for writer in sorted(of_writers, key=order):
            yield Line(place, writer if len(of_writers) > 1 else "", of_writers[writer])


def _points(run: RunRecord, wanted: set[str]) -> dict[str, dict[str, Points]]:
    """Return the points of metrics by metric and writer."""
    found: dict[str, dict[str, list[tuple[int, float]]]] = {}
    for point in read_points(run.folder):
        if point.metric in wanted:
            of_writers = found.setdefault(point.metric, {})
            of_writers.setdefault(point.writer, []).append((point.step, point.value))
    return {
        metric: {writer: tuple(sorted(points)) for writer, points in of_writers.items()}
        for metric, of_writers in found.items()
    }


def _of_run(run: RunRecord) -> Mapping[str, Value]:
    return {
        "name": run.name,
        "experiment": run.experiment,
        "status": run.status,
        "started_at": run.started_at,
        "seconds": duration(run),
        "problems": "; ".join(run.problems) or None,
    }


def _of_code(run: RunRecord) -> Mapping[str, Value]:
    if run.source is None:
        return {}
    source = run.source
    return {
        "repository": source.repository or None,
        "commit": source.commit or None,
        "dirty": source.dirty,
        "entry_point": source.entry_point or None,
    }


def _of_data(run: RunRecord) -> Mapping[str, Value]:
    return {f"{data.context}: {data.name}" if data.context else data.name: data.digest for data in run.datasets}


_GROUPS: dict[str, Callable[[RunRecord], Mapping[str, Value]]] = {
    "run": _of_run,
    "params": lambda run: run.params,
    "metrics": lambda run: run.metrics,
    "tags": lambda run: run.tags,
    "data": _of_data,
    "code": _of_code,
}
