"""How many pods a revision has when load decides: ``spec.autoscaling`` of a ModelDeployment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Reference

Quantity = str | int


@dataclass(frozen=True, slots=True)
class ResourceMetric:
    """What the container server uses, in percent of its request or as a quantity; exactly one of the two."""

    name: Literal["cpu", "memory"]
    average_utilization: int | None = None
    average_value: Quantity | None = None


@dataclass(frozen=True, slots=True)
class PodsMetric:
    """A metric of the custom metrics API that each pod has."""

    metric: str
    average_value: Quantity


@dataclass(frozen=True, slots=True)
class ExternalMetric:
    """A metric of the external metrics API; exactly one of ``value`` and ``average_value`` is set."""

    metric: str
    match_labels: Mapping[str, str] = field(default_factory=dict)
    value: Quantity | None = None
    average_value: Quantity | None = None


@dataclass(frozen=True, slots=True)
class ScalingMetric:
    """One thing that is measured; exactly one of the three is set."""

    resource: ResourceMetric | None = None
    pods: PodsMetric | None = None
    external: ExternalMetric | None = None


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger of KEDA, as in a ScaledObject."""

    type: str
    metadata: Mapping[str, str]
    metric_type: Literal["AverageValue", "Value", "Utilization"] | None = None
    authentication_ref: Reference | None = None


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """How many pods, or percent of them, may come or go in a time in seconds."""

    type: Literal["Pods", "Percent"]
    value: int
    period_seconds: int


@dataclass(frozen=True, slots=True)
class ScalingRules:
    """How fast the number of pods changes one way."""

    stabilization_window_seconds: int | None = None
    select_policy: Literal["Max", "Min", "Disabled"] | None = None
    policies: tuple[ScalingPolicy, ...] = ()


@dataclass(frozen=True, slots=True)
class ScalingBehavior:
    """How fast the number of pods changes."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


@dataclass(frozen=True, slots=True)
class Autoscaling:
    """How many pods a revision has when load decides, and what load is."""

    max_replicas: int
    engine: Literal["HPA", "KEDA"] = "HPA"
    min_replicas: int = 1
    metrics: tuple[ScalingMetric, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    behavior: ScalingBehavior | None = None
