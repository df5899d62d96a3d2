"""Metrics from per-row losses."""

from __future__ import annotations

import math
import statistics

import pytest

from mlgitops.bot.losses import metrics


def test_accuracy_is_the_mean_of_correct_rows_with_its_standard_error() -> None:
    rows = [1.0] * 45 + [0.0] * 5
    found = metrics({"correct": rows})["accuracy"]
    assert found.value == pytest.approx(0.9)
    assert found.samples == 50
    assert found.standard_error == pytest.approx(statistics.stdev(rows) / math.sqrt(50))


def test_the_root_mean_squared_error_carries_its_error_by_the_delta_method() -> None:
    rows = [1.0, 4.0, 9.0, 16.0]
    found = metrics({"squared_error": rows})
    mean = found["mean_squared_error"]
    root = found["root_mean_squared_error"]
    assert root.value == pytest.approx(math.sqrt(7.5))
    assert root.standard_error == pytest.approx(mean.standard_error / (2 * math.sqrt(7.5)))


def test_a_perfect_regression_has_no_error_of_its_error() -> None:
    assert metrics({"squared_error": [0.0, 0.0]})["root_mean_squared_error"].standard_error == 0.0


def test_columns_that_nothing_is_made_of_give_nothing() -> None:
    assert metrics({"surprise": [1.0]}) == {}
    assert metrics({"correct": []}) == {}


def test_one_row_has_no_spread() -> None:
    assert metrics({"correct": [1.0]})["accuracy"].standard_error == 0.0
