"""Filters as people write them, and as they mistype them."""

from __future__ import annotations

import pytest

from mlgitops.errors import InputError
from mlgitops.tracking.query.language import AllOf, AnyOf, Comparison, FilterError, Negation
from mlgitops.tracking.query.parser import (
    DEEPEST,
    MOST_COMPARISONS,
    MOST_VALUES,
    milliseconds,
    parse_filter,
    parse_order,
)


def shape(text: str) -> str:
    """The tree of a filter, its comparisons by their field's name only."""

    def show(term: object) -> str:
        if isinstance(term, Comparison):
            return ("!" if term.negated else "") + term.field.name
        if isinstance(term, Negation):
            return f"not {show(term.term)}"
        assert isinstance(term, AllOf | AnyOf)
        return "(" + (" and " if isinstance(term, AllOf) else " or ").join(map(show, term.terms)) + ")"

    return show(parse_filter(text))


def test_and_binds_closer_than_or_and_not_closest() -> None:
    assert shape("params.a = 1 or params.b = 1 and not params.c = 1 OR params.d = 1") == "(a or (b and not c) or d)"
    assert (
        shape("(params.a = 1 or params.b = 1) and not (params.c = 1 or params.d = 1)") == "((a or b) and not (c or d))"
    )


def test_a_list_of_texts_and_numbers_is_two_comparisons() -> None:
    assert shape("params.a in (1, 'x', 2)") == "(a or a)"
    assert shape("params.a not in (1, 'x', 2)") == "(!a and !a)"


@pytest.mark.parametrize(
    ("text", "name", "part"),
    [
        ("metrics.acc > 0", "acc", "last"),
        ("metric.acc.MAX > 0", "acc", "max"),
        ("metrics.val.loss.min > 0", "val.loss", "min"),
        ("metrics.val/loss > 0", "val/loss", "last"),
        ("metrics.`acc.max` > 0", "acc.max", "last"),
        ('metrics."a ""b"" c".mean > 0', 'a "b" c', "mean"),
        ("metrics.`max` > 0", "max", "last"),
        ("metrics.max > 0", "max", "last"),
        ("metrics.5 > 0", "5", "last"),
        ("metrics.`ключ 日本` > 0", "ключ 日本", "last"),
    ],
)
def test_a_metric_is_named_in_every_way_that_names_come(text: str, name: str, part: str) -> None:
    term = parse_filter(text)
    assert isinstance(term, Comparison)
    assert (term.field.group, term.field.name, term.field.part) == ("metrics", name, part)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("metrics.a = 1", (1.0,)),
        ("metrics.a = -1.5e-3", (-0.0015,)),
        ("metrics.a = .5", (0.5,)),
        ("metrics.a < -inf", (float("-inf"),)),
        ("metrics.a < inf", (float("inf"),)),
        ("params.a = 'it''s'", ("it's",)),
        ('params.a = "two words"', ("two words",)),
        ("params.a = true", ("True",)),
        ("git.dirty = FALSE", ("False",)),
        ("status = 'FINISHED'", ("finished",)),
        ("start_time > '1970-01-02'", (86_400_000.0,)),
        ("attributes.start_time > '1970-01-01T01:00:00+01:00'", (0.0,)),
        ("run.created > 1700000000000", (1.7e12,)),
    ],
)
def test_values_are_read_as_what_they_are(text: str, values: tuple[object, ...]) -> None:
    term = parse_filter(text)
    assert isinstance(term, Comparison)
    assert term.values == values


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("metrics.acc >", 14, "expected a number or 'text', found the end"),
        ("metrics.acc > and status = 'x'", 15, "expected a number or 'text', found and"),
        ("metrics.acc > 'high'", 15, "expected a number, found 'high'"),
        ("metrics.acc like 'x%'", 13, "numbers are not text; like compares text only"),
        ("metrics.acc 0.9", 13, "expected a comparison (=, !=, <, <=, >, >=, like, ilike, in, is null), found 0.9"),
        ("params.a = 1 params.b = 2", 14, "expected and, or, or the end, found params.b"),
        ("(params.a = 1", 14, "expected ) to close the parenthesis, found the end"),
        ("params.a = 1)", 13, "expected and, or, or the end, found )"),
        ("params.a in 1", 13, "expected ( before the values of a list, found 1"),
        ("params.a in ()", 14, "expected a number or 'text', found )"),
        ("params.a in (1 2)", 16, "expected ) or a comma after a value of a list, found 2"),
        ("params.a not 3", 14, "expected in, like or ilike after not, found 3"),
        ("params.a is 3", 13, "expected null after is, found 3"),
        ("params.a like 3", 15, "expected a 'pattern' (% any text, _ any character), found 3"),
        ("params.a = 'x", 12, "the quote ' is never closed"),
        ("params.a = 1; drop table runs", 13, "';' means nothing here"),
        ("params.a = 12abc", 12, "not a number"),
        ("started_at > 2026-11-01", 14, "a date stands in 'quotes': '2026-11-01'"),
        ("params. = 1", 7, "expected a name on both sides of the dot"),
        ("metric = 1", 1, "there is no field 'metric'"),
        ("loss = 1", 1, "there is no field 'loss'; did you mean metrics.loss, params.loss or tags.loss? known: "),
        ("statu = 'x'", 1, "there is no field 'statu'; did you mean status? known: "),
        ("metrik.a = 1", 1, "there is no group 'metrik'; did you mean metric?"),
        ("attributes.statuss = 'x'", 12, "there is no attributes 'statuss'; did you mean status?"),
        ("dataset.train = 'x'", 9, "there is no property of data 'train'"),
        (
            "metrics.acc.median > 1",
            13,
            "no median is kept; known: last, min, max, mean, count, step; a metric of this name",
        ),
        ("status = 'x' or metric.val.acc.P95 > 1", 32, "is metrics.`val.acc.P95`"),
        ("git.comit = 'x'", 5, "did you mean commit?"),
        ("status = 3", 10, "expected 'text' in quotes, found 3"),
        ("start_time > 'yesterday'", 14, "'yesterday' is no date; expected '2026-01-31'"),
        ("and", 1, "expected a field such as metrics.accuracy or status, found and"),
        ("not", 4, "expected a field"),
    ],
)
def test_a_mistake_is_told_with_its_column(text: str, column: int, message: str) -> None:
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    first, shown, caret = str(caught.value).splitlines()
    assert first.startswith(f"filter, column {column}: ")
    assert message in first
    assert caught.value.column == column
    assert (shown[2:], caret.index("^") - 2) == (text, column - 1)
    assert isinstance(caught.value, InputError)


def test_a_long_filter_is_shown_around_its_mistake_without_control_characters() -> None:
    text = "params.a = '\x1b[31m' and " * 20 + "params.b ? 1"
    with pytest.raises(FilterError) as caught:
        parse_filter(text)
    _, shown, caret = str(caught.value).splitlines()
    assert shown[caret.index("^")] == "?"
    assert len(shown) <= 102
    assert "\x1b" not in str(caught.value)


def test_filters_without_measure_are_refused_and_do_not_exhaust_the_stack() -> None:
    deep = "(" * DEEPEST + "status = 'x'" + ")" * DEEPEST
    parse_filter(deep)
    for text, message in (
        (f"({deep})", "inside of each other"),
        ("not " * 100_000 + "status = 'x'", "inside of each other"),
        (" or ".join(["params.a = 1"] * (MOST_COMPARISONS + 1)), "comparisons; a list of values"),
        (f"params.a in ({','.join(['1'] * (MOST_VALUES + 2))})", "a list has at most"),
    ):
        with pytest.raises(FilterError, match=message):
            parse_filter(text)


def test_an_order_is_a_field_and_a_direction() -> None:
    orders = parse_order(["metrics.acc.max DESC", "start_time", "params.`a b` asc"])
    assert [(order.field.name, order.field.part, order.descending) for order in orders] == [
        ("acc", "max", True),
        ("started_at", "", False),
        ("a b", "", False),
    ]
    assert parse_order("status") == parse_order(["status"])
    for text, message in (
        ("metrics.a down", "order, column 11: expected asc, desc or the end, found down"),
        ("dataset.digest", "a run may have several data sets"),
        ("", "expected a field"),
    ):
        with pytest.raises(FilterError, match=message):
            parse_order(text)


@pytest.mark.parametrize("text", ["", "soon", "2026-13-01", "2026-01-01T25:00:00Z"])
def test_what_is_no_moment_has_no_milliseconds(text: str) -> None:
    assert milliseconds(text) is None
