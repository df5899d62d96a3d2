"""How well predictions fit what is known, under the names that MLflow's autologging gives.

Our own arithmetic, in one pass over a table of confusions, because scikit-learn's costs an
import where the user's framework is another one, warns about what is normal after a fit,
and checks the same rows again for each score. Tests hold it to scikit-learn's answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_MOST_CLASSES = 50  # pairs of classes are compared with each other, so twice the classes cost four times
_LEAST_PROBABILITY = np.finfo(np.float64).eps


def of_regression(truth: Any, predicted: Any, weights: Any = None) -> dict[str, float]:
    """Return squared and absolute errors and R² of numbers, over all outputs alike."""
    known = np.asarray(truth, dtype=np.float64).reshape(len(truth), -1)
    answered = np.asarray(predicted, dtype=np.float64).reshape(known.shape)
    weight = _weights(weights, len(known))
    squared = np.average((known - answered) ** 2, axis=0, weights=weight)
    spread = np.average((known - np.average(known, axis=0, weights=weight)) ** 2, axis=0, weights=weight)
    explained = np.where(spread > 0, 1 - squared / np.where(spread > 0, spread, 1), np.where(squared > 0, 0.0, 1.0))
    return {
        "mean_squared_error": float(squared.mean()),
        "root_mean_squared_error": float(np.sqrt(squared).mean()),
        "mean_absolute_error": float(np.average(np.abs(known - answered), axis=0, weights=weight).mean()),
        "r2_score": float(explained.mean()),
    }


@dataclass(frozen=True, slots=True)
class Coded:
    """True and predicted classes of rows, as places in the sorted classes that are among them."""

    classes: NDArray[Any]
    known: NDArray[np.intp]
    answered: NDArray[np.intp]

    @classmethod
    def of(cls, truth: Any, predicted: Any) -> Coded:
        """Return the classes of rows as numbers."""
        classes, codes = np.unique(np.concatenate([np.asarray(truth), np.asarray(predicted)]), return_inverse=True)
        return cls(classes, codes[: len(truth)], codes[len(truth) :])


def of_classification(coded: Coded, weights: Any = None) -> dict[str, float]:
    """Return accuracy, and precision, recall and F1 of each class averaged by how frequent it is."""
    count, known, answered = len(coded.classes), coded.known, coded.answered
    weight = _weights(weights, len(known))
    same = known == answered
    right, actual, claimed = (
        np.bincount(rows, shares, count).astype(np.float64)
        for rows, shares in ((known[same], weight[same]), (known, weight), (answered, weight))
    )
    precision, recall = _ratio(right, claimed), _ratio(right, actual)
    f1 = _ratio(2 * right, actual + claimed)
    return {
        "accuracy_score": float(right.sum() / actual.sum()),
        "precision_score": float(np.average(precision, weights=actual)),
        "recall_score": float(np.average(recall, weights=actual)),
        "f1_score": float(np.average(f1, weights=actual)),
    }


def confusions(coded: Coded, weights: Any = None) -> Floats:
    """Return how many rows of each class (a row) were taken for which (a column)."""
    count = len(coded.classes)
    found = np.bincount(coded.known * count + coded.answered, _weights(weights, len(coded.known)), count * count)
    return found.reshape(count, count).astype(np.float64)


def of_probabilities(truth: Any, probabilities: Any, classes: Sequence[Any], weights: Any = None) -> dict[str, float]:
    """Return log loss and area under the ROC curve; several classes by pairs, weighted by how frequent they are.

    An area is left out where rows of fewer than two classes, or very many classes, make it mean nothing.
    """
    chances = np.asarray(probabilities, dtype=np.float64)
    known = np.searchsorted(np.asarray(classes), np.asarray(truth))
    weight = _weights(weights, len(known))
    own = np.clip(chances[np.arange(len(known)), known], _LEAST_PROBABILITY, 1 - _LEAST_PROBABILITY)
    found = {"log_loss": float(-np.average(np.log(own), weights=weight))}
    present = np.unique(known)
    if len(classes) == 2 and len(present) == 2:
        found["roc_auc"] = _area(known == 1, chances[:, 1], weight)
    elif 2 < len(classes) <= _MOST_CLASSES and len(present) == len(classes):
        found["roc_auc"] = _area_of_pairs(known, chances, len(classes))
    return found


def _area_of_pairs(known: NDArray[np.intp], chances: Floats, count: int) -> float:
    """Return the mean area of all pairs of classes (Hand and Till, 2001), weighted by their rows."""
    total = weight = 0.0
    for one, other in combinations(range(count), 2):
        rows = (known == one) | (known == other)
        even = np.full(int(rows.sum()), 1.0)
        first = _area(known[rows] == one, chances[rows, one], even)
        second = _area(known[rows] == other, chances[rows, other], even)
        share = float(rows.mean())
        total, weight = total + share * (first + second) / 2, weight + share
    return total / weight


def steps(positive: NDArray[np.bool_], scores: Floats, weights: Any = None) -> tuple[Floats, Floats]:
    """Return how many positive and how many negative rows have each score, the highest score first."""
    up, down = _ascending(positive, scores, _weights(weights, len(positive)))
    return up[::-1], down[::-1]


def roc(up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return false and true positive rates at falling thresholds; see ``steps``."""
    return _shares(down), _shares(up)


def precision_recall(up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Return recall and precision at falling thresholds, from no row on; see ``steps``."""
    right, all_rows = np.cumsum(up), np.cumsum(up + down)
    return _shares(up), np.concatenate([[1.0], _ratio(right, all_rows)])


def _shares(parts: Floats) -> Floats:
    sums = np.cumsum(parts)
    return np.concatenate([[0.0], sums / sums[-1]])


def _area(positive: NDArray[np.bool_], scores: Floats, weight: Floats) -> float:
    """Return the chance that a positive row scores above a negative one; equal scores count half."""
    up, down = _ascending(positive, scores, weight)
    below = np.cumsum(down) - down / 2
    return float((up * below).sum() / (up.sum() * down.sum()))


def _ascending(positive: NDArray[np.bool_], scores: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Return the weight of positive and of negative rows at each score, the lowest score first."""
    order = np.argsort(scores, kind="stable")
    ups = np.where(positive, weight, 0.0)[order]
    downs = np.where(positive, 0.0, weight)[order]
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))  # the last row of each score
    return np.diff(np.cumsum(ups)[ends], prepend=0.0), np.diff(np.cumsum(downs)[ends], prepend=0.0)


def _weights(given: Any, rows: int) -> Floats:
    return np.ones(rows) if given is None else np.asarray(given, dtype=np.float64)


def _ratio(part: Floats, whole: Floats) -> Floats:
    return np.divide(part, whole, out=np.zeros_like(whole), where=whole > 0)
