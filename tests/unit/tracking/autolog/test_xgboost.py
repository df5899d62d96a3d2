from __future__ import annotations

import json

import pytest
import xgboost
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import mlgitops
from mlgitops import packages
from unit.tracking.autolog.conftest import Runs

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)


def test_train_logs_parameters_each_round_importance_and_the_booster(runs: Runs) -> None:
    mlgitops.autolog("xgboost", full=True)
    data = xgboost.DMatrix(X, Y)
    found: dict[str, dict[str, list[float]]] = {}
    booster = xgboost.train(
        {"max_depth": 2, "eta": 0.5}, data, 7, evals=[(data, "train")], evals_result=found, verbose_eval=False
    )
    record = runs()["xgboost"]
    assert {"max_depth": 2, "eta": 0.5, "num_boost_round": 7}.items() <= record.params.items()
    rmse = record.metrics["train-rmse"]
    assert (rmse.count, rmse.step, rmse.last) == (7, 6, found["train"]["rmse"][-1])
    weights = json.loads((record.folder / "artifacts" / "feature_importance_weight.json").read_text())
    assert weights == booster.get_score(importance_type="weight")
    (logged,) = record.models
    assert packages.load(record.folder / logged.path).native.save_raw("ubj") == booster.save_raw("ubj")


def test_an_estimator_is_one_run_with_its_rounds_and_scores(runs: Runs) -> None:
    mlgitops.autolog(full=True)
    model = xgboost.XGBClassifier(n_estimators=4)
    model.fit(X, Y, eval_set=[(X, Y)], verbose=False)
    (record,) = runs().values()
    assert record.name == "XGBClassifier"
    assert record.params["n_estimators"] == 4
    assert record.metrics["validation_0-mlogloss"].count == 4
    assert record.metrics["training_accuracy_score"].last > 0.9
    assert (record.folder / "artifacts" / "feature_importance_weight.json").exists()
    assert record.models[0].format == "xgboost"


def test_inside_of_a_search_nothing_of_a_candidate_is_logged(runs: Runs) -> None:
    mlgitops.autolog(log_models=False, max_child_runs=0, full=True)
    GridSearchCV(xgboost.XGBClassifier(n_estimators=2), {"max_depth": [1, 2]}, cv=2).fit(X, Y)
    (record,) = runs().values()
    assert record.name == "GridSearchCV"
    assert "num_boost_round" not in record.params
