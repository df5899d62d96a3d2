"""What a status means for traffic and pods: weights, sizes, and whether the cluster has caught up."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from mlgitops.api import DeploymentStatus, ModelDeployment
from mlgitops.api.deployment import RolloutStatus, RolloutStep
from mlgitops.plan.observed import Observed
from mlgitops.plan.times import duration, moment

# How long a revision keeps its pods after the gateway has stopped to send to it.
DRAIN: Final = timedelta(seconds=5)

# A step whose pods are not ready by then has failed; Kubernetes' own limit. A shorter
# spec.rollout.deadline cuts it.
READY_WITHIN: Final = timedelta(minutes=10)

ALL: Final = 100

# Moves of traffic in a Rolling roll-out, whatever the number of pods.
_LONGEST_ROLL: Final = 10


def weights(status: DeploymentStatus) -> dict[str, int]:
    """Return each revision's share of traffic in percent; those without any are left out."""
    if status.rollout and status.target:
        share = status.rollout.weight
        split = {status.target.revision: share}
        if status.active:
            split[status.active.revision] = ALL - share
        return {revision: percent for revision, percent in split.items() if percent}
    return {status.active.revision: ALL} if status.active else {}


def steps(deployment: ModelDeployment) -> tuple[RolloutStep, ...]:
    """Return the steps of a canary; Rolling has an even one for each pod but the last, at most nine."""
    rollout, scaling = deployment.spec.rollout, deployment.spec.autoscaling
    if rollout.strategy != "Rolling":
        return rollout.steps
    count = min(scaling.min_replicas if scaling else deployment.spec.replicas, _LONGEST_ROLL)
    return tuple(RolloutStep(ALL * number // count) for number in range(1, count))


def step_weight(deployment: ModelDeployment, step: int) -> int:
    """Return the weight of a step in percent; the step after the last one takes everything."""
    weights = steps(deployment)
    return weights[step].weight if step < len(weights) else ALL


def full_size(deployment: ModelDeployment, rollout: RolloutStatus | None) -> int:
    """Return how many pods a revision needs for all traffic: as many as serve, when load decides that."""
    scaling = deployment.spec.autoscaling
    if scaling is None:
        return deployment.spec.replicas
    serving = (rollout.stable_replicas if rollout else None) or 0
    return min(max(scaling.min_replicas, serving), scaling.max_replicas)


def needed(deployment: ModelDeployment, rollout: RolloutStatus, weight: int) -> int:
    """Return how many pods must be ready before a revision takes a share of traffic, rounded up."""
    size = full_size(deployment, rollout)
    return max(1, -(-size * weight // ALL)) if size else 0


def ready_by(deployment: ModelDeployment, rollout: RolloutStatus) -> datetime:
    """Return when a step that waits for ready pods has failed."""
    return moment(rollout.step_started_at) + min(READY_WITHIN, duration(deployment.spec.rollout.deadline))


def sizes(deployment: ModelDeployment, status: DeploymentStatus) -> dict[str, int]:
    """Return how many pods each revision shall have, at least, when load decides (``scaled``).

    The revision that serves keeps its full size during a roll-out, so that going back
    never waits for pods.
    """
    found = {old.revision: old.replicas for old in status.retiring}
    if status.rollout and status.target:
        weight = max(status.rollout.weight, step_weight(deployment, status.rollout.step))
        found[status.target.revision] = needed(deployment, status.rollout, weight)
    if status.active:
        found[status.active.revision] = full_size(deployment, status.rollout)
    return found


def scaled(deployment: ModelDeployment, status: DeploymentStatus) -> frozenset[str]:
    """Return the revisions whose number of pods an autoscaler chooses; what retires keeps what it has."""
    if deployment.spec.autoscaling is None:
        return frozenset()
    alive = (status.active, status.target if status.rollout else None)
    return frozenset(reference.revision for reference in alive if reference)


def settled(deployment: ModelDeployment, status: DeploymentStatus, observed: Observed) -> bool:
    """Tell whether traffic flows as the status says: the weights are applied and a gateway has taken them."""
    wanted = weights(status)
    if not deployment.spec.route:
        # A Service sends to one revision, or evenly to the pods of all while a roll-out works.
        wanted = wanted if len(wanted) == 1 else {}
    route = observed.route
    return route is not None and route.accepted and dict(route.weights) == wanted
