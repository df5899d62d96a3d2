"""Pictures of what a fit found, and the numbers that they are of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import xgboost
from sklearn import metrics
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC

import mlgitops
from mlgitops import tracking
from mlgitops.tracking.autolog import budget, charts
from unit.tracking.autolog.conftest import Runs

pytestmark = pytest.mark.slow

X, Y = load_breast_cancer(return_X_y=True)
OF_TWO_CLASSES = ("training_confusion_matrix", "training_roc_curve", "training_precision_recall_curve")
SVG = "{http://www.w3.org/2000/svg}"


def only(runs: Runs) -> tracking.RunRecord:
    (record,) = runs().values()
    return record


def artifacts(record: tracking.RunRecord) -> Path:
    return record.folder / "artifacts"


def numbers(record: tracking.RunRecord, name: str) -> Any:
    return json.loads((artifacts(record) / f"{name}.json").read_text())


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("estimator", [GaussianNB(), LinearSVC(random_state=0)], ids=["chances", "distances"])
def test_a_classifier_of_two_classes_has_confusions_and_both_curves(estimator: Any, runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    model = estimator.fit(X, Y)
    record = only(runs)
    assert {path.name for path in artifacts(record).iterdir()} == {
        *(f"{name}.{ending}" for name in OF_TWO_CLASSES for ending in ("json", "svg")),
        "estimator.html",
    }
    found = numbers(record, "training_confusion_matrix")
    assert found == {"labels": ["0", "1"], "counts": metrics.confusion_matrix(Y, model.predict(X)).tolist()}
    certainty = model.predict_proba(X)[:, 1] if hasattr(model, "predict_proba") else model.decision_function(X)
    curve = numbers(record, "training_roc_curve")
    area = np.trapezoid(curve["true positive rate"], curve["false positive rate"])
    assert area == pytest.approx(metrics.roc_auc_score(Y, certainty), abs=0.01)
    assert 2 < len(curve["true positive rate"]) <= 200
    assert "recall" in texts((artifacts(record) / "training_precision_recall_curve.svg").read_text())
    assert {media.kind for media in record.media} == {"figure", "dict", "html"}


def test_of_several_classes_there_are_confusions_only_and_of_numbers_nothing(runs: Runs) -> None:
    mlgitops.autolog("sklearn", log_models=False, full=True)
    LogisticRegression(max_iter=1000).fit(*load_iris(return_X_y=True))
    LinearRegression().fit(X, Y)
    assert {path.stem for path in artifacts(runs()["LogisticRegression"]).iterdir()} == {OF_TWO_CLASSES[0], "estimator"}
    assert {path.stem for path in artifacts(runs()["LinearRegression"]).iterdir()} == {"estimator"}


def test_names_of_classes_and_features_stay_text_in_a_picture(runs: Runs) -> None:
    mlgitops.autolog(log_models=False, full=True)
    hostile = '<script>alert("1")</script>&\x00\x1b[31m'
    GaussianNB().fit(X, np.where(Y > 0, hostile, "good"))
    svg = (artifacts(only(runs)) / "training_confusion_matrix.svg").read_text()
    assert "<script" not in svg
    assert "<scrip…" in texts(svg)
    assert texts(charts.bars("importance", {hostile: 1.0}).svg)[1].startswith("<script>")


def test_the_importance_of_features_is_a_picture_too_the_largest_first(runs: Runs) -> None:
    mlgitops.autolog(log_models=False, full=True)
    model = xgboost.XGBClassifier(n_estimators=3).fit(X, Y)
    record = only(runs)
    weights = model.get_booster().get_score(importance_type="weight")
    assert numbers(record, "feature_importance_weight") == weights
    names = [
        text for text in texts((artifacts(record) / "feature_importance_weight.svg").read_text()) if text in weights
    ]
    assert [weights[name] for name in names] == sorted(weights.values(), reverse=True)[: len(names)]


def test_without_time_there_are_no_pictures_and_the_record_says_so(runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(GaussianNB):
        def predict_proba(self, X: Any) -> Any:  # noqa: N803 - as scikit-learn calls it
            monkeypatch.setattr(budget.Budget, "left", -1.0)
            return super().predict_proba(X)

    mlgitops.autolog("sklearn", log_models=False, log_datasets=False)
    Slow().fit(X[:10], Y[:10])
    assert not artifacts(only(runs)).exists()
    assert only(runs).tags["autolog.plots"].startswith("left out: no time")


@pytest.mark.parametrize("values", [{}, {"a": 0.0}, {"a": -1.0, "b": float("nan")}])
def test_a_picture_of_nothing_is_one_all_the_same(values: dict[str, float]) -> None:
    assert texts(charts.bars("importance", values).svg)[0] == "importance"
