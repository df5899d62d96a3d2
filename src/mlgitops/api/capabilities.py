"""What a deployment asks of its runtime beyond answering."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mlgitops.api.deployment import ModelDeployment
from mlgitops.api.runtime import ServingRuntime


@dataclass(frozen=True, slots=True)
class Ask:
    """A capability or protocol of a runtime, and the field of a ModelDeployment that asks for it."""

    name: str
    field: str


def asked(deployment: ModelDeployment) -> tuple[Ask, ...]:
    """Return what a deployment asks of its runtime, each capability or protocol once."""
    found: dict[str, Ask] = {}
    for ask in _asked(deployment):
        found.setdefault(ask.name, ask)
    return tuple(found.values())


def missing(runtime: ServingRuntime, asks: Iterable[Ask]) -> Iterator[str]:
    """Yield a sentence for each thing that is asked for and that a runtime does not say it can."""
    able = {*runtime.spec.capabilities, *runtime.spec.protocols}
    for ask in asks:
        if ask.name not in able:
            kind = "protocol" if ask.name == "V2GRPC" else "capability"
            yield f"it lacks the {kind} {ask.name}, which {ask.field} asks for"


def _asked(deployment: ModelDeployment) -> Iterator[Ask]:
    spec = deployment.spec
    if spec.monitoring and spec.monitoring.service_monitor:
        yield Ask("Metrics", "spec.monitoring.serviceMonitor")
    if spec.monitoring and spec.monitoring.drift:
        yield Ask("Drift", "spec.monitoring.drift")
    if spec.rollout.analysis:
        for metric in spec.rollout.analysis.metrics:
            yield Ask("Drift" if metric.drift else "Metrics", "spec.rollout.analysis.metrics")
    if spec.auth and spec.auth.type != "None":
        yield Ask("Auth", "spec.auth.type")
    if spec.route and spec.route.grpc:
        yield Ask("V2GRPC", "spec.route.grpc")
