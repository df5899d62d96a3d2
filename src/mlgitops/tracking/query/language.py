"""The words of a filter: what can be asked about a run, and how it compares.

A filter is a tree of ``AllOf``, ``AnyOf`` and ``Negation`` over ``Comparison`` and
``Absence``. docs/design/0008 says what each means; ``parser`` makes the tree from text and
``compiler`` makes SQL from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlgitops.errors import InputError

METRIC_PARTS = ("last", "min", "max", "mean", "count", "step")
# What people ask for that is not kept; a metric of such a name stands in backticks.
OTHER_PARTS = (
    *("median", "mode", "sum", "avg", "average", "minimum", "maximum", "latest"),
    *("std", "stdev", "stddev", "variance", "p50", "p90", "p95", "p99"),
)
DATASET_PARTS = ("digest", "name", "context", "uri", "rows")


class FilterError(InputError):
    """A filter or an order cannot be understood; ``column`` counts characters from 1."""

    def __init__(self, message: str, text: str, column: int, *, what: str = "filter") -> None:
        start = max(0, column - 1 - _SHOWN // 2)
        shown = "".join(c if c.isprintable() else " " for c in text[start : start + _SHOWN])
        super().__init__(f"{what}, column {column}: {message}\n  {shown}\n  {' ' * (column - 1 - start)}^")
        self.column = column


_SHOWN = 100  # characters of a filter around a mistake


class Kind(Enum):
    """What a field's values are, which decides what they compare with."""

    NUMBER = "numbers"
    TEXT = "text"
    EITHER = "text or numbers"
    TIME = "dates"
    STATUS = "a status"


@dataclass(frozen=True, slots=True)
class Field:
    """One thing that runs may have a value of.

    ``group`` is metrics, params, tags, attributes, git or datasets; ``name`` the key (for a data
    set its name or context, empty for any); ``part`` which number of a metric, or which property
    of a data set.
    """

    group: str
    name: str
    kind: Kind
    part: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """True when the field has a value and it compares so with one of ``values``; ``negated`` with none of them.

    ``operator`` is one of ``=``, ``<``, ``<=``, ``>``, ``>=``, ``like``, ``ilike``; only ``=`` has several
    values. All values are text or all are numbers; a number is compared with the field's number.
    """

    field: Field
    operator: str
    values: tuple[str | float, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Absence:
    """True when the run says nothing about the field."""

    field: Field


@dataclass(frozen=True, slots=True)
class Negation:
    """True when the term is not."""

    term: Term


@dataclass(frozen=True, slots=True)
class AllOf:
    """True when all terms are; without terms always."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """True when one of the terms is."""

    terms: tuple[Term, ...]


Term = Comparison | Absence | Negation | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Order:
    """A field to sort by; runs without a value come last either way."""

    field: Field
    descending: bool = False


GROUPS = {
    alias: group
    for group, aliases in {
        "metrics": ("metric", "metrics"),
        "params": ("param", "params", "parameter", "parameters"),
        "tags": ("tag", "tags"),
        "attributes": ("attribute", "attributes", "attr", "run"),
        "git": ("git",),
        "datasets": ("dataset", "datasets"),
    }.items()
    for alias in aliases
}

# name in a filter → field; MLflow's names stand beside ours.
ATTRIBUTES = {
    alias: Field("attributes", name, kind)
    for name, kind, aliases in (
        ("id", Kind.TEXT, ("id", "run_id")),
        ("name", Kind.TEXT, ("name", "run_name")),
        ("experiment", Kind.TEXT, ("experiment", "experiment_name")),
        ("status", Kind.STATUS, ("status",)),
        ("started_at", Kind.TIME, ("started_at", "start_time", "created")),
        ("finished_at", Kind.TIME, ("finished_at", "end_time")),
        ("duration", Kind.NUMBER, ("duration",)),
        ("parent", Kind.TEXT, ("parent", "parent_run_id")),
        ("group", Kind.TEXT, ("group",)),
    )
    for alias in aliases
}
GIT = {name: Field("git", name, Kind.TEXT) for name in ("commit", "branch", "repository", "dirty", "entry_point")}
