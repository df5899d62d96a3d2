"""The status of a ModelStage and of a ModelOverride, from the deployments that follow them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from mlgitops.api import Condition, ModelDeployment, ModelOverride, ModelStage, conditions
from mlgitops.api.deployment import ModelOverrideStatus
from mlgitops.api.model import ModelStageStatus
from mlgitops.plan import arrival, labels
from mlgitops.plan.inputs import override_ends
from mlgitops.plan.times import stamp

# Stalls of a deployment that keep any version of its stage from being served.
_WHATEVER_VERSION = frozenset({"Overridden", "Suspended"})


def stage_status(
    stage: ModelStage, followers: Sequence[ModelDeployment], *, known: bool, now: datetime
) -> ModelStageStatus:
    """Return a stage's status: Ready when every deployment that follows it serves its version.

    Args:
        stage: the stage.
        followers: the deployments whose ``spec.stage`` it is.
        known: whether its ModelVersion exists.
        now: the moment, in UTC.
    """
    before, generation = stage.status.conditions, stage.metadata.generation
    if known:
        wanted = _stage_conditions(stage, followers)
    else:
        lack = "MissingVersion", f"there is no ModelVersion {stage.spec.model_ref.name}.{stage.spec.version}"
        wanted = _reconciling(*lack) if arrival.awaited(before, *lack, generation, now) else _stalled(*lack)
        before = arrival.fresh(before, *lack, generation)
    return replace(
        stage.status,
        observed_generation=generation,
        last_handled_reconcile_at=_asked(stage) or stage.status.last_handled_reconcile_at,
        conditions=_dated(before, wanted, generation, now),
    )


def override_status(override: ModelOverride, deployment: ModelDeployment | None, now: datetime) -> ModelOverrideStatus:
    """Return an override's status: Ready while it is in force and its deployment serves its version."""
    wanted = _override_conditions(override, deployment, now)
    return replace(
        override.status,
        observed_generation=override.metadata.generation,
        last_handled_reconcile_at=_asked(override) or override.status.last_handled_reconcile_at,
        conditions=_dated(override.status.conditions, wanted, override.metadata.generation, now),
    )


def _stage_conditions(stage: ModelStage, followers: Sequence[ModelDeployment]) -> list[Condition]:
    version = stage.spec.version
    if not followers:
        return [conditions.make(conditions.READY, True, "NoDeployments", "no ModelDeployment follows this stage")]
    waiting = sorted(follower.metadata.name for follower in followers if not _serves(follower, version))
    for follower in followers:
        stalled = conditions.find(follower.status.conditions, conditions.STALLED)
        target = follower.status.target
        ours = stalled and (stalled.reason in _WHATEVER_VERSION or (target and target.version == version))
        if stalled and ours and _current(follower):
            return _stalled(stalled.reason, f"ModelDeployment {follower.metadata.name}: {stalled.message}")
    if waiting:
        return _reconciling("RollingOut", f"version {version} is not served yet by {', '.join(waiting)}")
    served = f"version {version} is served by {len(followers)} of {len(followers)} deployments"
    return [conditions.make(conditions.READY, True, "Serving", served)]


def _override_conditions(override: ModelOverride, deployment: ModelDeployment | None, now: datetime) -> list[Condition]:
    version, ends = override.spec.version, override_ends(override)
    if ends <= now:
        return [conditions.make(conditions.READY, False, "Expired", f"it ended at {stamp(ends)}; delete it")]
    if deployment is None:
        return _stalled("MissingDeployment", f"there is no ModelDeployment {override.metadata.name}")
    active = deployment.status.active
    if active is None or active.version != version or deployment.status.rollout:
        return _reconciling("RollingOut", f"version {version} is not served yet")
    return [conditions.make(conditions.READY, True, "InForce", f"version {version} is served until {stamp(ends)}")]


def _current(deployment: ModelDeployment) -> bool:
    return deployment.status.observed_generation == deployment.metadata.generation


def _serves(deployment: ModelDeployment, version: str) -> bool:
    active = deployment.status.active
    ready = conditions.is_true(deployment.status.conditions, conditions.READY)
    return ready and _current(deployment) and active is not None and active.version == version


def _stalled(reason: str, message: str) -> list[Condition]:
    return [
        conditions.make(conditions.READY, False, reason, message),
        conditions.make(conditions.STALLED, True, reason, message),
    ]


def _reconciling(reason: str, message: str) -> list[Condition]:
    return [
        conditions.make(conditions.READY, False, reason, message),
        conditions.make(conditions.RECONCILING, True, reason, message),
    ]


def _dated(
    old: Iterable[Condition], wanted: Iterable[Condition], generation: int, now: datetime
) -> tuple[Condition, ...]:
    current = [replace(condition, observed_generation=generation) for condition in wanted]
    return conditions.replaced(old, current, stamp(now))


def _asked(resource: ModelStage | ModelOverride) -> str | None:
    notes = resource.metadata.annotations
    return notes.get(labels.REQUESTED_AT) or notes.get(labels.FLUX_REQUESTED_AT)
