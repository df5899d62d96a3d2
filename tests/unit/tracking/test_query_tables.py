"""Found runs as tables and in groups."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.errors import InputError, NotFoundError
from mlgitops.statistics import Interval
from mlgitops.tracking.query.language import FilterError
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.run import Run
from tracking_runs import new_run


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))


def a_run(root: Path, name: str, params: dict[str, object], *losses: float, tags: dict[str, str] | None = None) -> Run:
    run = new_run(root, name, **(tags or {}))
    run.log_params(params)
    for loss in losses:
        run.log_metric("loss", loss)
    run.end()
    return run


@pytest.mark.usefixtures("own_capture")
def test_a_table_has_a_typed_column_for_each_thing_that_a_run_says(root: Path) -> None:
    a_run(root, "first", {"C": 1, "shuffle": True, "rate": 0.1}, 0.5, 0.25, tags={"team": "flowers"})
    a_run(root, "second", {"C": 2, "rate": "auto"}, math.nan)
    table = search_runs(root=root, order_by="name").to_arrow()
    assert table.column("params.C").to_pylist() == [1, 2]
    assert table.column("params.shuffle").to_pylist() == [True, None]
    assert table.column("params.rate").to_pylist() == ["0.1", "auto"]
    assert table.column("tags.team").to_pylist() == ["flowers", None]
    assert str(table.column("metrics.loss").to_pylist()) == "[0.25, nan]"
    assert table.column("git.dirty").to_pylist() == [False, False]
    assert str(table.schema.field("started_at").type) == "timestamp[ms, tz=UTC]"
    assert table.column("status").to_pylist() == ["finished", "finished"]


def test_columns_are_fields_of_the_language(root: Path, tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2\n")
    run = new_run(root, "run")
    digest = run.log_dataset(tmp_path / "train.csv", name="iris", context="train").digest
    run.log_metric("loss", 3.0)
    run.log_metric("loss", 1.0)
    run.end()
    found = search_runs(root=root)
    frame = found.to_pandas(["metrics.loss.max", "dataset.train.digest", "params.none", "duration"])
    assert frame.iloc[0, :2].to_list() == [3.0, digest]
    assert frame["params.none"].isna().all()
    assert found.rows(["name", "metrics.loss.count"]) == [("run", 2)]
    with pytest.raises(FilterError, match="column 14: expected the end, found desc"):
        found.to_arrow(["metrics.loss desc"])


def test_no_runs_are_an_empty_table(root: Path) -> None:
    assert search_runs(root=root).to_arrow(["name"]).num_rows == 0
    assert search_runs(root=root).to_pandas().empty


def test_what_arrow_cannot_hold_is_text(root: Path) -> None:
    a_run(root, "half", {"half": "\ud800", "big": 10**30, "bigger": 10**400})
    table = search_runs(root=root).to_arrow()
    assert table.column("params.half").to_pylist() == ["\\ud800"]
    assert table.column("params.big").to_pylist() == [str(10**30)]


def test_groups_have_the_mean_of_their_runs_and_its_interval(root: Path) -> None:
    for loss in (0.90, 0.92, 0.94):
        a_run(root, "low", {"C": 0.1}, loss)
    a_run(root, "high", {"C": "10"}, 0.5)
    a_run(root, "none", {})
    found = search_runs(root=root).group_by("params.C")
    assert [group.values for group in found] == [(0.1,), ("10",), (None,)]
    assert [len(group.runs) for group in found] == [3, 1, 1]
    low, high, none = found
    assert low.metrics["metrics.loss"].mean == pytest.approx(0.92)
    assert low.metrics["metrics.loss"].margin == pytest.approx(0.0496827, rel=1e-5)
    assert (high.metrics, none.metrics) == ({"metrics.loss": Interval(0.5, None, 1)}, {})


def test_values_that_the_language_finds_equal_are_one_group(root: Path) -> None:
    for value in (1, "1.0", 1.0, "01", "one", True):
        a_run(root, "run", {"C": value})
    found = search_runs("", order_by="started_at", root=root).group_by("params.C")
    assert [(len(group.runs)) for group in found] == [4, 1, 1]
    assert [group.values[0] for group in found][1:] == [True, "one"]


def test_a_group_counts_what_its_mean_is_of(root: Path) -> None:
    for loss in (1.0, math.nan, 3.0):
        a_run(root, "run", {"seed": loss}, loss, 2.0, loss)
    (group,) = search_runs(root=root).group_by("experiment", metrics=["loss.max", "duration"])
    assert group.metrics["metrics.loss.max"].count == 3
    assert search_runs(root=root).group_by("name").groups[0].metrics["metrics.loss"].count == 2
    table = search_runs(root=root).group_by("name", metrics=["loss"]).to_pandas()
    assert table.to_dict("records")[0].keys() == {"name", "runs", "metrics.loss", "metrics.loss ±", "metrics.loss n"}


def test_groups_by_nothing_or_of_no_number_are_refused(root: Path) -> None:
    with pytest.raises(InputError, match="name one or more fields"):
        search_runs(root=root).group_by()
    with pytest.raises(FilterError, match="there is no group 'param_C'"):
        search_runs(root=root).group_by("param_C.x")


def test_the_facade_compares_runs_by_id(root: Path) -> None:
    first, second = a_run(root, "first", {"C": 1}), a_run(root, "second", {"C": 2})
    by_id = mlgitops.compare([first.id, second.id])
    assert by_id == mlgitops.compare([tracking.read(first.folder), tracking.read(second.folder)])
    assert ("C", (1, 2)) in [(row.name, row.values) for row in by_id.differing]
    with pytest.raises(NotFoundError, match="has no run '7'"):
        mlgitops.compare([first.id, "7"])
