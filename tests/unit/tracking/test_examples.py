"""The scripts of examples/training that need no heavy framework, run as a person runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlgitops import tracking

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[3] / "examples" / "training"
Records = dict[str, tracking.RunRecord]


@pytest.fixture
def run_example(root: Path) -> Callable[[str], Records]:
    def run(name: str) -> Records:
        command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
        done = subprocess.run(
            command, env={**os.environ, "MLGITOPS_STRICT": "1"}, capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        records = {record.name: record for record in tracking.list_runs(root)}
        assert all(record.status == "finished" and not record.problems for record in records.values())
        return records

    return run


def test_a_grid_search_is_a_run_and_its_best_candidates_are_runs_below_it(
    run_example: Callable[[str], Records],
) -> None:
    records = run_example("grid_search.py")
    search = records.pop("GridSearchCV")
    assert search.metrics["best_cv_score"].last > 0.9
    assert "best_logisticregression__C" in search.params
    assert all(record.parent == search.id for record in records.values())


def test_xgboost_logs_into_the_run_of_the_script(run_example: Callable[[str], Records]) -> None:
    (record,) = run_example("boosted_xgboost.py").values()
    assert (record.name, record.experiment) == ("boosted", "breast-cancer")
    assert record.metrics["validation_0-logloss"].count > 5
    assert {"best_iteration", "validation_accuracy"} <= set(record.metrics)


def test_lightgbm_logs_its_rounds_and_its_booster(run_example: Callable[[str], Records]) -> None:
    (record,) = run_example("boosted_lightgbm.py").values()
    assert record.metrics["validation-l2"].count > 10
    assert record.params["learning_rate"] == 0.1


def test_each_trial_of_a_study_is_a_run_below_it(run_example: Callable[[str], Records]) -> None:
    records = run_example("study.py")
    study = records.pop("svm")
    assert len(records) == 10
    assert all(record.parent == study.id and "fold_deviation" in record.metrics for record in records.values())


def test_a_plain_loop_is_a_run(run_example: Callable[[str], Records]) -> None:
    (record,) = run_example("plain_loop.py").values()
    assert record.metrics["loss"].count == 50
    assert record.metrics["weight"].last == pytest.approx(2, abs=1e-3)


def test_workers_of_a_pool_log_into_the_run_they_were_given(run_example: Callable[[str], Records]) -> None:
    (record,) = run_example("worker_processes.py").values()
    assert record.metrics["mean_score"].last == pytest.approx(0.915)
    assert [record.metrics[f"score{{fold={fold}}}"].count for fold in range(4)] == [20, 20, 20, 20]


def test_forked_children_log_into_the_run_of_their_parent(run_example: Callable[[str], Records]) -> None:
    (record,) = run_example("forked_workers.py").values()
    assert [record.metrics[f"child_{number}"].count for number in range(3)] == [10, 10, 10]
    assert record.metrics["parent"].count == 1
