"""How a roll-out judges a new revision: ``spec.rollout.analysis`` of a ModelDeployment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ErrorRate:
    """The highest share of requests that may end in a server's error, a decimal text."""

    max: str


@dataclass(frozen=True, slots=True)
class Latency:
    """The longest time (a duration) that a share of requests may take."""

    quantile: str
    max: str


@dataclass(frozen=True, slots=True)
class Drift:
    """The highest population stability index of the inputs, a decimal text."""

    max: str


@dataclass(frozen=True, slots=True)
class AnalysisMetric:
    """One thing that must hold; exactly one of the three is set."""

    error_rate: ErrorRate | None = None
    latency: Latency | None = None
    drift: Drift | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What must hold at each step, after how many requests, and what happens when it does not."""

    metrics: tuple[AnalysisMetric, ...]
    min_samples: int = 200
    on_failure: Literal["Rollback", "Pause"] = "Rollback"
