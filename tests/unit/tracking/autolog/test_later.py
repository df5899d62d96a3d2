"""Scores on data that came after the fit."""

from __future__ import annotations

import inspect
import json
import pickle
import traceback
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sklearn.metrics
import xgboost
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score, log_loss, make_scorer, roc_auc_score
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import mlgitops
from mlgitops import digest, tracking
from mlgitops.tracking.autolog import budget
from unit.tracking.autolog.conftest import Runs, Script

pytestmark = pytest.mark.slow

X_train, X_test, y_train, y_test = train_test_split(*load_breast_cancer(return_X_y=True), random_state=0)


@pytest.fixture(autouse=True)
def on() -> None:
    mlgitops.autolog(log_models=False, log_datasets=False, full=True)


def later(record: tracking.RunRecord) -> dict[str, float]:
    return {name: found.last for name, found in record.metrics.items() if not name.startswith("training_")}


def only(runs: Runs) -> tracking.RunRecord:
    (record,) = runs().values()
    return record


def test_a_score_and_metrics_of_predictions_are_logged_to_the_run_of_the_fit_that_has_ended(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    before = only(runs)
    score = model.score(X_test, y_test)
    predicted = model.predict(X_test)
    accuracy_score(y_test, y_pred=predicted)
    chances = model.predict_proba(X_test)
    loss, area = log_loss(y_test, chances), roc_auc_score(y_test, chances[:, 1])
    record = only(runs)
    assert later(record) == {
        "GaussianNB_score_X_test": score,
        "accuracy_score_X_test": score,
        "log_loss_X_test": loss,
        "roc_auc_score_X_test": area,
    }
    assert (record.id, record.status, record.finished_at) == (before.id, "finished", before.finished_at)
    assert record.problems == ()
    sealed = digest.Manifest.from_bytes((record.folder / digest.MANIFEST).read_bytes())
    assert all(digest.of_file(record.folder / entry.path) == entry.digest for entry in sealed.files)


def test_in_an_active_run_they_are_logged_there_at_once(runs: Runs) -> None:
    with mlgitops.start_run("mine"):
        model = make_pipeline(StandardScaler(), LogisticRegression()).fit(X_train, y_train)
        score = model.score(X_test, y_test)
        assert later(only(runs)) == {"Pipeline_score_X_test": score}


def test_the_same_call_again_is_the_next_point_and_another_call_has_a_name_of_its_own(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    predicted = model.predict(X_test)
    for average in ("macro", "micro", "macro"):
        f1_score(y_test, predicted, average=average)
    record = only(runs)
    assert {name: record.metrics[name].count for name in later(record)} == {
        "f1_score_X_test": 2,
        "f1_score-2_X_test": 1,
    }
    assert json.loads((record.folder / "artifacts" / "metric_info.json").read_text()) == {
        "f1_score_X_test": "f1_score(average='macro')",
        "f1_score-2_X_test": "f1_score(average='micro')",
    }


def test_what_a_framework_scores_and_what_nobody_logged_is_none(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    cross_val_score(model, X_test, y_test)
    cross_val_score(model, X_test, y_test, scoring=lambda model, rows, y: accuracy_score(y, model.predict(rows)))
    cross_val_predict(model, X_test, y_test)
    make_scorer(accuracy_score)(model, X_test, y_test)
    predicted = model.predict(X_test)
    accuracy_score(y_test, predicted == 1)  # no prediction of the model any more
    accuracy_score(y_test, y_test)
    predicted[:5] = 1 - predicted[:5]  # and neither is this
    accuracy_score(y_test, predicted)
    copied = pickle.loads(pickle.dumps(model))
    copied.score(X_test, y_test)
    mlgitops.autolog(disable=True)
    other = clone(model).fit(X_train, y_train)
    other.score(X_test, y_test)
    model.score(X_test, y_test)
    assert later(only(runs)) == {}


def test_a_search_is_scored_and_so_is_its_best_estimator(runs: Runs) -> None:
    search = GridSearchCV(LogisticRegression(max_iter=5000), {"C": [0.1, 1.0]}, cv=2).fit(X_train[:, :4], y_train)
    seen = X_test[:, :4]
    score = search.score(seen, y_test)
    search.best_estimator_.score(seen, y_test)
    found = later(runs()["GridSearchCV"])
    assert found["GridSearchCV_score_seen"] == found["LogisticRegression_score_seen"] == score


def test_the_models_of_others_are_scored_too(runs: Runs) -> None:
    model = xgboost.XGBClassifier(n_estimators=2).fit(X_train, y_train)
    score = model.score(X_test, y_test)
    assert accuracy_score(y_test, model.predict(X_test)) == score
    assert later(only(runs)) == {"XGBClassifier_score_X_test": score, "accuracy_score_X_test": score}


def test_data_is_named_as_the_user_names_it_however_far_it_was_passed_on(runs: Runs) -> None:
    def evaluate(model: Any, rows: Any, y: Any) -> float:
        return float(model.score(rows, y))

    class Evaluation:
        inner = X_test

        def of(self, model: Any, *, data: Any) -> float:
            return evaluate(
                model,
                data,
                y=y_test,
            )

    model = GaussianNB().fit(X_train, y_train)
    unseen = X_test[::2]
    evaluate(model, unseen, y_test[::2])
    evaluate(model, y=y_train, rows=X_train)
    Evaluation().of(model, data=X_test)
    [model.score(held_out, y_test) for held_out in [X_test]]
    model.score(Evaluation.inner, y=y_test)
    model.score(X_test[:50], y_test[:50])
    assert set(later(only(runs))) == {
        f"GaussianNB_score_{name}" for name in ("unseen", "X_train", "X_test", "held_out", "inner", "unknown_dataset")
    }


def test_a_notebook_without_files_knows_its_names_too(runs: Runs) -> None:
    names: dict[str, Any] = {"model": GaussianNB().fit(X_train, y_train), "fresh": X_test.copy(), "y": y_test}
    exec("model.score(fresh, y)\ndef f(X): return model.score(X, y)\nf(fresh)", names)
    assert set(later(only(runs))) == {"GaussianNB_score_fresh", "GaussianNB_score_unknown_dataset"}


def test_metrics_stay_the_objects_that_they_are_with_their_signatures_pickles_errors_and_warnings() -> None:
    def look() -> Any:
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            f1_score([0, 0], [0, 0])
        with pytest.raises(ValueError, match="inconsistent numbers") as raised:
            accuracy_score([0, 1], [0])
        frames = traceback.extract_tb(raised.value.__traceback__)
        return (
            pickle.dumps([accuracy_score, make_scorer(f1_score), LogisticRegression.score, GaussianNB().predict]),
            str(inspect.signature(f1_score)),
            str(inspect.signature(LogisticRegression.score)),
            inspect.getsource(f1_score),
            vars(f1_score).keys(),
            [(str(one.message), one.category, one.filename, one.lineno) for one in warned],
            [(one.filename, one.lineno) for one in frames if "importlib._bootstrap" not in one.filename],
        )

    with_it = look()
    assert sklearn.metrics.f1_score is f1_score
    assert with_it[5][0][1] is UndefinedMetricWarning
    assert inspect.getclosurevars(f1_score).nonlocals["func"] is not inspect.unwrap(f1_score)
    mlgitops.autolog(disable=True)
    assert look() == with_it
    assert inspect.getclosurevars(f1_score).nonlocals["func"] is inspect.unwrap(f1_score)


def test_a_prediction_and_its_model_can_be_used_as_without_it(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    predicted = model.predict(X_test)
    predicted.resize(10)  # numpy refuses when anything refers to the array
    accuracy_score(y_test[:10], predicted)
    known = locals()
    fresh = model.score(X_test, y_test)
    assert (
        "fresh" not in known
    )  # looking at a function's variables would have brought what ``locals()`` gave up to date
    assert fresh > 0.8
    assert set(later(only(runs))) == {"GaussianNB_score_X_test"}


def test_scores_stop_when_they_have_had_their_time_and_say_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    mlgitops.autolog(log_models=False, log_datasets=False)
    model = GaussianNB().fit(X_train, y_train)
    monkeypatch.setattr(budget, "LEAST", 0.0)
    monkeypatch.setattr(budget, "SHARE", 0.0)
    model.fit(X_train, y_train)
    for _ in range(3):
        model.score(X_test, y_test)
    record = tracking.list_runs(only_root(runs))[0]
    assert record.metrics["GaussianNB_score_X_test"].count == 1
    assert record.tags["autolog.scores"].startswith("those after GaussianNB_score_X_test are left out")


def only_root(runs: Runs) -> Path:
    return next(iter(runs().values())).folder.parent.parent


def test_scores_of_many_threads_are_all_in_the_record(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(lambda _: model.score(X_test, y_test), range(12)))
    assert only(runs).metrics["GaussianNB_score_X_test"].count == len(scores)


def test_a_record_that_was_removed_is_not_made_again(runs: Runs) -> None:
    model = GaussianNB().fit(X_train, y_train)
    folder = only(runs).folder
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    model.score(X_test, y_test)
    assert not folder.exists()


def test_a_thousand_scored_models_leave_no_file_open(runs: Runs) -> None:
    def opened() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    model = GaussianNB().fit(X_train, y_train)
    before = opened()
    for _ in range(5):
        model.score(X_test, y_test)
        assert opened() == before
    assert len(list(only(runs).folder.glob("w-*.jsonl"))) == 2


def test_a_score_reaches_the_store_where_the_run_was_pushed_to(script: Script, tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir()
    source = (
        "import mlgitops, numpy as np\n"
        "from sklearn.linear_model import LinearRegression\n"
        "mlgitops.autolog(log_models=False)\n"
        "X = np.arange(20.0).reshape(10, 2); y = X[:, 0]\n"
        "for name in 'ab':\n"
        "    with mlgitops.start_run(name): model = LinearRegression().fit(X, y)\n"
        "    model.score(X, y)\n"
    )
    process = script(source, MLGITOPS_STORE_URL=f"file://{store}")
    _, told = process.communicate(timeout=120)
    assert (process.returncode, told.count("pushed to")) == (0, 4), told
    pushed = [json.loads(current.read_text()) for current in store.glob("runs/*/current.json")]
    assert [found["run"]["metrics"]["LinearRegression_score_X"]["count"] for found in pushed] == [1, 1]
