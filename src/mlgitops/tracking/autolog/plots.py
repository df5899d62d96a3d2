"""What a classifier got wrong on its training data, as numbers and pictures: confusions, ROC, precision and recall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlgitops.tracking.autolog import charts, scores
from mlgitops.tracking.autolog.fits import LIFT, Fit

_SECONDS = 0.02  # that the pictures of many rows and classes take; those of few take a tenth
_MOST_CLASSES = 50
_MOST_ROWS = 100_000  # that a curve is of
_MOST_POINTS = 200  # of a curve; more are not seen


@dataclass(frozen=True, slots=True)
class Answers:
    """What a classifier said of rows whose truth is known."""

    coded: scores.Coded
    weights: Any
    positive: Any = None  # which rows are of the second of two classes; None when there are not two
    certainty: Any = None  # that they are


def log(fit: Fit, answers: Answers, prefix: str) -> None:
    """Log the pictures, and the numbers that they are of, within the budget."""
    if fit.budget.left < _SECONDS:
        fit.note("plots", f"left out: no time; {LIFT}")
        return
    if len(answers.coded.classes) <= _MOST_CLASSES:
        _log_confusions(fit, answers, f"{prefix}confusion_matrix")
    if answers.certainty is None:
        return
    every = -(-len(answers.positive) // _MOST_ROWS)
    positive, certainty = answers.positive[::every], answers.certainty[::every]
    if not 0 < np.count_nonzero(positive) < len(positive):
        return  # rows of one class have no rates
    steps = scores.steps(positive, certainty, None if answers.weights is None else answers.weights[::every])
    fpr, tpr = scores.roc(*steps)
    _log_curve(fit, f"{prefix}roc_curve", "ROC curve", {"false positive rate": fpr, "true positive rate": tpr})
    recall, precision = scores.precision_recall(*steps)
    name, title = f"{prefix}precision_recall_curve", "Precision-recall curve"
    _log_curve(fit, name, title, {"recall": recall, "precision": precision})


def log_importances(fit: Fit, found: Mapping[str, float], name: str) -> None:
    """Log how much each feature mattered."""
    fit.run.log_dict(found, f"{name}.json")
    if found and fit.budget.left > _SECONDS:
        fit.run.log_figure(charts.bars(name.replace("_", " "), found), f"{name}.svg")


def _log_confusions(fit: Fit, answers: Answers, name: str) -> None:
    labels = [str(label) for label in answers.coded.classes.tolist()]
    counts = scores.confusions(answers.coded, answers.weights).tolist()
    fit.run.log_dict({"labels": labels, "counts": counts}, f"{name}.json")
    fit.run.log_figure(charts.matrix("Normalized confusion matrix", labels, counts), f"{name}.svg")


def _log_curve(fit: Fit, name: str, title: str, axes: Mapping[str, scores.Floats]) -> None:
    (x_name, x), (y_name, y) = axes.items()
    places = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_POINTS)).astype(np.intp))
    points = [(round(float(x[place]), 6), round(float(y[place]), 6)) for place in places]
    fit.run.log_dict({x_name: [one for one, _ in points], y_name: [one for _, one in points]}, f"{name}.json")
    fit.run.log_figure(charts.curve(title, points, x_name, y_name), f"{name}.svg")
