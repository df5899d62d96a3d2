"""What a deployment's conditions say, from what was decided and what is there (design 0001, §2).

Ready is the summary: it carries the reason of what is worst. Stalled waits for people,
Reconciling for the cluster; they are there only while True, and never both. Available
says that something verified answers, whatever shall serve.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mlgitops.api import Condition, DeploymentStatus
from mlgitops.api import conditions as api_conditions
from mlgitops.api.deployment import Failure
from mlgitops.plan import arrival, labels, observed, optional, revisions
from mlgitops.plan.inputs import Inputs, override_ends
from mlgitops.plan.observed import Observed
from mlgitops.plan.times import stamp
from mlgitops.plan.traffic import ready_by, settled, steps, weights

# A container that ended badly so often while its revision rolls out is not tried further.
CRASHES: Final = 2

# The schema keeps 32 KiB of a message; people read less.
_LONGEST: Final = 4096

_FETCH_REASONS: Final = {
    "DigestMismatch": "ArtifactCorrupt",
    "NotFound": "ArtifactMissing",
    "Forbidden": "ArtifactForbidden",
}


@dataclass(frozen=True, slots=True)
class _Word:
    """A condition's reason and message."""

    reason: str
    message: str


def describe(inputs: Inputs, status: DeploymentStatus, seen: Observed, now: datetime) -> DeploymentStatus:
    """Return a decided status with everything that only reports: conditions, counts, failure, address."""
    deployment = inputs.deployment
    notes = deployment.metadata.annotations
    asked = notes.get(labels.REQUESTED_AT) or notes.get(labels.FLUX_REQUESTED_AT)
    active = status.active.revision if status.active else None
    status = replace(
        status,
        observed_generation=deployment.metadata.generation,
        last_handled_reconcile_at=asked or status.last_handled_reconcile_at,
        last_failure=_last_failure(status, seen),
        url=_url(inputs),
        replicas=sum(pods.there for pods in seen.pods.values()),
        ready_replicas=seen.of(active).ready,
        selector=f"{labels.DEPLOYMENT}={deployment.metadata.name}",
    )
    if inputs.blocked and inputs.blocked.absent:
        lack = inputs.blocked.reason, inputs.blocked.message[:_LONGEST], deployment.metadata.generation
        status = replace(status, conditions=arrival.fresh(status.conditions, *lack))
    wanted = _conditions(inputs, status, seen, now)
    return replace(status, conditions=api_conditions.replaced(status.conditions, wanted, stamp(now)))


def _conditions(inputs: Inputs, status: DeploymentStatus, seen: Observed, now: datetime) -> list[Condition]:
    available = any(seen.of(revision).ready for revision in weights(status))
    stalled = _stalled(inputs, status, seen, now)
    reconciling = None if stalled else _reconciling(inputs, status, seen, available=available)
    if inputs.blocked and _is_awaited(inputs, status, now):
        stalled, reconciling = None, _Word(inputs.blocked.reason, inputs.blocked.message)
    worst = stalled or reconciling
    generation = inputs.deployment.metadata.generation

    def condition(type_: str, state: bool | None, word: _Word) -> Condition:
        made = api_conditions.make(type_, "Unknown" if state is None else state, word.reason, word.message[:_LONGEST])
        return replace(made, observed_generation=generation)

    made = [
        condition(api_conditions.READY, worst is None, worst or _ready(inputs, status, now)),
        condition(api_conditions.AVAILABLE, available, _availability(status, seen, available=available)),
        condition(api_conditions.VERIFIED, *_verification(status, seen)),
    ]
    if reconciling:
        made.append(condition(api_conditions.RECONCILING, True, reconciling))
    if stalled:
        made.append(condition(api_conditions.STALLED, True, stalled))
    return made


def _is_awaited(inputs: Inputs, status: DeploymentStatus, now: datetime) -> bool:
    """Tell whether what the deployment names may still be on its way."""
    lack, generation = inputs.blocked, inputs.deployment.metadata.generation
    if lack is None or not lack.absent:
        return False
    return arrival.awaited(status.conditions, lack.reason, lack.message[:_LONGEST], generation, now)


def _stalled(inputs: Inputs, status: DeploymentStatus, seen: Observed, now: datetime) -> _Word | None:
    if inputs.blocked:
        return _Word(inputs.blocked.reason, inputs.blocked.message)
    if seen.denied and not inputs.suspended(now):
        return _Word(seen.denied.reason, seen.denied.message)
    if inputs.override:
        spec = inputs.override.spec
        until = stamp(override_ends(inputs.override))
        return _Word(
            "Overridden", f"{spec.by} serves version {spec.version} until {until}, whatever git says: {spec.reason}"
        )
    suspend = inputs.deployment.spec.suspend
    if suspend and inputs.suspended(now):
        wanted = revisions.render(inputs)
        if status.rollout or status.active is None or status.active.revision != wanted.name:
            return _Word("Suspended", f"version {wanted.version} waits until spec.suspend is lifted: {suspend.reason}")
        return None
    if inputs.rejected and inputs.version:
        why = inputs.version.spec.lifecycle.reason or "no reason given"
        return _Word(
            "Rejected", f"ModelVersion {inputs.version.metadata.name} is Rejected: {why}; name another version"
        )
    if status.refused:
        refused = status.refused
        said = f"version {refused.version} (revision {refused.revision}) failed: {refused.reason}: {refused.message}"
        return _Word("RolledBack", f"{said}; name another version, or annotate {labels.RETRY}={refused.revision}")
    return _broken(inputs, status, seen, now) or _lacking(inputs, seen)


def _lacking(inputs: Inputs, seen: Observed) -> _Word | None:
    lack = optional.lacking(inputs.deployment, seen.absent)
    return _Word("MissingApi", lack) if lack else None


def _broken(inputs: Inputs, status: DeploymentStatus, seen: Observed, now: datetime) -> _Word | None:
    """Return what keeps the target from serving that the cluster alone cannot cure."""
    if status.target is None:
        return None
    failure = seen.of(status.target.revision).failure
    if failure is None:
        return _late(inputs, status, now, "")
    version = status.target.version
    if failure.denied:
        return _Word(failure.reason, f"pods of version {version} are refused: {failure.message}")
    if failure.corrupt:
        digests = f"expected digest {failure.expected or status.target.digest}, found {failure.found or 'another'}"
        return _Word("ArtifactCorrupt", f"version {version}: {digests}; restore the original bytes")
    if failure.permanent:
        return _Word(_FETCH_REASONS[failure.reason], f"version {version}: {failure.message}")
    if status.active is None and failure.crashes >= CRASHES:
        ended = f"container {failure.container} of version {version} ended {failure.crashes} times"
        return _Word(failure.reason, f"{ended}: {failure.message}; it is tried again with back-off")
    return _late(inputs, status, now, f": {failure.reason}: {failure.message}")


def _late(inputs: Inputs, status: DeploymentStatus, now: datetime, because: str) -> _Word | None:
    """Return that a first roll-out should be ready by now; any other would have been rolled back."""
    rollout = status.rollout
    if rollout and rollout.phase == "Starting" and not status.active and ready_by(inputs.deployment, rollout) <= now:
        return _Word("NotReadyInTime", f"no pod is ready since {rollout.started_at}{because}")
    return None


def _reconciling(inputs: Inputs, status: DeploymentStatus, seen: Observed, *, available: bool) -> _Word | None:
    if status.rollout and status.target:
        return _progress(inputs, status, seen)
    if not available:
        return _Word("Unavailable", "no pod that could answer is ready")
    if not settled(inputs.deployment, status, seen):
        problem = seen.route.problem if seen.route else ""
        return _Word("RoutePending", problem or "the route does not lead to the version yet")
    return None


def _progress(inputs: Inputs, status: DeploymentStatus, seen: Observed) -> _Word:
    assert status.rollout is not None and status.target is not None
    rollout, target = status.rollout, status.target
    moves = steps(inputs.deployment)
    where = f"step {rollout.step + 1} of {len(moves)}" if rollout.step < len(moves) else "the last step"
    said = f"version {target.version} (revision {target.revision}) takes {rollout.weight} % at {where}"
    if inputs.deployment.metadata.annotations.get(labels.PAUSE) == target.revision:
        return _Word("Paused", f"{said}; annotation {labels.PAUSE} holds it")
    failure = seen.of(target.revision).failure
    if rollout.phase == "Starting":
        because = f": {failure.reason}: {failure.message}" if failure else ""
        return _Word("Starting", f"{said}; waits for ready pods{because}")
    if rollout.phase == "Shifting":
        problem = seen.route.problem if seen.route else ""
        return _Word("Shifting", f"{said}; waits for the route{': ' + problem if problem else ''}")
    pause = moves[rollout.step].pause if rollout.step < len(moves) else "0s"
    return _Word("Pausing", f"{said} for {pause} since {rollout.step_started_at}")


def _ready(inputs: Inputs, status: DeploymentStatus, now: datetime) -> _Word:
    serving = f"version {status.active.version} takes all traffic" if status.active else "nothing shall serve"
    suspend = inputs.deployment.spec.suspend
    if suspend and inputs.suspended(now):
        return _Word("Suspended", f"{serving}; changes wait: {suspend.reason}")
    return _Word("Serving", serving)


def _availability(status: DeploymentStatus, seen: Observed, *, available: bool) -> _Word:
    if available:
        counts = (f"{seen.of(revision).ready} of revision {revision}" for revision in sorted(weights(status)))
        return _Word("Answering", f"ready pods: {', '.join(counts)}")
    return _Word("NothingReady", "no pod that could answer is ready")


def _verification(status: DeploymentStatus, seen: Observed) -> tuple[bool | None, _Word]:
    shall = seen.of(status.target.revision) if status.target else observed.Pods()
    if shall.failure and shall.failure.corrupt and status.target:
        failure, target = shall.failure, status.target
        digests = f"expected digest {failure.expected or target.digest}, found {failure.found or 'another'}"
        return False, _Word("DigestMismatch", f"version {target.version}: {digests}")
    for reference in (status.active, status.target):
        if reference and (seen.of(reference.revision).ready or seen.of(reference.revision).verified):
            return True, _Word("DigestMatches", f"version {reference.version} is {reference.digest}")
    return None, _Word("NotFetched", "no package has been fetched and verified yet")


def _last_failure(status: DeploymentStatus, seen: Observed) -> Failure | None:
    for reference in (status.target, status.active):
        failure = seen.of(reference.revision).failure if reference else None
        if reference and failure:
            return Failure(
                reason=failure.reason,
                message=failure.message or None,
                exit_code=failure.exit_code,
                container=failure.container or None,
                version=reference.version,
                revision=reference.revision,
            )
    return status.last_failure


def _url(inputs: Inputs) -> str | None:
    metadata, route = inputs.deployment.metadata, inputs.deployment.spec.route
    if route is None:
        return f"http://{metadata.name}.{metadata.namespace}.svc"
    host = next((name for name in route.hostnames if not name.startswith("*")), None)
    return f"http://{host}{route.path}" if host else None
