"""Fields that the CRDs have and this release does not act on: each is refused, never ignored.

They are in the schema so that the API is whole and stable from the start. ``mlgitops
validate`` reports them with the next step, and the operator keeps what serves and says
``NotSupported``. Who builds a field's behaviour takes its row away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from mlgitops.api.deployment import ModelDeployment, ModelDeploymentSpec
from mlgitops.api.policy import PromotionPolicy, PromotionPolicySpec


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field that asks for what this release cannot do, and a sentence with the next step."""

    field: str
    sentence: str


# (field, whether a spec asks for it, what to do instead)
_DEPLOYMENTS: Final[tuple[tuple[str, Callable[[ModelDeploymentSpec], bool], str], ...]] = (
    (
        "spec.engine.name",
        lambda spec: spec.engine.name != "Kubernetes",
        "this release makes Kubernetes' own Deployments only; set it to Kubernetes, or leave it out",
    ),
    (
        "spec.rollout.analysis",
        lambda spec: spec.rollout.analysis is not None,
        "this release does not measure a roll-out; remove it, and let a step with pause: Indefinite wait for a person",
    ),
    (
        "spec.route.grpc",
        lambda spec: spec.route is not None and spec.route.grpc is not None,
        "this release's server does not speak gRPC; remove it, and use the REST form of the same protocol",
    ),
    (
        "spec.auth.type",
        lambda spec: spec.auth is not None and spec.auth.type != "None",
        "this release's server checks no keys; set it to None, and let the gateway do it by spec.route.filters",
    ),
    (
        "spec.monitoring.payloads",
        lambda spec: spec.monitoring is not None and spec.monitoring.payloads is not None,
        "this release's server writes no requests to a store; remove it",
    ),
    (
        "spec.monitoring.drift",
        lambda spec: spec.monitoring is not None and spec.monitoring.drift is not None,
        "this release's server does not measure drift; remove it",
    ),
    (
        "spec.delivery",
        lambda spec: spec.delivery != "Fetch",
        "this release brings packages into pods by fetching them; set it to Fetch, or leave it out",
    ),
)

_POLICIES: Final[tuple[tuple[str, Callable[[PromotionPolicySpec], bool], str], ...]] = (
    (
        "spec.checks",
        lambda spec: bool(spec.checks),
        "this release reads no statuses of other programs; remove it, and let the forge protect the branch by them",
    ),
    (
        "spec.autoPromotion",
        lambda spec: spec.auto_promotion is not None,
        "this release's bot opens no promotion by itself; remove it, and run mlgitops promote in CI",
    ),
    (
        "spec.rollback.autoMerge",
        lambda spec: spec.rollback.auto_merge,
        "in this release a person merges a rollback; set it to false, or leave it out",
    ),
)


def unsupported(resource: ModelDeployment | PromotionPolicy) -> Iterator[Unsupported]:
    """Yield each field of a resource that this release does not act on."""
    match resource:
        case ModelDeployment():
            for field, asks, sentence in _DEPLOYMENTS:
                if asks(resource.spec):
                    yield Unsupported(field, sentence)
        case PromotionPolicy():
            for field, demands, sentence in _POLICIES:
                if demands(resource.spec):
                    yield Unsupported(field, sentence)
