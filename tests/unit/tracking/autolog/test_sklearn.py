from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from joblib import parallel_config
from scipy import sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_diabetes, load_iris
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import estimator_html_repr

import mlgitops
from mlgitops import packages, tracking
from mlgitops.tracking.autolog import budget
from mlgitops.tracking.datasets import of_value
from unit.tracking.autolog.conftest import Runs

pytestmark = pytest.mark.slow

X, Y = load_iris(return_X_y=True)


def only(runs: Runs) -> tracking.RunRecord:
    (record,) = runs().values()
    return record


def test_a_classifier_is_a_run_with_parameters_scores_data_and_a_model_that_answers(runs: Runs) -> None:
    mlgitops.autolog("sklearn", full=True)
    model = LogisticRegression(C=0.5, max_iter=1000).fit(X, Y)
    record = only(runs)
    assert (record.name, record.status) == ("LogisticRegression", "finished")
    assert record.params == {**model.get_params(), "penalty": record.params["penalty"]}
    assert record.tags["estimator_name"] == "LogisticRegression"
    assert record.tags["estimator_class"] == "sklearn.linear_model._logistic.LogisticRegression"
    last = {name: summary.last for name, summary in record.metrics.items()}
    assert last["training_accuracy_score"] == last["training_score"] == accuracy_score(Y, model.predict(X))
    assert last["training_log_loss"] == pytest.approx(log_loss(Y, model.predict_proba(X)))
    assert set(last) == {
        f"training_{name}"
        for name in (
            "accuracy_score", "precision_score", "recall_score", "f1_score", "log_loss", "roc_auc", "score",
        )
    }  # fmt: skip
    (dataset,) = record.datasets
    assert (dataset.name, dataset.context, dataset.rows) == ("training", "training", 150)
    assert dataset.digest == of_value({"X": X, "y": Y})
    (logged,) = record.models
    package = packages.load(record.folder / logged.path, digest=logged.digest)
    np.testing.assert_array_equal(package.infer({"input": X})["predict"], model.predict(X))


def test_a_picture_of_the_estimator_is_kept_and_the_users_own_are_numbered_as_without_it(runs: Runs) -> None:
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=0.25, max_iter=1000))
    before = estimator_html_repr(pipeline)
    mlgitops.autolog("sklearn", log_models=False, full=True)
    pipeline.fit(X, Y)
    GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]}, cv=2).fit(X, Y)
    after = estimator_html_repr(pipeline)
    pictures = {name: (found.folder / "artifacts" / "estimator.html") for name, found in runs().items()}
    kept = pictures["Pipeline"].read_text()
    assert "StandardScaler" in kept and "0.25" in kept
    assert "GridSearchCV" in pictures["GridSearchCV"].read_text()
    assert [media.kind for media in runs()["Pipeline"].media if media.name == "estimator.html"] == ["html"]

    def number(html: str) -> int:
        return int(html.partition('id="sk-container-id-')[2].partition('"')[0])

    assert number(after) == number(before) + 1


def test_the_picture_of_a_large_forest_computes_nothing(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    mlgitops.autolog("sklearn", log_models=False)
    monkeypatch.setattr(budget, "LEAST", 60.0)  # a busy machine leaves time for scores and the picture
    RandomForestClassifier(300).fit(X, Y)
    record = only(runs)
    picture = (record.folder / "artifacts" / "estimator.html").read_text()
    assert "n_estimators" in picture and "feature_importances_" not in picture
    assert record.tags["autolog.diagram"].startswith("without what was fitted")
    mlgitops.autolog("sklearn", log_models=False, full=True)
    KMeans(2, random_state=0).fit(X)
    picture = (runs()["KMeans"].folder / "artifacts" / "estimator.html").read_text()
    assert "cluster_centers_" in picture


def test_a_regressor_has_the_errors_that_mlflow_names(runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    LinearRegression().fit(*load_diabetes(return_X_y=True, as_frame=True))
    record = only(runs)
    names = ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score", "score")
    assert set(record.metrics) == {f"training_{name}" for name in names}
    assert record.models == ()


def test_a_fit_logs_into_the_active_run_and_leaves_it_open(runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    with mlgitops.start_run("mine") as run:
        KMeans(2, random_state=0).fit_predict(X)
        assert run.status == "running"
        mlgitops.log_metric("after", 1.0)
    record = only(runs)
    assert (record.name, record.params["n_clusters"]) == ("mine", 2)
    assert {"training_score", "after"} <= set(record.metrics)


@pytest.mark.parametrize("backend", ["sequential", "threading", "loky"])
def test_only_the_outermost_fit_is_a_run(backend: str, runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    inner = [("tree", DecisionTreeClassifier()), ("forest", RandomForestClassifier(2))]
    with parallel_config(backend):
        VotingClassifier(inner, n_jobs=2).fit(X, Y)
        cross_val_score(LogisticRegression(max_iter=500), X, Y, cv=3, n_jobs=2)
    assert only(runs).name == "VotingClassifier"


def test_a_pipeline_is_one_run_and_preparing_data_is_none(runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    StandardScaler().fit_transform(X)
    make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    record = only(runs)
    assert record.name == "Pipeline"
    assert record.params["logisticregression__C"] == 1.0


def test_threads_of_the_users_have_runs_of_their_own(root: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    mlgitops.autolog("sklearn", log_models=False, full=True)
    counts = [3, 4, 5, 6]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda count: RandomForestClassifier(count).fit(X, Y), counts))
    records = tracking.list_runs(root)
    assert sorted(record.params["n_estimators"] for record in records) == counts
    assert all(record.metrics["training_score"].count == 1 for record in records)


def test_a_search_tells_the_best_parameters_and_the_table_of_candidates(runs: Runs) -> None:
    mlgitops.autolog("sklearn", full=True)
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [0.1, 1.0, 10.0]}, cv=3).fit(X, Y)
    record = runs()["GridSearchCV"]
    best = runs()[f"candidate-{search.best_index_}"]
    assert (best.parent, best.params) == (record.id, search.best_params_)
    assert best.metrics["mean_test_score"].last == search.best_score_
    assert record.params["best_C"] == search.best_params_["C"]
    assert "estimator__C" not in record.params
    assert record.metrics["best_cv_score"].last == search.best_score_
    with (record.folder / "artifacts" / "cv_results.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [row["param_C"] for row in table] == ["0.1", "1.0", "10.0"]
    (logged,) = record.models
    model = packages.load(record.folder / logged.path).native
    assert type(model) is LogisticRegression


@pytest.mark.parametrize("rows", [sparse.coo_matrix(X), X.tolist()], ids=["sparse", "list"])
def test_rows_of_other_kinds_are_scored_and_digested_too(rows: Any, runs: Runs) -> None:
    mlgitops.autolog("sklearn", full=True)
    LogisticRegression(max_iter=1000).fit(rows, Y)
    record = only(runs)
    assert record.metrics["training_accuracy_score"].last > 0.9
    assert record.datasets[0].rows == 150
    assert len(record.models) == 1


class Slow(LinearRegression):
    """Needs a tenth of a millisecond for each row that it answers, by a clock of its own."""

    asked: ClassVar[list[int]] = []
    clock: ClassVar[float] = 0.0

    def predict(self, X: Any) -> Any:  # noqa: N803 - as scikit-learn calls it
        Slow.asked.append(len(X))
        Slow.clock += len(X) / 10_000
        return super().predict(X)


def test_scores_are_of_as_many_rows_as_fit_the_time_and_say_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.RandomState(0).normal(size=(200_000, 2))
    with monkeypatch.context() as patched:
        patched.setattr(budget, "time", SimpleNamespace(perf_counter=lambda: Slow.clock))
        mlgitops.autolog("sklearn", log_models=False, log_datasets=False)
        Slow().fit(rows, rows[:, 0])
    assert Slow.asked == [16, 128, 1024]  # the next would be 8192 rows and 0.8 of the 0.2 seconds
    tag = only(runs).tags["autolog.training_metrics"]
    assert tag.startswith("of 1024 of 200000 rows, taken evenly")
    Slow.asked.clear()
    mlgitops.autolog("sklearn", log_models=False, full=True)
    Slow().fit(rows[:5000], rows[:5000, 0])
    assert Slow.asked == [5000]


def test_a_run_that_records_nothing_costs_nothing_either(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    mlgitops.autolog("sklearn", full=True)
    with mlgitops.start_run(mode="disabled"):
        LogisticRegression(max_iter=1000).fit(X, Y)
    monkeypatch.setenv("MLGITOPS_DISABLED", "1")
    LogisticRegression(max_iter=1000).fit(X, Y)
    assert runs() == {}
    assert mlgitops.active_run() is None


def test_a_model_that_cannot_be_saved_safely_is_left_out_with_the_reason(runs: Runs) -> None:
    mlgitops.autolog("sklearn", full=True)

    class Local(LogisticRegression):
        pass

    Local(max_iter=1000).fit(X, Y)
    record = only(runs)
    assert record.models == ()
    assert "left out: " in record.tags["autolog.model"]
    assert "Local" in record.tags["autolog.model"]
