"""The roll-out: one pure step from what was decided to what shall be done next.

    (nothing) ── target differs ──▶ Starting ── enough pods ready ──▶ Shifting
                                       ▲                                  │ gateway has taken the weight
                                       └── pause is over ── Pausing ◀─────┤
                                                                          ▼ at 100 %
                                                          target is active; the old one retires

``status.rollout`` is a write-ahead record: a step is written before anything is changed
in the cluster, and the children follow from the written status alone. So a process that
dies anywhere repeats nothing, and every rule here looks only at what is written and at
what is there (design 0001; the table of situations is the test's).
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from mlgitops.api import DeploymentStatus
from mlgitops.api.conditions import RECONCILING, find
from mlgitops.api.deployment import (
    INDEFINITE,
    Refusal,
    RetiringRevision,
    RevisionReference,
    RolloutStatus,
    ServedRevision,
)
from mlgitops.plan import arrival, labels
from mlgitops.plan.conditions import CRASHES, describe
from mlgitops.plan.inputs import Inputs, override_ends
from mlgitops.plan.observed import Observed, Pods
from mlgitops.plan.recovery import is_lost, recover
from mlgitops.plan.revisions import Revision, render
from mlgitops.plan.times import duration, moment, stamp
from mlgitops.plan.traffic import ALL, DRAIN, full_size, needed, ready_by, settled, sizes, step_weight, steps

HISTORY: Final = 5
# While only a repair can help, the clock is set back so often and not on every look.
_PATIENCE: Final = timedelta(minutes=1)


def step(inputs: Inputs, status: DeploymentStatus, observed: Observed, now: datetime) -> DeploymentStatus:
    """Return the next status of a deployment: what it decides, and how things stand.

    Applied to its own result with nothing changed around it, it returns that result.
    """
    if is_lost(status):
        status = recover(inputs.deployment, observed, now)
    target = None if inputs.blocked else render(inputs)
    if target and not inputs.suspended(now):
        status = _decide(inputs, target, _release(inputs, status, observed, now), observed, now)
    return describe(inputs, status, observed, now)


def wake(inputs: Inputs, status: DeploymentStatus, now: datetime) -> timedelta | None:
    """Return after what time a step could differ although nothing else changes, None for never."""
    spec = inputs.deployment.spec
    due = [moment(old.until) for old in status.retiring if old.until]
    if inputs.override:
        due.append(override_ends(inputs.override))
    if inputs.suspended(now):
        due = [moment(spec.suspend.until)] if spec.suspend and spec.suspend.until else []
    elif status.rollout:
        due.extend(_deadlines(inputs, status.rollout))
    waits = find(status.conditions, RECONCILING)
    if inputs.blocked and inputs.blocked.absent and waits:
        due.append(moment(waits.last_transition_time) + arrival.GRACE)
    # What is due already has had its effect in the step before.
    ahead = [time - now for time in due if time > now]
    return timedelta(seconds=math.ceil(min(ahead).total_seconds())) if ahead else None


def _deadlines(inputs: Inputs, rollout: RolloutStatus) -> list[datetime]:
    if rollout.phase == "Starting":
        return [ready_by(inputs.deployment, rollout)]
    if rollout.phase == "Pausing":
        pause = steps(inputs.deployment)[rollout.step].pause if _in_steps(inputs, rollout) else "0s"
        return [] if pause == INDEFINITE else [moment(rollout.step_started_at) + duration(pause)]
    return []


def _decide(
    inputs: Inputs, target: Revision, status: DeploymentStatus, observed: Observed, now: datetime
) -> DeploymentStatus:
    status = _forgive(inputs, target, status)
    serves = status.active is not None and status.active.revision == target.name
    stays_out = status.refused is not None or (inputs.rejected and not _serve_rejected(inputs, status))
    if serves or stays_out:
        return replace(_abandon(inputs, status), target=_reference(target))
    if status.rollout is None or status.target is None or status.target.revision != target.name:
        status = _begin(inputs, target, _abandon(inputs, status), observed, now)
    return _progress(inputs, status, observed, now)


def _forgive(inputs: Inputs, target: Revision, status: DeploymentStatus) -> DeploymentStatus:
    """Forget a refusal when the target leaves it, or once for each time that a person asks to try again."""
    if status.refused is None:
        return status
    asked = _commands(inputs, labels.RETRY, target.name)
    if status.refused.revision != target.name or (asked and not status.refused.retried):
        return replace(status, refused=None, last_failure=None)
    return replace(status, refused=replace(status.refused, retried=asked))


def _serve_rejected(inputs: Inputs, status: DeploymentStatus) -> bool:
    return status.active is None and inputs.policy is not None and inputs.policy.spec.on_rejected == "Serve"


def _begin(
    inputs: Inputs, target: Revision, status: DeploymentStatus, observed: Observed, now: datetime
) -> DeploymentStatus:
    spec = inputs.deployment.spec
    first = status.active is None
    # A first roll-out takes nothing away from anybody, so the route leads to it from the start.
    rollout = _measured(
        inputs,
        status,
        observed,
        RolloutStatus("Starting", stamp(now), stamp(now), step=0, weight=ALL if first else 0),
    )
    enough = full_size(inputs.deployment, rollout)
    # What served until it was replaced, and still has all its pods, needs no canary to serve again. What was
    # rolled back from or refused does: it was just judged bad.
    returning = any(old.revision == target.name and old.proven and old.replicas >= enough for old in status.retiring)
    at_once = first or returning or inputs.override is not None or spec.rollout.strategy == "BlueGreen"
    retiring = tuple(
        # What was kept in case of a return gives its place to the new roll-out.
        replace(old, until=min(old.until, stamp(now + DRAIN))) if old.until else old
        for old in status.retiring
        if old.revision != target.name
    )
    return replace(
        status,
        target=_reference(target),
        rollout=replace(rollout, step=len(steps(inputs.deployment)) if at_once else 0, returning=returning),
        retiring=retiring,
        last_failure=None,
    )


def _measured(inputs: Inputs, status: DeploymentStatus, observed: Observed, rollout: RolloutStatus) -> RolloutStatus:
    """Note how many pods serve as a step begins: where load decides that, a share of traffic is one of them."""
    if inputs.deployment.spec.autoscaling is None or status.active is None:
        return rollout
    return replace(rollout, stable_replicas=observed.of(status.active.revision).wanted)


def _progress(inputs: Inputs, status: DeploymentStatus, observed: Observed, now: datetime) -> DeploymentStatus:
    """Move a roll-out as far as the cluster allows; at most one change of weights."""
    assert status.rollout is not None and status.target is not None
    refusal = _refusal(inputs, status, observed, now)
    if refusal and status.active:
        return _refuse(inputs, status, *refusal, now)
    if _commands(inputs, labels.PAUSE, status.target.revision):
        return status
    rollout = _patient(status.rollout, observed, observed.of(status.target.revision), now)
    if observed.denied:
        # Traffic goes to nobody of whom the API server has refused a part.
        return replace(status, rollout=rollout)
    ready = observed.of(status.target.revision).ready
    if rollout.weight and status.active and not ready and needed(inputs.deployment, rollout, rollout.weight):
        # Nobody answers for the new revision's share, though somebody shall: give it back until somebody does.
        return replace(status, rollout=replace(rollout, phase="Starting", weight=0, step_started_at=stamp(now)))
    if rollout.phase == "Shifting" and settled(inputs.deployment, status, observed):
        if rollout.weight == ALL:
            return _complete(inputs, status, observed, now)
        rollout = replace(rollout, phase="Pausing", step_started_at=stamp(now))
    if rollout.phase == "Pausing" and _pause_is_over(inputs, status.target, rollout, now):
        rollout = replace(rollout, phase="Starting", step=rollout.step + 1, step_started_at=stamp(now))
        rollout = _measured(inputs, status, observed, rollout)
    weight = step_weight(inputs.deployment, rollout.step)
    if rollout.phase == "Starting" and ready >= needed(inputs.deployment, rollout, weight):
        rollout = replace(rollout, phase="Shifting", weight=weight, step_started_at=stamp(now))
    status = replace(status, rollout=rollout)
    if rollout.phase == "Shifting" and rollout.weight == ALL and settled(inputs.deployment, status, observed):
        # Only a first roll-out comes here at once: its route led to it before.
        return _complete(inputs, status, observed, now)
    return status


def _patient(rollout: RolloutStatus, observed: Observed, pods: Pods, now: datetime) -> RolloutStatus:
    """Begin the time to become ready again while the artifact or the namespace waits for its repair."""
    stuck = rollout.phase == "Starting" and _is_blameless(observed, pods)
    again = moment(rollout.step_started_at) + _PATIENCE <= now
    return replace(rollout, step_started_at=stamp(now)) if stuck and again else rollout


def _is_blameless(observed: Observed, pods: Pods) -> bool:
    """Tell whether what keeps a revision from starting is not its own fault: a repair lets it go on."""
    failure = pods.failure
    return observed.denied is not None or (failure is not None and (failure.permanent or failure.denied))


def _in_steps(inputs: Inputs, rollout: RolloutStatus) -> bool:
    return rollout.step < len(steps(inputs.deployment))


def _pause_is_over(inputs: Inputs, target: RevisionReference, rollout: RolloutStatus, now: datetime) -> bool:
    if not _in_steps(inputs, rollout) or _commands(inputs, labels.ADVANCE, f"{target.revision}/{rollout.step}"):
        return True
    pause = steps(inputs.deployment)[rollout.step].pause
    return pause != INDEFINITE and moment(rollout.step_started_at) + duration(pause) <= now


def _refusal(inputs: Inputs, status: DeploymentStatus, observed: Observed, now: datetime) -> tuple[str, str] | None:
    """Return reason and message why the target's roll-out has failed, None while it may still succeed."""
    assert status.rollout is not None and status.target is not None
    if _commands(inputs, labels.ABORT, status.target.revision):
        return "Aborted", f"annotation {labels.ABORT} names revision {status.target.revision}"
    pods = observed.of(status.target.revision)
    failure = pods.failure
    if _is_blameless(observed, pods):
        return None
    if failure and failure.crashes >= CRASHES:
        code = "" if failure.exit_code is None else f" with exit code {failure.exit_code}"
        return failure.reason, f"container {failure.container} ended {failure.crashes} times{code}: {failure.message}"
    weight = step_weight(inputs.deployment, status.rollout.step)
    enough = pods.ready >= needed(inputs.deployment, status.rollout, weight)
    if status.rollout.phase == "Starting" and not enough and ready_by(inputs.deployment, status.rollout) <= now:
        because = f": {failure.reason}: {failure.message}" if failure else ""
        return "NotReadyInTime", f"not ready since {status.rollout.step_started_at}{because}"
    return None


def _refuse(inputs: Inputs, status: DeploymentStatus, reason: str, message: str, now: datetime) -> DeploymentStatus:
    assert status.target is not None
    failed = status.target
    refused = Refusal(
        failed.revision,
        failed.version,
        failed.digest,
        reason=reason,
        at=stamp(now),
        message=message[:4096],
        retried=_commands(inputs, labels.RETRY, failed.revision),
    )
    return replace(_abandon(inputs, status), refused=refused)


def _abandon(inputs: Inputs, status: DeploymentStatus) -> DeploymentStatus:
    """Take all traffic back from a roll-out; its pods stay until the gateway no longer sends to them."""
    if status.rollout is None or status.target is None:
        return status
    size = sizes(inputs.deployment, status)[status.target.revision]
    gone = RetiringRevision(status.target.revision, status.target.version, status.target.digest, replicas=size)
    return replace(status, rollout=None, retiring=(*_but(status, gone.revision), gone))


def _complete(inputs: Inputs, status: DeploymentStatus, observed: Observed, now: datetime) -> DeploymentStatus:
    assert status.rollout is not None and status.target is not None
    served, before, proven = status.target, status.active, not status.rollout.returning
    retiring = _but(status, served.revision)
    if before:
        until = stamp(now + max(DRAIN, duration(inputs.deployment.spec.rollout.keep_previous)))
        size = full_size(inputs.deployment, _measured(inputs, status, observed, status.rollout))
        left = RetiringRevision(before.revision, before.version, before.digest, size, until, proven=proven)
        retiring += (left,)
    entry = ServedRevision(served.revision, served.version, served.digest, stamp(now))
    return replace(
        status,
        active=served,
        rollout=None,
        retiring=retiring,
        history=(entry, *status.history)[:HISTORY],
        last_failure=None,
    )


def _release(inputs: Inputs, status: DeploymentStatus, observed: Observed, now: datetime) -> DeploymentStatus:
    """Let revisions go whose time is over, and start the time of those that get no more traffic."""
    if not status.retiring or not settled(inputs.deployment, status, observed):
        return status
    drained = stamp(now + DRAIN)
    timed = (replace(old, until=old.until or drained) for old in status.retiring)
    return replace(status, retiring=tuple(old for old in timed if moment(old.until or drained) > now))


def _but(status: DeploymentStatus, revision: str) -> tuple[RetiringRevision, ...]:
    return tuple(old for old in status.retiring if old.revision != revision)


def _reference(revision: Revision) -> RevisionReference:
    return RevisionReference(revision.name, revision.version, revision.digest)


def _commands(inputs: Inputs, annotation: str, value: str) -> bool:
    return inputs.deployment.metadata.annotations.get(annotation) == value
