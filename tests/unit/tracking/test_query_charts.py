"""What is drawn of runs: the shape of every point, kept for as long as the run stays as it is."""

from __future__ import annotations

import math
import random
import shutil
import sqlite3
from pathlib import Path

import pytest

from mlgitops import tracking
from mlgitops.errors import InputError
from mlgitops.tracking import RunRecord
from mlgitops.tracking.query import charts as drawing
from mlgitops.tracking.query import index, stretches
from mlgitops.tracking.query.charts import Chart, charts
from mlgitops.tracking.query.roots import records_of
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.query.stretches import FACTOR, FINEST, Points, mean, pack, unpack
from tracking_runs import new_run, write_as


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, in which every run is worth keeping."""
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(drawing, "WORTH_KEEPING", 0)


def a_run(root: Path, losses: list[float]) -> RunRecord:
    run = new_run(root, "run")
    for loss in losses:
        run.log_metric("loss \ud800", loss)
    run.end()
    return tracking.read(run.folder)


def drawn(record: RunRecord) -> Chart:
    (chart,) = charts([record], ["loss \ud800"])
    return chart


def kept(root: Path) -> list[str]:
    with index.opened(records_of(root)) as connection:
        return [run_id for (run_id,) in connection.execute("SELECT run FROM drawn ORDER BY run")]


def points_of(values: list[float]) -> Points:
    points = Points()
    for step, value in enumerate(values):
        points.add(step, value)
    return points


def test_every_level_has_the_lowest_and_highest_points_and_the_mean() -> None:
    chance = random.Random(7)
    values = [chance.gauss(0, 1) for _ in range(FINEST * 5)]
    values[40_001], values[70_003], values[50_000] = -100.0, 100.0, math.nan
    levels = [*points_of(values).levels()]
    assert [len(level) for level in levels] == [-(-len(values) // FACTOR**power) for power in (2, 3)]
    finite = [value for value in values if value == value]
    for level in levels:
        assert min(level, key=lambda one: one.low)[2:4] == (-100.0, 40_001.0)
        assert max(level, key=lambda one: one.high)[4:6] == (100.0, 70_003.0)
        assert mean(level) == pytest.approx(sum(finite) / len(finite))
        assert (level[0].first, level[-1].last) == (0.0, len(values) - 1)
        assert sum(one.points for one in level) == len(values) == sum(one.finite for one in level) + 1
        assert unpack(pack(level)) == level


def test_points_that_came_in_any_order_are_drawn_in_order_of_step() -> None:
    points = Points()
    for step in (5, 1, 10**400, 3, -(10**400)):
        points.add(step, float(step % 7))
    assert [one.first for one in points.stretches(1)] == [-(2.0**62), 1.0, 3.0, 5.0, 2.0**62]


def test_stretches_without_finite_values_and_with_the_largest_ones_are_kept() -> None:
    points = points_of([math.nan, math.inf, 1.7e308, 1.7e308])
    odd, large = points.stretches(2)
    assert (odd.finite, large.mean) == (0.0, 1.7e308)
    assert math.isnan(odd.low)
    (both,) = stretches.merged([odd, large], 2)
    assert (both.low, both.high, both.mean, both.finite, both.points) == (1.7e308, 1.7e308, 1.7e308, 2.0, 4.0)
    assert repr(unpack(pack(points.stretches(1)))) == repr(points.stretches(1))


def test_a_drawing_of_a_run_that_stayed_as_it_was_reads_no_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = a_run(root, [3.0, math.nan, -math.inf, 1.0])
    first = drawn(record)
    assert [(one.first, one.mean) for one in first.lines[0].stretches if one.finite] == [(0.0, 3.0), (3.0, 1.0)]
    assert (first.steps, first.values) == ((0, 3), (1.0, 3.0))
    monkeypatch.setattr(drawing, "read_points", lambda _: pytest.fail("the lines are read again"))
    assert repr(drawn(record)) == repr(first)
    assert search_runs(root=root)[0].id == record.id  # which brings the same file up to date
    assert repr(drawn(record)) == repr(first)


def test_new_points_are_drawn_and_what_is_gone_is_forgotten(root: Path) -> None:
    run = new_run(root, "live")
    run.log_metric("loss \ud800", 1.0)
    other = a_run(root, [1.0])
    assert drawn(tracking.read(run.folder)).steps == (0, 0) == drawn(other).steps
    run.log_metric("loss \ud800", 2.0)
    assert drawn(tracking.read(run.folder)).steps == (0, 1)
    assert kept(root) == sorted([run.id, other.id])
    shutil.rmtree(other.folder)
    run.end()
    run.log_metric("loss \ud800", 3.0)
    drawn(tracking.read(run.folder))
    assert kept(root) == [run.id]


def test_of_a_long_series_a_level_is_drawn_that_is_fine_enough(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (stretches, drawing):
        monkeypatch.setattr(module, "ENOUGH", 10)
    monkeypatch.setattr(stretches, "FINEST", 100)
    record = a_run(root, [float(number) for number in range(170)])
    for _ in range(2):
        (line,) = drawn(record).lines
        assert [one.points for one in line.stretches] == [FACTOR**2] * 10 + [10.0]
        assert (line.stretches[3].low, line.stretches[3].high) == (48.0, 63.0)


def test_without_a_place_for_an_index_or_with_a_damaged_one_the_lines_are_read(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = a_run(root, [1.0, 2.0])
    expected = drawn(record)
    place = index.place(records_of(root))
    place.write_bytes(b"no database" * 100)
    assert drawn(record) == expected
    place.unlink()
    drawn(record)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE pyramids SET stretches = x'7001'")
    assert drawn(record) == expected
    (tmp_path / "file").touch()
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "file"))
    assert drawn(record) == expected


def test_each_writer_is_drawn_and_of_many_the_first_and_the_mean_of_the_others(root: Path) -> None:
    run = new_run(root, "ranks")
    run.log_metric("loss", 0.0)
    for rank in (10, 2):
        write_as(run.folder, f'"role":"member","rank":{rank}', [rank, rank])
    run.end()
    for _ in range(2):
        (chart,) = charts([tracking.read(run.folder)], ["loss"])
        assert [line.writer for line in chart.lines] == ["owner", "rank 2", "rank 10"]
    for rank in (1, 3, 4, 5, 6, 7, 8):
        write_as(run.folder, f'"role":"member","rank":{rank}', [rank])
    (chart,) = charts([tracking.read(run.folder)], ["loss"])
    assert [line.writer for line in chart.lines] == ["owner", "mean of 9 others"]
    assert [one[:3] for one in chart.lines[1].stretches] == [(0.0, 0.0, pytest.approx(46 / 9)), (1.0, 1.0, 6.0)]
    with pytest.raises(InputError, match="none of these runs has a metric 'lss'; they have: 'loss'"):
        charts([tracking.read(run.folder)], ["lss"])
