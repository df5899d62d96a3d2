"""LightGBM and CatBoost."""

from __future__ import annotations

import json
import pickle
from typing import Any

import catboost
import lightgbm
import pytest
from sklearn.datasets import load_iris

import mlgitops
from mlgitops import packages
from unit.tracking.autolog.conftest import Runs

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)
QUIET = {"verbose": False, "allow_writing_files": False, "thread_count": 1, "random_seed": 3}


def artifact(record: Any, name: str) -> Any:
    return json.loads((record.folder / "artifacts" / name).read_text())


def test_lightgbm_train_logs_each_round_the_early_stop_and_the_booster_and_changes_nothing(runs: Runs) -> None:
    def train() -> Any:
        data = lightgbm.Dataset(X[::2], Y[::2], params={"verbose": -1})
        told: dict[str, Any] = {}
        callbacks = [lightgbm.early_stopping(2, verbose=False), lightgbm.record_evaluation(told)]
        params = {
            "objective": "regression",
            "learning_rate": 0.9,
            "bagging_freq": 1,
            "bagging_fraction": 0.5,
            "verbose": -1,
        }
        valid = data.create_valid(X[1::2], Y[1::2])
        return lightgbm.train(params, data, 50, [valid], ["test"], callbacks=callbacks), told

    booster, told = train()
    mlgitops.autolog("lightgbm", full=True)
    again, told_again = train()
    assert (again.model_to_string(), told_again) == (booster.model_to_string(), told)
    record = runs()["lightgbm"]
    assert record.params["learning_rate"] == 0.9
    assert record.params["num_boost_round"] == 50
    assert record.metrics["test-l2"].count == len(told["test"]["l2"])
    assert record.metrics["best_iteration"].last == booster.best_iteration
    split = booster.feature_importance("split").tolist()
    assert artifact(record, "feature_importance_split.json") == dict(zip(booster.feature_name(), split, strict=True))
    assert packages.load(record.folder / record.models[0].path).package.format == "lightgbm"


def test_a_lightgbm_estimator_is_one_run_with_rounds_and_scores_and_stays_the_same(runs: Runs) -> None:
    def train() -> Any:
        model = lightgbm.LGBMClassifier(n_estimators=3, verbose=-1, subsample=0.5, subsample_freq=1)
        return model.fit(X, Y, eval_X=X, eval_y=Y)

    without = train()
    mlgitops.autolog(full=True)
    with_it = train()
    assert pickle.dumps(with_it) == pickle.dumps(without)
    (record,) = runs().values()
    assert (record.name, record.params["subsample"]) == ("LGBMClassifier", 0.5)
    assert record.metrics["valid_0-multi_logloss"].count == 3
    assert record.metrics["training_accuracy_score"].last > 0.8
    assert record.models[0].format == "lightgbm"


@pytest.mark.parametrize("pooled", [False, True], ids=["arrays", "pool"])
def test_a_catboost_model_is_one_run_with_rounds_and_what_it_decided(pooled: bool, runs: Runs) -> None:
    def train() -> Any:
        model = catboost.CatBoostClassifier(iterations=5, **QUIET)
        data = (catboost.Pool(X, Y),) if pooled else (X, Y)
        return model.fit(*data, eval_set=(X[::3], Y[::3]))

    without = train()
    mlgitops.autolog(full=True)
    with_it = train()
    assert with_it.get_leaf_values().tobytes() == without.get_leaf_values().tobytes()
    assert with_it.evals_result_ == without.evals_result_
    assert with_it.get_params() == without.get_params()
    (record,) = runs().values()
    assert record.params["iterations"] == 5
    assert record.params["depth"] == 6  # a default
    losses = without.evals_result_["validation"]["MultiClass"]
    assert record.metrics["validation-MultiClass"].count == 5
    assert record.metrics["validation-MultiClass"].last == losses[-1]
    assert record.metrics["training_accuracy_score"].last > 0.8
    assert set(artifact(record, "feature_importance.json")) == set(without.feature_names_)
    assert record.models[0].format == "catboost"


def test_catboost_train_is_a_run_too(runs: Runs) -> None:
    mlgitops.autolog("catboost", log_models=False, full=True)
    catboost.train(catboost.Pool(X, Y), {**QUIET, "loss_function": "MultiClass"}, iterations=2)
    (record,) = runs().values()
    assert record.metrics["learn-MultiClass"].count == 2
