"""The autoscaler of one revision: a HorizontalPodAutoscaler, or a ScaledObject of KEDA."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from mlgitops.api import codec
from mlgitops.api.scaling import Autoscaling, ResourceMetric, ScalingMetric

Raw = dict[str, Any]

# What is measured when nobody says what.
_USUAL: Final = ScalingMetric(resource=ResourceMetric("cpu", average_utilization=80))
# By engine: the apiVersion and kind of what scales.
KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "HPA": ("autoscaling/v2", "HorizontalPodAutoscaler"),
    "KEDA": ("keda.sh/v1alpha1", "ScaledObject"),
}


def spec(scaling: Autoscaling, target: str, floor: int, container: str) -> Raw:
    """Return the spec of a revision's autoscaler.

    Args:
        scaling: ``spec.autoscaling``.
        target: the name of the revision's Deployment.
        floor: how many pods there must be at least now; at most ``maxReplicas``.
        container: the container whose use is measured.
    """
    measured = scaling.metrics or (() if scaling.triggers else (_USUAL,))
    behavior = codec.encode(scaling.behavior) if scaling.behavior else {}
    if scaling.engine == "KEDA":
        triggers = [*(_trigger(entry, container) for entry in measured), *codec.encode(scaling.triggers)]
        pace = {"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behavior}}} if behavior else {}
        return {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
            "minReplicaCount": floor,
            "maxReplicaCount": scaling.max_replicas,
            "triggers": triggers,
            **pace,
        }
    return {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": floor,
        "maxReplicas": scaling.max_replicas,
        "metrics": [_metric(entry, container) for entry in measured],
        **({"behavior": behavior} if behavior else {}),
    }


def _metric(metric: ScalingMetric, container: str) -> Raw:
    if metric.resource:
        # Of the one container: what a sidecar uses says nothing about the load.
        source = {"container": container, "name": metric.resource.name, "target": _target(metric.resource)}
        return {"type": "ContainerResource", "containerResource": source}
    if metric.pods:
        return {"type": "Pods", "pods": {"metric": {"name": metric.pods.metric}, "target": _target(metric.pods)}}
    assert metric.external is not None
    labels = dict(metric.external.match_labels)
    named = {"name": metric.external.metric, **({"selector": {"matchLabels": labels}} if labels else {})}
    return {"type": "External", "external": {"metric": named, "target": _target(metric.external)}}


def _target(source: Any) -> Raw:
    for field, kind, word in (
        ("average_utilization", "Utilization", "averageUtilization"),
        ("average_value", "AverageValue", "averageValue"),
    ):
        value = getattr(source, field, None)
        if value is not None:
            return {"type": kind, word: value}
    return {"type": "Value", "value": source.value}


def _trigger(metric: ScalingMetric, container: str) -> Raw:
    assert metric.resource is not None  # the schema lets no other metric through
    target = _target(metric.resource)
    value = target.get("averageUtilization", target.get("averageValue"))
    return {
        "type": metric.resource.name,
        "metricType": target["type"],
        "metadata": {"value": str(value), "containerName": container},
    }
