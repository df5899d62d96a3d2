from __future__ import annotations

import math
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from mlgitops.errors import InputError
from mlgitops.statistics import Interval, mean_interval, quantile


@pytest.mark.parametrize("freedom", [1, 2, 3, 9, 29, 100, 10_000])
@pytest.mark.parametrize("probability", [0.001, 0.3, 0.5, 0.9, 0.975, 0.995, 0.99999])
def test_quantiles_are_those_of_the_reference(probability: float, freedom: int) -> None:
    assert quantile(probability, freedom) == pytest.approx(stats.t.ppf(probability, freedom), rel=1e-8, abs=1e-12)


def test_a_mean_has_the_textbook_interval() -> None:
    found = mean_interval([0.90, 0.92, 0.94])
    assert found is not None
    assert (found.mean, found.count) == (pytest.approx(0.92), 3)
    assert found.margin == pytest.approx(4.302653 * 0.02 / math.sqrt(3), rel=1e-6)
    assert (found.low, found.high) == (pytest.approx(0.92 - 0.0496827), pytest.approx(0.92 + 0.0496827))


def test_one_value_says_nothing_of_its_margin_and_none_says_nothing() -> None:
    assert mean_interval([0.5]) == Interval(0.5, None, 1)
    assert mean_interval([math.nan, math.inf]) is None


def test_what_is_not_finite_is_left_out_and_not_counted() -> None:
    assert mean_interval([1.0, math.nan, 1.0, -math.inf]) == Interval(1.0, 0.0, 2)


@given(st.lists(st.integers(-1000, 1000), min_size=2, max_size=50), st.sampled_from([0.5, 0.9, 0.99]))
def test_the_interval_is_the_references(values: list[int], confidence: float) -> None:
    found = mean_interval(values, confidence)
    assert found is not None
    assert found.count == len(values)
    if len(set(values)) == 1:
        assert found.margin == pytest.approx(0.0, abs=1e-9)
    else:
        low, _ = stats.t.interval(confidence, len(values) - 1, found.mean, stats.sem(values))
        assert found.low == pytest.approx(low, rel=1e-7, abs=1e-7 * (found.margin or 0))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
@example([sys.float_info.max] * 3)
def test_the_mean_lies_among_the_values_however_large(values: list[float]) -> None:
    found = mean_interval(values)
    assert found is not None
    slack = 1e-12 * max(map(abs, values))
    assert min(values) - slack <= found.mean <= max(values) + slack
    assert found.margin is not None and found.margin >= 0


@pytest.mark.parametrize("confidence", [0.0, 1.0, -1.0, math.nan])
def test_a_confidence_that_is_none_is_refused(confidence: float) -> None:
    with pytest.raises(InputError, match="not between 0 and 1"):
        mean_interval([1.0, 2.0], confidence)
