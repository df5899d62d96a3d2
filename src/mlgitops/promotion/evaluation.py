"""What an evaluator's signed statement says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from mlgitops.errors import InputError

EVALUATED = "https://mlgitops.dev/evaluated/v1"  # the in-toto predicate type


@dataclass(frozen=True, slots=True)
class MetricValue:
    """A metric on a data set: its value, standard error and number of rows."""

    value: Decimal
    standard_error: Decimal
    samples: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation of a challenger, and of the champion on the same rows."""

    challenger: str
    champion: str | None
    dataset: str
    dataset_digest: str
    challenger_metrics: Mapping[str, MetricValue]
    champion_metrics: Mapping[str, MetricValue]
    signer: str
    statement: str

    @classmethod
    def read(cls, predicate: Mapping[str, Any], *, subject: str, signer: str, statement: str) -> Evaluation:
        """Read the predicate of an ``evaluated`` statement about the digest ``subject``.

        Raises:
            InputError: a field is missing or is not what it should be.
        """
        try:
            champion = predicate["champion"]
            return cls(
                challenger=subject,
                champion=str(champion["digest"]) if champion else None,
                dataset=str(predicate["dataset"]["name"]),
                dataset_digest=str(predicate["dataset"]["digest"]),
                challenger_metrics=_metrics(predicate["challenger"]["metrics"]),
                champion_metrics=_metrics(champion["metrics"]) if champion else {},
                signer=signer,
                statement=statement,
            )
        except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
            raise InputError(f"statement {statement} is not an evaluation: {error!r}") from error


def _metrics(raw: Mapping[str, Any]) -> dict[str, MetricValue]:
    return {
        name: MetricValue(_finite(found["value"]), _finite(found["stdErr"]), int(found["samples"]))
        for name, found in raw.items()
    }


def _finite(text: str) -> Decimal:
    value = Decimal(text)
    if not value.is_finite():
        raise ValueError(f"{text} is not finite")
    return value
