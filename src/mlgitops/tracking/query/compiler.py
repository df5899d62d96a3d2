"""A filter's tree to one SQL expression over the tables of ``index``, or a team's, as SQLite and DuckDB both read it.

Every field becomes a test of the run's number, which is never missing, so that ``NOT`` has
two outcomes as the language has, and not SQL's three. Everything from a filter is a bound
value; the text of the SQL is ours alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mlgitops.tracking.query.language import (
    Absence,
    AllOf,
    AnyOf,
    Comparison,
    Field,
    Kind,
    Negation,
    Order,
    Term,
)
from mlgitops.tracking.query.values import text_of

Value = str | float | int
Sql = tuple[str, list[Value]]
KeyOf = Callable[[str, str], Value]


def condition(term: Term, key_of: KeyOf) -> Sql:
    """Return an expression over ``runs`` that is true for the runs that a filter holds for.

    ``key_of`` gives the number that stands for a group and a name in the index.
    """
    if isinstance(term, AllOf | AnyOf):
        parts = [condition(part, key_of) for part in term.terms]
        joined = (" AND " if isinstance(term, AllOf) else " OR ").join(sql for sql, _ in parts)
        return f"({joined or '1'})", [value for _, values in parts for value in values]
    if isinstance(term, Negation):
        sql, values = condition(term.term, key_of)
        return f"NOT {sql}", values
    if isinstance(term, Absence):
        sql, values = _where(
            term.field, "1" if term.field.group not in _COLUMNS else "{column} IS NOT NULL", [], key_of
        )
        return f"NOT {sql}", values
    numeric = not isinstance(term.values[0], str)
    return _where(term.field, *_test(term), key_of, numeric=numeric)


def ordering(orders: Sequence[Order], key_of: KeyOf) -> tuple[str, list[Value], str]:
    """Return the joins that bring the fields to sort by, their values, and the terms of ORDER BY.

    Missing values and NaN are last; of texts and numbers the numbers are first; the newest run
    is first among equals.
    """
    joins: list[str] = []
    values: list[Value] = []
    terms: list[str] = []
    for number, order in enumerate(orders):
        field, direction = order.field, "DESC" if order.descending else "ASC"
        columns = [f"runs.{_column(field, numeric=False)}"]
        if field.group not in _COLUMNS:
            alias = f"o{number}"
            table = "metrics" if field.group == "metrics" else "texts"
            joins.append(f"LEFT JOIN {table} AS {alias} ON {alias}.key = ? AND {alias}.run = runs.n")
            values.append(key_of(field.group, field.name))
            names = (field.part,) if table == "metrics" else ("number", "text")
            columns = [f"{alias}.{name}" for name in names]
        terms.append(f"{columns[-1]} IS NULL")
        terms += [f"{column} IS NULL, {column} {direction}" for column in columns]
    return " ".join(joins), values, ", ".join([*terms, "runs.id DESC"])


_COLUMNS = ("attributes", "git")  # groups whose values stand in the table of runs


def _test(term: Comparison) -> Sql:
    """Return the test of one value; a missing value fails it, negated or not."""
    values: list[Value] = [text_of(value) if isinstance(value, str) else value for value in term.values]
    if term.operator in ("like", "ilike"):
        sql = f"alike(?, {int(term.operator == 'ilike')}, {{column}})"
        return (f"(NOT {sql} AND {{column}} IS NOT NULL)" if term.negated else sql), values
    if term.operator == "=":
        return f"{{column}} {'NOT ' if term.negated else ''}IN ({', '.join('?' * len(values))})", values
    return f"{{column}} {term.operator} ?", values


def _where(field: Field, test: str, values: list[Value], key_of: KeyOf, *, numeric: bool = False) -> Sql:
    column = _column(field, numeric=numeric)
    test = test.replace("{column}", column)
    if field.group in _COLUMNS:
        return f"(({test}) IS TRUE)", values
    if field.group == "datasets":
        of, names = ("(name = ? OR context = ?)", [text_of(field.name)] * 2) if field.name else ("1", [])
        return f"runs.n IN (SELECT run FROM datasets WHERE {of} AND {test})", [*names, *values]  # noqa: S608 - our words
    table = "metrics" if field.group == "metrics" else "texts"
    sql = f"runs.n IN (SELECT run FROM {table} WHERE key = ? AND {test})"  # noqa: S608 - our words
    return sql, [key_of(field.group, field.name), *values]


def _column(field: Field, *, numeric: bool) -> str:
    if field.group == "metrics" or field.group == "datasets":
        return f'"{field.part}"'
    if field.kind is Kind.EITHER:
        return "number" if numeric else "text"
    return f'"{field.name}"'
