"""ModelOverrides: whether break-glass is in force, and until when. Deployments act on it themselves."""

from __future__ import annotations

from dataclasses import replace

from mlgitops import api, kube, plan
from mlgitops.api import ModelDeployment, ModelOverride
from mlgitops.errors import InvalidError
from mlgitops.kube import Key
from mlgitops.operator import kinds, statuses
from mlgitops.operator.runtime import Context, Controller, Result, Stalled, Watch


def controller() -> Controller:
    """Return the controller of ModelOverrides."""
    same_name = Watch(kinds.MODEL_DEPLOYMENTS, lambda raw, _: [kube.key_of(raw)])
    return Controller(resource=kinds.MODEL_OVERRIDES, reconcile=reconcile, watches=(same_name,))


async def reconcile(key: Key, context: Context) -> Result:
    """Say on one ModelOverride whether its deployment serves what it demands."""
    raw = context.get(kinds.MODEL_OVERRIDES, key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return Result()
    other = context.get(kinds.MODEL_DEPLOYMENTS, key)
    try:
        override = api.parse(raw)
        deployment = api.parse(other) if other else None
    except InvalidError as error:
        raise Stalled(str(error), reason="Invalid") from error
    assert isinstance(override, ModelOverride)
    assert deployment is None or isinstance(deployment, ModelDeployment)
    now = context.now()
    status = plan.override_status(override, deployment, now)
    if status != override.status:
        await statuses.write(context, raw, replace(override, status=status))
    left = (plan.override_ends(override) - now).total_seconds()
    return Result(after=left + 1 if left > 0 else None)
