from __future__ import annotations

import math
from pathlib import Path

import pytest

from mlgitops import tracking
from mlgitops.errors import InputError
from mlgitops.tracking import RunRecord
from mlgitops.tracking.query.charts import charts
from mlgitops.tracking.query.comparison import Line, compare, curves, with_curves
from tracking_runs import new_run, write_as


def a_run(root: Path, name: str, params: dict[str, object], losses: list[float]) -> RunRecord:
    run = new_run(root, name, team="flowers")
    run.log_params(params)
    for loss in losses:
        run.log_metric("loss", loss)
    run.end()
    return tracking.read(run.folder)


def test_only_what_differs_is_differing(root: Path) -> None:
    first = a_run(root, "same", {"C": 1, "solver": "saga"}, [1.0])
    second = a_run(root, "same", {"C": 2, "solver": "saga", "only": None}, [1.0])
    found = compare([first, second])
    differing = {(row.group, row.name): row.values for row in found.differing if row.group != "run"}
    assert differing == {("params", "C"): (1, 2)}
    everything = {(row.group, row.name) for row in found.rows}
    assert {("params", "solver"), ("params", "only"), ("tags", "team"), ("metrics", "loss")} <= everything


def test_a_number_and_its_text_differ_and_nan_does_not_differ_from_itself(root: Path) -> None:
    runs = [a_run(root, "run", {"C": value}, [math.nan]) for value in (1, "1")]
    assert [row.name for row in compare(runs).differing if row.group in ("params", "metrics")] == ["C"]


def test_curves_have_each_runs_points_in_order_of_step(root: Path) -> None:
    first = a_run(root, "first", {}, [3.0, 2.0])
    run = new_run(root, "second")
    run.log_metric("loss", 1.0, step=9)
    run.log_metric("loss", -math.inf, step=4)
    run.log_metric("other", 1.0)
    run.end()
    runs = [first, tracking.read(run.folder)]
    assert with_curves(runs) == ("loss",)
    (curve,) = curves(runs, ["loss"])
    assert curve.lines == (Line(0, "", ((0, 3.0), (1, 2.0))), Line(1, "", ((4, -math.inf), (9, 1.0))))
    (chart,) = charts(runs, ["loss"])
    assert (chart.steps, chart.values) == ((0, 9), (1.0, 3.0))
    with pytest.raises(InputError, match="none of these runs has a metric 'lss'; they have: 'loss', 'other'"):
        curves(runs, ["lss"])


def test_each_writer_of_a_metric_has_a_line_the_owners_first(root: Path) -> None:
    of_ranks = new_run(root, "ranks")
    for rank in (10, 2):
        write_as(of_ranks.folder, f'"role":"member","rank":{rank}', [rank + 0.5, rank + 0.25])
    of_ranks.log_metric("loss", 0.5)
    of_ranks.end()
    runs = [tracking.read(of_ranks.folder), a_run(root, "alone", {}, [3.0])]
    (curve,) = curves(runs, ["loss"])
    assert curve.lines == (
        Line(0, "owner", ((0, 0.5),)),
        Line(0, "rank 2", ((0, 2.5), (1, 2.25))),
        Line(0, "rank 10", ((0, 10.5), (1, 10.25))),
        Line(1, "", ((0, 3.0),)),
    )
    assert [line.run for line in curve.firsts] == [0, 1]


def test_one_run_or_the_same_run_twice_is_no_comparison(root: Path) -> None:
    run = a_run(root, "run", {}, [])
    for runs in ([run], [run, run]):
        with pytest.raises(InputError, match="two or more different runs"):
            compare(runs)
