from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from mlgitops.tracking.autolog import scores

pytestmark = pytest.mark.slow

RANDOM = np.random.RandomState(0)
ROWS = 300
WEIGHTS = RANDOM.uniform(0.1, 2, ROWS)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_errors_of_numbers_are_those_of_scikit_learn(outputs: int, weights: object) -> None:
    truth, answer = RANDOM.normal(size=(2, ROWS, outputs))
    truth[:, -1] = 4.0 if outputs > 1 else truth[:, -1]
    found = scores.of_regression(truth, answer, weights)
    assert found == pytest.approx(
        {
            name: getattr(metrics, name)(truth, answer, sample_weight=weights)
            for name in ("mean_squared_error", "root_mean_squared_error", "mean_absolute_error", "r2_score")
        }
    )


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_scores_of_classes_are_those_of_scikit_learn(weights: object) -> None:
    names = np.array(["a", "b", "c", "never right"])
    truth, answer = names[RANDOM.randint(0, 3, ROWS)], names[RANDOM.randint(0, 4, ROWS)]
    found = scores.of_classification(scores.Coded.of(truth, answer), weights)
    expected = {"accuracy_score": metrics.accuracy_score(truth, answer, sample_weight=weights)}
    for name in ("precision_score", "recall_score", "f1_score"):
        score = getattr(metrics, name)
        expected[name] = score(truth, answer, average="weighted", zero_division=0, sample_weight=weights)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_loss_and_area_of_two_classes_are_those_of_scikit_learn(weights: object) -> None:
    truth = RANDOM.randint(0, 2, ROWS)
    positive = np.round(np.clip(truth * 0.3 + RANDOM.uniform(size=ROWS), 0, 1), 1)  # with ties and certainties
    chances = np.column_stack([1 - positive, positive])
    found = scores.of_probabilities(truth, chances, np.array([0, 1]), weights)
    assert found == pytest.approx(
        {
            "log_loss": metrics.log_loss(truth, chances, sample_weight=weights),
            "roc_auc": metrics.roc_auc_score(truth, positive, sample_weight=weights),
        }
    )


def test_loss_and_area_of_several_classes_are_those_of_scikit_learn() -> None:
    classes = np.array(["x", "y", "z"])
    codes = RANDOM.randint(0, 3, ROWS)
    chances = RANDOM.dirichlet(np.ones(3), ROWS) + np.eye(3)[codes]
    chances /= chances.sum(axis=1, keepdims=True)
    found = scores.of_probabilities(classes[codes], chances, classes)
    assert found["log_loss"] == pytest.approx(metrics.log_loss(classes[codes], chances))
    area = metrics.roc_auc_score(classes[codes], chances, multi_class="ovo", average="weighted")
    assert found["roc_auc"] == pytest.approx(area)


@pytest.mark.parametrize("weights", [None, WEIGHTS], ids=["plain", "weighted"])
def test_confusions_and_curves_are_those_of_scikit_learn(weights: object) -> None:
    truth = RANDOM.randint(0, 2, ROWS)
    certainty = np.round(np.clip(truth * 0.3 + RANDOM.uniform(size=ROWS), 0, 1), 1)  # with ties
    coded = scores.Coded.of(truth, certainty > 0.6)
    table = metrics.confusion_matrix(truth, certainty > 0.6, sample_weight=weights)
    np.testing.assert_allclose(scores.confusions(coded, weights), table)
    steps = scores.steps(truth == 1, certainty, weights)
    fpr, tpr, _ = metrics.roc_curve(truth, certainty, sample_weight=weights, drop_intermediate=False)
    np.testing.assert_allclose(scores.roc(*steps), [fpr, tpr], atol=1e-12)
    precision, recall, _ = metrics.precision_recall_curve(truth, certainty, sample_weight=weights)
    np.testing.assert_allclose(scores.precision_recall(*steps), [recall[::-1], precision[::-1]], atol=1e-12)
