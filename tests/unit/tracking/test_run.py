from __future__ import annotations

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.digest import Manifest, of_file
from mlgitops.errors import InputError, NotFoundError, OutsideError


def only_run(root: Path) -> tracking.RunRecord:
    (found,) = tracking.list_runs(root)
    return found


def test_a_finished_run_reads_back_as_it_was_logged(root: Path) -> None:
    with mlgitops.start_run("first", experiment="iris", tags={"team": "flowers"}) as run:
        mlgitops.log_params({"C": 1.5, "solver": "lbfgs", "verbose": False, "seed": None, "layers": (3, 4)})
        for step, loss in enumerate([3.0, 1.0, 2.0]):
            mlgitops.log_metric("loss", loss, step)
        mlgitops.log_metrics({"accuracy": 0.5, "recall": 1})
        mlgitops.set_tag("note", 7)

    record = tracking.read(tracking.find(root, run.id))

    assert (record.id, record.name, record.experiment, record.status) == (run.id, "first", "iris", "finished")
    assert record.params == {"C": 1.5, "solver": "lbfgs", "verbose": False, "seed": None, "layers": "(3, 4)"}
    assert record.metrics["loss"] == tracking.MetricSummary(last=2.0, min=1.0, max=3.0, mean=2.0, count=3, step=2)
    assert record.metrics["accuracy"].last == 0.5
    assert record.metrics["recall"] == tracking.MetricSummary(1.0, 1.0, 1.0, 1.0, 1, 0)
    assert record.tags == {"team": "flowers", "note": "7"}
    assert record.finished_at is not None
    assert record.started_at <= record.finished_at
    assert record.problems == ()
    assert record.folder == root / "runs" / run.id


def test_a_run_that_is_going_reads_as_running_with_all_that_was_logged(root: Path) -> None:
    mlgitops.start_run()
    mlgitops.log_metric("loss", 0.25)
    mlgitops.log_param("C", 1)
    record = only_run(root)
    assert (record.status, record.finished_at) == ("running", None)
    assert record.metrics["loss"].last == 0.25
    assert record.params == {"C": 1}


def test_an_error_makes_the_run_failed_and_reaches_the_caller(root: Path) -> None:
    with pytest.raises(ZeroDivisionError), mlgitops.start_run():
        mlgitops.log_metric("loss", 1)
        raise ZeroDivisionError("by zero")
    record = only_run(root)
    assert record.status == "failed"
    assert record.problems == ("ZeroDivisionError: by zero",)
    assert record.metrics["loss"].count == 1


def test_without_steps_the_points_of_a_metric_are_numbered(root: Path) -> None:
    with mlgitops.start_run() as run:
        for value in (5.0, 6.0):
            mlgitops.log_metric("loss", value)
        mlgitops.log_metric("loss", 7.0, step=10)
        mlgitops.log_metric("loss", 8.0)
    assert [(point.step, point.value) for point in tracking.read_points(run.folder, "loss")] == [
        (0, 5.0),
        (1, 6.0),
        (10, 7.0),
        (11, 8.0),
    ]


def test_threads_write_whole_lines_and_never_share_a_step(root: Path) -> None:
    with mlgitops.start_run() as run:
        threads = [
            threading.Thread(target=lambda: [mlgitops.log_metric("loss", 1.0) for _ in range(500)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(point.step for point in tracking.read_points(run.folder)) == list(range(4000))
    assert tracking.read(run.folder).metrics["loss"].count == 4000


def test_values_that_json_has_not_are_kept(root: Path) -> None:
    with mlgitops.start_run() as run:
        for value in (math.inf, -math.inf, 2.0, math.nan):
            mlgitops.log_metric("loss", value)
    values = [point.value for point in tracking.read_points(run.folder)]
    assert values[:3] == [math.inf, -math.inf, 2.0]
    assert math.isnan(values[3])
    summary = tracking.read(run.folder).metrics["loss"]
    assert math.isnan(summary.last)
    assert (summary.min, summary.max, summary.count) == (-math.inf, math.inf, 4)
    json.loads((run.folder / "run.json").read_text(), parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_numbers_of_numpy_are_parameters_as_numbers_are(root: Path) -> None:
    given = {
        "int": np.int64(3),
        "bool": np.bool_(True),
        "half": np.float32(0.1),
        "double": np.float64(0.1),
        "nan": np.float32("nan"),
        "array": np.array([3]),
        "date": np.datetime64("2026-01-01"),
    }
    with mlgitops.start_run() as run:
        mlgitops.log_params(given)
    found = tracking.read(run.folder).params
    expected = {"int": 3, "bool": True, "half": 0.1, "double": 0.1, "nan": "nan", "array": "[3]", "date": "2026-01-01"}
    assert found == expected
    assert [type(found[name]) for name in ("int", "bool", "half")] == [int, bool, float]
    assert [found.name for found in mlgitops.search_runs("params.int = 3 and params.half = 0.1")] == [run.name]


class Hostile:
    def __float__(self) -> float:
        raise RuntimeError("no number")

    def __str__(self) -> str:
        raise RuntimeError("no text")


@pytest.mark.parametrize("value", ["high", None, 10**400, Hostile(), [1.0]])
def test_a_metric_that_is_no_number_is_reported_and_training_goes_on(
    root: Path, value: object, capsys: pytest.CaptureFixture[str]
) -> None:
    with mlgitops.start_run():
        mlgitops.log_metric("loss", value)  # type: ignore[arg-type]
        mlgitops.log_metric("loss", value)  # type: ignore[arg-type]
        mlgitops.log_metric("loss", 1.0)
    record = only_run(root)
    assert record.metrics["loss"].count == 1
    assert record.problems[0].startswith("metric loss: ")
    assert record.problems[1] == "2 values were not written"
    assert capsys.readouterr().err.count("is incomplete") == 1


def test_nothing_that_is_logged_raises_into_training(root: Path) -> None:
    with mlgitops.start_run():
        mlgitops.log_metrics(["not", "a", "mapping"])  # type: ignore[arg-type]
        mlgitops.log_metric("loss", 1.0, step="later")  # type: ignore[arg-type]
        mlgitops.log_metric(["unhashable"], 1.0)  # type: ignore[arg-type]
        mlgitops.log_param("bad", Hostile())
        mlgitops.log_params(None)  # type: ignore[arg-type]
        mlgitops.set_tag(Hostile(), "x")  # type: ignore[arg-type]
        mlgitops.set_tags({"bad": Hostile()})
    assert "7 values were not written" in only_run(root).problems


def test_strict_mode_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    with mlgitops.start_run(), pytest.raises(ValueError, match="high"):
        mlgitops.log_metric("loss", "high")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["é/ü.ž 🎉", "a" * 10_000, 'quote" \\ and\nline', "\ud800", "\x1b[31m", ""])
def test_any_name_and_text_reads_back(root: Path, name: str) -> None:
    with mlgitops.start_run(name, experiment=name) as run:
        mlgitops.log_metric(name, 1.0)
        mlgitops.log_param(name, name)
        mlgitops.set_tag(name, name)
    record = tracking.read(run.folder)
    assert record.metrics[name].last == 1.0
    assert record.params == record.tags == {name: name}
    assert record.experiment == name


def test_the_record_is_sealed_over_every_file(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plot.txt").write_text("a plot")
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1.0)
        copy = mlgitops.log_artifact(tmp_path / "plot.txt", "plots/loss.txt")
    manifest = Manifest.from_bytes((run.folder / "manifest.json").read_bytes())
    listed = {entry.path: entry.digest for entry in manifest.files}
    assert listed["artifacts/plots/loss.txt"] == of_file(tmp_path / "plot.txt")
    assert copy.read_text() == "a plot"
    (lines,) = run.folder.glob("w-*.jsonl")
    assert set(listed) == {
        "artifacts/plots/loss.txt",
        "capture.json",
        "packages.txt",
        "run.json",
        "source.diff",
        lines.name,
    }


def test_a_folder_is_an_artifact_and_logging_it_again_renews_it(root: Path, tmp_path: Path) -> None:
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "a").write_text("1")
    with mlgitops.start_run():
        mlgitops.log_artifact(tmp_path / "plots")
        (tmp_path / "plots" / "a").write_text("2")
        assert (mlgitops.log_artifact(tmp_path / "plots") / "a").read_text() == "2"


@pytest.mark.parametrize("name", ["../outside", "/absolute", "a/../../b", "", "a\\b", "a\x1b[2J"])
def test_an_artifact_stays_in_the_record(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with mlgitops.start_run(), pytest.raises(InputError, match="no plain relative path"):
        mlgitops.log_artifact(tmp_path / "file", name)
    assert not (tmp_path / "outside").exists()


def test_a_record_is_no_artifact_of_itself(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    with mlgitops.start_run() as run:
        for folder in (run.folder, run.root, tmp_path / "link", run.folder / "artifacts"):
            folder.mkdir(exist_ok=True)
            with pytest.raises(InputError, match="where its copy would lie"):
                mlgitops.log_artifact(folder)
        assert list((run.folder / "artifacts").iterdir()) == []


def test_a_disk_that_does_not_take_a_model_is_an_outside_error(root: Path) -> None:
    with mlgitops.start_run() as run:
        (run.folder / "models").write_text("in the way")
        with pytest.raises(OutsideError, match="model line cannot be saved in"):
            mlgitops.log_model(object(), name="line")


def test_an_artifact_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with mlgitops.start_run(), pytest.raises(NotFoundError, match="nothing to log"):
        mlgitops.log_artifact(tmp_path / "absent")


def test_runs_nest_and_the_outer_one_is_active_again(root: Path) -> None:
    with mlgitops.start_run("outer") as outer:
        with mlgitops.start_run("inner") as inner:
            mlgitops.log_metric("loss", 1.0)
        assert mlgitops.active_run() is outer
        mlgitops.log_metric("loss", 2.0)
    assert mlgitops.active_run() is None
    assert tracking.read(inner.folder).metrics["loss"].last == 1.0
    assert tracking.read(outer.folder).metrics["loss"].last == 2.0


def test_a_run_that_ends_leaves_its_place_to_the_one_of_its_own_thread(root: Path) -> None:
    started, done = threading.Event(), threading.Event()

    def train() -> None:
        with mlgitops.start_run("elsewhere"):
            started.set()
            done.wait(60)

    with mlgitops.start_run("outer") as outer:
        thread = threading.Thread(target=train)
        thread.start()
        started.wait(60)
        with mlgitops.start_run("inner", nested=True):
            pass
        assert mlgitops.active_run() is outer
        done.set()
        thread.join()


@pytest.mark.parametrize("mode", ["enabled", "disabled"])
def test_a_run_that_is_ended_by_its_handle_is_active_no_longer(root: Path, mode: str) -> None:
    with mlgitops.start_run() as outer:
        inner = mlgitops.start_run(mode=mode)
        inner.end()
        assert mlgitops.active_run() is outer
    assert mlgitops.active_run() is None


def test_runs_that_end_in_another_order_than_they_began_leave_none_active(root: Path) -> None:
    first, second, third = (mlgitops.start_run() for _ in range(3))
    second.end()
    third.end()
    assert mlgitops.active_run() is first
    first.end()
    assert mlgitops.active_run() is None


def test_a_plain_run_ends_once(root: Path) -> None:
    run = mlgitops.start_run()
    mlgitops.end_run("failed")
    run.end("finished")
    mlgitops.end_run()
    assert only_run(root).status == "failed"


def test_the_end_names_the_run_its_folder_and_the_next_command(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with mlgitops.start_run() as run:
        pass
    told = capsys.readouterr()
    assert told.out == ""
    assert f"run records are kept in {root}" in told.err
    assert f"run {run.id} finished" in told.err
    assert str(run.folder) in told.err
    assert "next: mlgitops runs" in told.err


def test_the_root_hides_itself_from_git_and_is_told_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        with mlgitops.start_run():
            pass
    assert (root / ".gitignore").read_text() == "*\n"
    assert capsys.readouterr().err.count("are kept in") == 1
    assert len(tracking.list_runs(root)) == 2


def test_the_root_is_the_nearest_one_else_at_the_top_of_the_work_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLGITOPS_DIR")
    inner = tmp_path / "project" / "src" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "project" / ".git").mkdir()
    monkeypatch.chdir(inner)
    assert tracking.root() == tmp_path / "project" / ".mlgitops"
    (tmp_path / "project" / "src" / ".mlgitops").mkdir()
    assert tracking.root() == tmp_path / "project" / "src" / ".mlgitops"


def test_ids_sort_by_time_and_are_found_by_a_prefix_in_either_case(root: Path) -> None:
    ids = []
    for _ in range(2):
        with mlgitops.start_run() as run:
            ids.append(run.id)
    assert [record.id for record in tracking.list_runs(root)] == sorted(ids, reverse=True)
    assert [record.id for record in tracking.list_runs(root, 1)] == [max(ids)]
    assert tracking.find(root, ids[0][:-1].lower()).name == ids[0]
    with pytest.raises(NotFoundError, match="2 runs begin with"):
        tracking.find(root, ids[0][:2])
    with pytest.raises(NotFoundError, match="the newest are"):
        tracking.find(root, "ZZZ")


def test_a_root_that_cannot_be_written_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "file" / "below"))
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1.0)
    assert run.status == "finished"
    assert capsys.readouterr().err.count("is incomplete") == 1
