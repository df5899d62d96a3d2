"""A status that was lost, rebuilt from what the cluster holds.

The route's annotations were written together with its weights, so they say how far a
roll-out had come; the weights speak for themselves only where annotations are missing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from mlgitops.api import DeploymentStatus, ModelDeployment
from mlgitops.api.deployment import Refusal, RetiringRevision, RevisionReference, RolloutStatus, ServedRevision
from mlgitops.plan.observed import Observed, Route
from mlgitops.plan.times import moment, stamp
from mlgitops.plan.traffic import ALL, step_weight


def is_lost(status: DeploymentStatus) -> bool:
    """Tell whether a status knows of no revision at all: a new deployment's, or one that was erased."""
    return status.active is None and status.target is None


def recover(deployment: ModelDeployment, observed: Observed, now: datetime) -> DeploymentStatus:
    """Return the status that the route and the ControllerRevisions imply; an empty one for a new deployment.

    A step's pause begins again: nobody knows how much of it was over.
    """
    status = deployment.status
    route = observed.route
    if route is not None:
        target = _reference(observed, route.target)
        # A target without an active one was noted by a first roll-out: what takes its traffic has proved nothing yet.
        active = _reference(observed, route.active if target else _heaviest(route))
        target = target or active
        rollout = _rollout(deployment, observed, active, target, now)
        status = replace(status, active=active, target=target, rollout=rollout)
        if active:
            since = stamp(_moment(route.started_at, now))
            status = replace(status, history=(ServedRevision(active.revision, active.version, active.digest, since),))
    return replace(status, refused=_refused(observed), retiring=_retiring(status, observed))


def _rollout(
    deployment: ModelDeployment,
    observed: Observed,
    active: RevisionReference | None,
    target: RevisionReference | None,
    now: datetime,
) -> RolloutStatus | None:
    route = observed.route
    if route is None or target is None or target == active:
        return None
    weight = route.weights.get(target.revision, 0)
    # With another weight than its step's it still waits for the pods that the step needs.
    shifted = active is not None and weight == step_weight(deployment, route.step)
    scaled = deployment.spec.autoscaling is not None
    return RolloutStatus(
        phase="Shifting" if shifted and weight else "Starting",
        step=route.step,
        weight=weight if active else ALL,
        started_at=stamp(_moment(route.started_at, now)),
        step_started_at=stamp(now),
        stable_replicas=observed.of(active.revision).wanted if active and scaled else None,
    )


def _heaviest(route: Route) -> str:
    return max(route.weights, key=lambda revision: route.weights[revision], default="")


def _reference(observed: Observed, name: str) -> RevisionReference | None:
    found = observed.revisions.get(name)
    return RevisionReference(found.name, found.version, found.digest) if found else None


def _refused(observed: Observed) -> Refusal | None:
    newest = max(observed.refusals, key=lambda name: observed.refusals[name].at, default="")
    found = observed.revisions.get(newest)
    if found is None:
        return None
    why = observed.refusals[newest]
    return Refusal(found.name, found.version, found.digest, why.reason, why.at, why.message)


def _retiring(status: DeploymentStatus, observed: Observed) -> tuple[RetiringRevision, ...]:
    serving = {kept.revision for kept in (status.active, status.target if status.rollout else None) if kept}
    return tuple(
        RetiringRevision(name, found.version, found.digest, replicas=observed.of(name).wanted)
        for name, found in sorted(observed.revisions.items())
        if name in observed.pods and name not in serving
    )


def _moment(text: str, otherwise: datetime) -> datetime:
    try:
        return moment(text)
    except ValueError:
        return otherwise
