"""Fits of objects with scikit-learn's methods, whoever made them.

Parameters with their defaults, the estimator's class, digests of the training data, scores
on the training data and the model: what is the same for scikit-learn, XGBoost, LightGBM
and CatBoost.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlgitops.tracking.autolog import data, later, models, plots, scores
from mlgitops.tracking.autolog.fits import LIFT, Call, Fit, Observer

PREFIX = "training_"
_DIRECT = {"ClassifierMixin": "accuracy_score", "RegressorMixin": "r2_score"}  # whose score is known already


class EstimatorFit(Observer):
    """One ``fit`` of an estimator."""

    def run_name(self, call: Call) -> str:
        """Return the estimator's class name."""
        return type(call.args[0]).__name__

    def before(self, fit: Fit) -> None:
        """Log parameters, class and data."""
        estimator = fit.call.args[0]
        self.arguments = fit.call.arguments()
        fit.name_estimator(estimator)
        fit.run.log_params(self.params(estimator))
        self.rows, self.truth = self.training_data()
        self.log_data = data.Pending(fit, {"y": self.truth, "X": self.rows})

    def params(self, estimator: Any) -> Mapping[str, Any]:
        """Return what is logged as parameters: all, those of inner estimators too, with defaults."""
        found: Mapping[str, Any] = estimator.get_params(deep=True)
        return found

    def training_data(self) -> tuple[Any, Any]:
        """Return rows and targets as they were passed to ``fit``."""
        return self.arguments.get("X"), self.arguments.get("y", self.arguments.get("Y"))

    def after(self, fit: Fit, result: Any) -> None:
        """Log scores on the training data, the model and, when there was no time before, the data."""
        del result
        later.remember(fit, fit.call.args[0])
        twin = self.log_model(fit, fit.call.args[0])
        self.log_data.after(fit)
        self.log_picture(fit, twin)

    def log_picture(self, fit: Fit, twin: models.Twin) -> None:
        """Log a picture of the estimator, where its framework draws one."""

    def log_model(self, fit: Fit, estimator: Any) -> models.Twin:
        """Log a fitted estimator: itself, and with the time that is left its scores on the training data."""
        twin = models.Twin.of(estimator)
        models.log(fit, twin, data.head(self.rows))
        log_scores(fit, twin.model, self.rows, self.truth, self.arguments.get("sample_weight"))
        return twin


def log_scores(fit: Fit, estimator: Any, rows: Any, truth: Any, weights: Any) -> None:
    """Log how well an estimator fits the data that it was trained on: on all rows, or as many as fit the budget."""
    total = data.count(rows)
    if total is None or not (hasattr(estimator, "predict") or hasattr(estimator, "score")):
        return
    done = fit.budget.grow(
        total,
        lambda number: training_scores(estimator, *(data.take(part, number, total) for part in (rows, truth, weights))),
    )
    if done is None:
        fit.note("training_metrics", f"left out: no time; {LIFT}")
        return
    (found, answers), used = done
    fit.run.log_metrics({f"{PREFIX}{name}": value for name, value in found.items()})
    if used < total and found:
        fit.note("training_metrics", f"of {used} of {total} rows, taken evenly; {LIFT}")
    if answers is not None:
        plots.log(fit, answers, PREFIX)


def training_scores(
    estimator: Any, rows: Any, truth: Any, weights: Any
) -> tuple[dict[str, float], plots.Answers | None]:
    """Return the scores of an estimator on rows whose truth is known, by its kind, and what a classifier answered."""
    kind = _kind(estimator)
    found: dict[str, float] = {}
    answers = None
    if kind == "classifier" and truth is not None and np.ndim(truth) == 1:
        found, answers = _classified(estimator, rows, truth, weights)
    elif kind == "regressor" and truth is not None:
        found = scores.of_regression(truth, estimator.predict(rows), weights)
    return found | _score(estimator, found, rows, truth), answers


def _classified(estimator: Any, rows: Any, truth: Any, weights: Any) -> tuple[dict[str, float], plots.Answers]:
    coded = scores.Coded.of(truth, np.ravel(estimator.predict(rows)))
    found = scores.of_classification(coded, weights)
    is_binary = len(getattr(estimator, "classes_", ())) == 2
    certainty = None
    if hasattr(estimator, "predict_proba"):
        chances = estimator.predict_proba(rows)
        found |= scores.of_probabilities(truth, chances, estimator.classes_, weights)
        certainty = chances[:, 1] if is_binary else None
    elif is_binary and hasattr(estimator, "decision_function"):
        certainty = estimator.decision_function(rows)
    positive = np.asarray(truth) == estimator.classes_[1] if certainty is not None else None
    weights = None if weights is None else np.asarray(weights)
    return found, plots.Answers(coded, weights, positive, certainty)


def _score(estimator: Any, found: Mapping[str, float], rows: Any, truth: Any) -> dict[str, float]:
    """Return what the estimator's own ``score`` says, unless that is a score that is known already."""
    method = getattr(type(estimator), "score", None)
    if method is None or not hasattr(estimator, "score"):
        return {}
    known = _DIRECT.get(getattr(method, "__qualname__", "").partition(".")[0], "")
    if known in found:
        return {"score": found[known]}
    try:
        value = estimator.score(rows) if truth is None else estimator.score(rows, truth)
    except Exception:  # there is none for targets of this kind, such as several classes a row
        return {}
    return {"score": float(value)} if np.ndim(value) == 0 else {}


def _kind(estimator: Any) -> str | None:
    """Return whether it classifies or predicts numbers, as scikit-learn's tags or CatBoost's attribute say."""
    base = sys.modules.get("sklearn.base")
    if base is None:
        kind = getattr(estimator, "_estimator_type", None)
        return kind if isinstance(kind, str) else None
    if base.is_classifier(estimator):
        return "classifier"
    return "regressor" if base.is_regressor(estimator) else None
