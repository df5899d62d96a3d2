from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import mlgitops
from mlgitops import tracking

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def study_of(objective: Any, trials: int = 4, **options: Any) -> optuna.Study:
    study = optuna.create_study(study_name="parabola", sampler=optuna.samplers.RandomSampler(seed=1))
    study.optimize(objective, n_trials=trials, **options)
    return study


def parabola(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", -5, 5)
    mlgitops.log_metric("own", x)
    trial.report(x, 0)
    if trial.number == 2:
        raise optuna.TrialPruned
    return x**2


def by_name(root: Path) -> dict[str, tracking.RunRecord]:
    return {record.name: record for record in tracking.list_runs(root)}


def test_a_study_is_a_run_and_each_trial_a_run_of_its_own(root: Path) -> None:
    without = study_of(lambda trial: trial.suggest_float("x", -5, 5) ** 2)
    mlgitops.autolog("optuna", full=True)
    study = study_of(parabola)
    records = by_name(root)
    assert set(records) == {"parabola", "trial-0", "trial-1", "trial-2", "trial-3"}
    assert [trial.params for trial in study.trials] == [trial.params for trial in without.trials]
    parent = records["parabola"]
    assert parent.params["sampler"] == "RandomSampler"
    assert parent.params["best_x"] == study.best_params["x"]
    assert parent.metrics["best_value"].last == study.best_value
    assert {name: parent.metrics[f"trials_{name}"].last for name in ("complete", "pruned")} == {
        "complete": 3,
        "pruned": 1,
    }
    trial = records["trial-1"]
    assert trial.parent == parent.id
    assert trial.status == "finished"
    assert trial.params == study.trials[1].params
    assert trial.metrics["value"].last == study.trials[1].value
    assert trial.metrics["own"].last == study.trials[1].params["x"]
    assert records["trial-2"].tags["optuna.state"] == "pruned"
    assert mlgitops.active_run() is None


def test_a_trial_that_fails_says_so_and_the_error_is_the_users(root: Path) -> None:
    mlgitops.autolog("optuna", full=True)

    def broken(trial: optuna.Trial) -> float:
        raise ZeroDivisionError("today")

    study_of(broken, trials=1, catch=(ZeroDivisionError,))
    assert by_name(root)["trial-0"].status == "failed"
    with pytest.raises(ZeroDivisionError, match="today"):
        study_of(broken, trials=1)
    records = tracking.list_runs(root)
    assert [record.status for record in records].count("failed") == 3  # two trials and the second study
    assert all(record.status != "running" for record in records)


def test_trials_in_threads_keep_apart_and_their_fits_are_theirs(root: Path) -> None:
    def fits(trial: optuna.Trial) -> float:
        c = trial.suggest_float("C", 0.1, 10)
        return float(LogisticRegression(C=c, max_iter=1000).fit(X, Y).score(X, Y))

    mlgitops.autolog(log_models=False, full=True)
    study = study_of(fits, n_jobs=2)
    records = by_name(root)
    assert len(records) == 5
    for trial in study.trials:
        record = records[f"trial-{trial.number}"]
        assert record.params["C"] == trial.params["C"]
        assert record.params["max_iter"] == 1000
        assert record.metrics["training_score"].last == trial.value
