"""ModelDeployments: resolve, observe, decide, write the status, then apply what follows from it.

The order is the whole trick. The status is written before anything is changed, with the
resourceVersion that was read, so a decision on an old copy is refused and a process
that dies at any point finds its own intention again. All judgement lies in ``plan``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlgitops import api, kube, plan
from mlgitops.api import DeploymentStatus, ModelDeployment, conditions
from mlgitops.errors import InvalidError
from mlgitops.kube import Key, Raw
from mlgitops.operator import kinds, statuses
from mlgitops.operator.deployments import related, sizes
from mlgitops.operator.deployments.catalog import CachedCatalog
from mlgitops.operator.runtime import Context, Controller, Result, Stalled
from mlgitops.plan import denials
from mlgitops.plan.owned import CHILD_KINDS

# Seconds until a name that somebody else's object has is looked at again.
_NAME_TAKEN_AGAIN = 5.0
# Seconds until it is seen that somebody has installed an API.
_API_AGAIN = 10.0

_RESOURCES = {kind.kind: kind for kind in CHILD_KINDS}


def controller() -> Controller:
    """Return the controller of ModelDeployments."""
    return Controller(
        resource=kinds.MODEL_DEPLOYMENTS,
        reconcile=reconcile,
        watches=related.WATCHES,
        indexes=(related.PODS, related.BY_MODEL, related.BY_STAGE, *related.CHILDREN.values()),
    )


async def reconcile(key: Key, context: Context) -> Result:
    """Bring one ModelDeployment a step nearer to what git says."""
    raw = context.get(kinds.MODEL_DEPLOYMENTS, key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return Result()  # the children go with their owner
    deployment = _read(raw)
    now = context.now()
    inputs = plan.resolve(deployment, CachedCatalog(context.caches, key[0]), now)
    owned = _owned(context, deployment)
    seen = plan.observe(
        deployment.metadata.name,
        owned,
        context.lookup(related.PODS, key),
        routed=deployment.spec.route is not None,
        absent=_absent(context),
        denied=denials.remembered(deployment.status.conditions, deployment.metadata.generation),
    )
    status = plan.step(inputs, deployment.status, seen, now)
    wanted = plan.children(inputs, status, seen.revisions)
    taken = _taken(context, deployment, wanted)
    if taken:
        # Nothing new begins, above all no traffic to a Service that is not ours; what there was is kept up.
        inputs = replace(inputs, blocked=taken)
        status = plan.step(inputs, deployment.status, seen, now)
        wanted = plan.children(inputs, status, seen.revisions)
    stored = await _write(context, raw, deployment, status)
    denied = None
    if not inputs.suspended(now):
        ours = [child for child in wanted if not _is_foreign(context, deployment, child)]
        denied = await _apply(context, [child for child in ours if child["kind"] not in seen.absent])
        for child in plan.surplus(inputs, status, owned, wanted):
            await context.delete(child)
        if denied != seen.denied:
            # Only a try tells. What was decided stands; how things stand is told again.
            deployment = replace(deployment, status=status)
            status = plan.describe(inputs, status, replace(seen, denied=denied), now)
            await _write(context, stored, deployment, status)
    again = plan.wake(inputs, status, now)
    waits = [again.total_seconds()] if again else []
    waits += [denials.again(status.conditions, now).total_seconds()] if denied else []
    waits += [_NAME_TAKEN_AGAIN] if taken else []
    waits += [_API_AGAIN] if any(child["kind"] in seen.absent for child in wanted) else []
    return Result(after=min(waits, default=None))


def _read(raw: Raw) -> ModelDeployment:
    try:
        found = api.parse(raw)
    except InvalidError as error:
        raise Stalled(str(error), reason="Invalid") from error
    assert isinstance(found, ModelDeployment)
    return found


def _owned(context: Context, deployment: ModelDeployment) -> list[Raw]:
    uid = deployment.metadata.uid
    return [raw for index in related.CHILDREN.values() for raw in context.lookup(index, uid)]


def _absent(context: Context) -> list[str]:
    """Return the kinds of children that the cluster does not serve."""
    reflectors = [context.caches.reflector(kind) for kind in CHILD_KINDS]
    return [found.resource.kind for found in reflectors if found and found.absent]


def _taken(context: Context, deployment: ModelDeployment, wanted: tuple[Raw, ...]) -> plan.Blocked | None:
    """Return a block when a child's name belongs to an object that is not ours; we take nothing over."""
    for child in wanted:
        if _is_foreign(context, deployment, child):
            name = f"{child['kind']} {child['metadata']['name']}"
            message = f"{name} exists and belongs to somebody else; delete it, or rename this ModelDeployment"
            return plan.Blocked("NameTaken", message)
    return None


def _is_foreign(context: Context, deployment: ModelDeployment, child: Raw) -> bool:
    """Tell whether an object with this child's name is there that the deployment does not own."""
    live = context.get(_RESOURCES[child["kind"]], kube.key_of(child))
    owners = live["metadata"].get("ownerReferences", ()) if live else ()
    ours = any(owner["uid"] == deployment.metadata.uid and owner.get("controller") for owner in owners)
    return live is not None and not ours


async def _apply(context: Context, children: Iterable[Raw]) -> plan.Denial | None:
    """Apply children, each whatever became of the others; returns the first that the API server refused."""
    found = None
    for child in children:
        try:
            await sizes.release(context, child)
            await context.apply(child)
        except (kube.Invalid, kube.Forbidden) as error:
            found = found or denials.denial(f"{child['kind']} {child['metadata']['name']}", error.message)
    return found


async def _write(context: Context, raw: Raw, deployment: ModelDeployment, status: DeploymentStatus) -> Raw:
    """Write a status that differs and return the object as it is stored now."""
    if status == deployment.status:
        return raw
    stored = await statuses.write(context, raw, replace(deployment, status=status))
    _tell(context, raw, deployment.status, status)
    return stored


def _tell(context: Context, raw: Raw, before: DeploymentStatus, after: DeploymentStatus) -> None:
    """Post an Event when what Ready says has changed."""
    old = conditions.find(before.conditions, conditions.READY)
    new = conditions.find(after.conditions, conditions.READY)
    if new and (old is None or old.reason != new.reason):
        stalled = conditions.is_true(after.conditions, conditions.STALLED)
        context.event(raw, new.reason, new.message[:1024], "Warning" if stalled else "Normal")
