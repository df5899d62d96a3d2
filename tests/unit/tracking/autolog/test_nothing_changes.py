"""The user's code is trained with and without autologging and compared, bit for bit."""

from __future__ import annotations

import inspect
import pickle
import random
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.ensemble import AdaBoostClassifier, RandomForestClassifier, VotingClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

import mlgitops
from mlgitops import tracking
from mlgitops.tracking.autolog import fits
from unit.packages import all_estimators

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)

ESTIMATORS = [
    LogisticRegression(max_iter=1000),
    RandomForestClassifier(5),
    KNeighborsClassifier(),
    SVC(),
    AdaBoostClassifier(n_estimators=3),
    VotingClassifier([("a", SGDClassifier()), ("b", KNeighborsClassifier())]),
    make_pipeline(StandardScaler(), RandomForestClassifier(3)),
    xgboost.XGBClassifier(n_estimators=4, subsample=0.5),
    xgboost.XGBRFRegressor(n_estimators=3),
]


def state_of(estimator: Any) -> bytes:
    """Return everything that an estimator holds, but how long things took."""
    content = dict(vars(estimator))
    if "cv_results_" in content:
        content["cv_results_"] = {key: value for key, value in content["cv_results_"].items() if "_time" not in key}
    content.pop("refit_time_", None)
    return pickle.dumps(content)


def both(train: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what a training gives without and with autologging, from the same random numbers."""
    found = []
    for on in (False, True):
        if on:
            mlgitops.autolog(full=True)
        np.random.seed(7)
        random.seed(7)
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            answer = train()
        told = [(str(one.message), one.category, one.filename, one.lineno) for one in warned]
        found.append((answer, told, np.random.random(), random.random()))
    return found[0], found[1]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_an_estimator_is_the_same_to_the_last_bit(estimator: Any, root: Path) -> None:
    def train() -> tuple[bytes, ...]:
        model = clone(estimator)
        fitted = model.fit(X, Y)
        assert fitted is model
        return (
            state_of(model),
            pickle.dumps(clone(model)),
            str(inspect.signature(model.fit)).encode(),
            repr(sorted(model.get_params())).encode(),
            model.predict(X).tobytes(),
            pickle.dumps([model.score(X, Y), accuracy_score(Y, np.round(model.predict(X))), model]),
        )

    without, with_it = both(train)
    assert with_it == without
    assert [record.status for record in tracking.list_runs(root)] == ["finished"]


@pytest.mark.timeout(900)  # twice 300 fits
def test_every_public_estimator_of_scikit_learn_is_the_same_to_the_last_bit() -> None:
    def train() -> dict[str, list[bytes]]:
        return {name: [state_of(one) for one in made] for name, made in all_estimators.fitted()}

    without = train()
    with mlgitops.start_run():
        mlgitops.autolog(log_models=False, full=True)
        with_it = train()
    assert [name for name in without if with_it[name] != without[name]] == []
    assert len(without) > 150


def test_a_booster_is_the_same_and_so_is_what_the_user_asked_to_be_told() -> None:
    def train() -> Any:
        evaluations: dict[str, Any] = {}
        data = xgboost.DMatrix(X, Y)
        booster = xgboost.train(
            {"max_depth": 2, "subsample": 0.5},
            data,
            50,
            evals=[(data, "train")],
            evals_result=evaluations,
            early_stopping_rounds=2,
            verbose_eval=False,
        )
        return bytes(booster.save_raw("ubj")), evaluations, booster.attributes()

    without, with_it = both(train)
    assert with_it == without


def test_an_early_stop_is_at_the_same_round_and_the_last_round_is_logged(root: Path) -> None:
    def train() -> Any:
        model = xgboost.XGBRegressor(n_estimators=300, learning_rate=1.0, early_stopping_rounds=3)
        model.fit(X[::2], Y[::2], eval_set=[(X[1::2], Y[1::2])], verbose=False)
        return model.best_iteration, model.get_params(), model.evals_result()

    without, with_it = both(train)
    assert with_it == without
    (record,) = tracking.list_runs(root)
    assert record.metrics["best_iteration"].last == with_it[0][0]
    assert record.metrics["validation_0-rmse"].count == len(with_it[0][2]["validation_0"]["rmse"])


def test_a_search_and_a_cross_validation_find_the_same() -> None:
    def train() -> Any:
        search = GridSearchCV(RandomForestClassifier(3), {"max_depth": [1, 2]}, cv=3).fit(X, Y)
        return state_of(search), cross_val_score(SGDClassifier(), X, Y, cv=3).tobytes()

    without, with_it = both(train)
    assert with_it == without


def test_a_warning_is_told_as_often_and_of_the_same_line() -> None:
    without, with_it = both(lambda: LogisticRegression(max_iter=2).fit(X, Y).coef_.tobytes())
    assert with_it == without
    assert [category for _, category, _, _ in with_it[1]] == [ConvergenceWarning]


def test_a_warning_of_the_callers_line_names_that_line() -> None:
    def warns(self: object) -> None:
        warnings.warn("look here", UserWarning, stacklevel=2)

    from mlgitops.tracking.autolog.patches import Patches

    class Owner:
        fit = warns

    patches = Patches("a test")
    patches.method(Owner, "fit", fits.Observer)
    fits.enable("a test", fits.Options())
    try:
        with pytest.warns(UserWarning, match="look here") as told:
            Owner().fit()
    finally:
        patches.undo()
        fits.disable("a test")
    assert told[0].filename == __file__


def test_an_error_is_the_same_and_the_run_says_that_it_failed(root: Path) -> None:
    def train() -> Any:
        with pytest.raises(ValueError, match="inconsistent numbers") as raised:
            LogisticRegression().fit(X, Y[:10])
        frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(raised.value.__traceback__)]
        ours = [frame for frame in frames if "importlib._bootstrap" in frame[0]]
        return str(raised.value), raised.value.__cause__, raised.value.__context__, [f for f in frames if f not in ours]

    without, with_it = both(train)
    assert with_it == without
    (record,) = tracking.list_runs(root)
    assert record.status == "failed"


def test_what_goes_wrong_in_autologging_stays_there(
    root: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Strange(LogisticRegression):
        def get_params(self, deep: bool = True) -> Any:
            if deep:
                raise RuntimeError("no parameters today")
            return super().get_params(deep)

    monkeypatch.delenv("MLGITOPS_STRICT")
    mlgitops.autolog(full=True)
    model = Strange(max_iter=1000).fit(X, Y)
    assert model.score(X, Y) > 0.9
    assert "training goes on" in capfd.readouterr().err
    (record,) = tracking.list_runs(root)
    assert record.status == "finished"
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    with pytest.raises(RuntimeError, match="no parameters today"):
        Strange(max_iter=1000).fit(X, Y)
