from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import series

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


def test_a_metric_in_a_context_is_a_series_of_its_own(root: Path) -> None:
    with mlgitops.start_run() as run:
        for value in (3.0, 1.0):
            mlgitops.log_metric("loss", value)
            mlgitops.log_metric("loss", value / 2, context={"subset": "val"})
        mlgitops.log_metrics({"loss": 9.0, "auc": 0.5}, context="test")
    record = tracking.read(run.folder)
    assert {name: summary.last for name, summary in record.metrics.items()} == {
        "loss": 1.0,
        "loss{subset=val}": 0.5,
        "loss{subset=test}": 9.0,
        "auc{subset=test}": 0.5,
    }
    points = [(point.step, point.value) for point in tracking.read_points(run.folder, "loss{subset=val}")]
    assert points == [(0, 1.5), (1, 0.5)]


def test_the_order_of_a_contexts_names_does_not_matter() -> None:
    one = series.key("loss", {"subset": "val", "fold": "3"})
    assert one == series.key("loss", {"fold": "3", "subset": "val"}) == "loss{fold=3,subset=val}"


@given(NAMES, st.dictionaries(NAMES, NAMES, max_size=3))
def test_a_series_tells_metric_and_context_again(metric: str, context: dict[str, str]) -> None:
    if context or series.split(metric) == (metric, {}):
        assert series.split(series.key(metric, context)) == (metric, context)


@pytest.mark.parametrize("text", ["loss", "loss{", "loss{}", "loss{a}", "loss{a=}", "{}", "loss{a=b} ", 'x{a="b}'])
def test_other_braces_are_part_of_the_name(text: str) -> None:
    assert series.split(text) == (text, {})


def test_values_of_a_context_are_told_apart_by_their_text(root: Path) -> None:
    with mlgitops.start_run() as run:
        for value in (1, True, 1.0, [1], "1"):
            mlgitops.log_metric("loss", 1.0, context={"fold": value})
        mlgitops.log_metric("loss", 1.0, context="{'fold': 1}")
    record = tracking.read(run.folder)
    assert {series.split(name)[1].get("fold") for name in record.metrics} == {"1", "True", "1.0", "[1]", None}
    assert record.metrics["loss{fold=1}"].count == 2
    assert record.problems == ()


def test_a_context_that_is_no_text_is_damage(root: Path) -> None:
    with mlgitops.start_run() as run:
        (lines,) = run.folder.glob("w-*.jsonl")
        with lines.open("a") as file:
            file.write('{"metric":"m","value":1.0,"step":0,"time":0.0,"context":{"a":[1]}}\n')
    assert tracking.read(run.folder).problems == ("1 damaged lines were left out",)
