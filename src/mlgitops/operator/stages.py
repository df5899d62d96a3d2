"""ModelStages: Ready when every ModelDeployment that follows one serves its version."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mlgitops import api, plan
from mlgitops.api import ModelDeployment, ModelStage, conditions
from mlgitops.errors import InvalidError
from mlgitops.kube import Key, Raw
from mlgitops.operator import kinds, statuses
from mlgitops.operator.deployments.related import BY_STAGE
from mlgitops.operator.runtime import Caches, Context, Controller, Result, Stalled, Watch


def controller() -> Controller:
    """Return the controller of ModelStages."""
    return Controller(
        resource=kinds.MODEL_STAGES,
        reconcile=reconcile,
        watches=(
            Watch(kinds.MODEL_DEPLOYMENTS, _followed),
            Watch(kinds.MODEL_VERSIONS, _naming),
        ),
        indexes=(BY_STAGE,),
    )


async def reconcile(key: Key, context: Context) -> Result:
    """Summarise on one ModelStage what its followers do."""
    raw = context.get(kinds.MODEL_STAGES, key)
    if raw is None or "deletionTimestamp" in raw["metadata"]:
        return Result()
    stage = _read(raw)
    version = f"{stage.spec.model_ref.name}.{stage.spec.version}"
    followers = [found for other in context.lookup(BY_STAGE, key) if (found := _follower(other))]
    known = context.get(kinds.MODEL_VERSIONS, (key[0], version)) is not None
    status = plan.stage_status(stage, followers, known=known, now=context.now())
    if status != stage.status:
        await statuses.write(context, raw, replace(stage, status=status))
    waits = not known and not conditions.is_true(status.conditions, conditions.STALLED)
    return Result(after=plan.GRACE.total_seconds() if waits else None)


def _read(raw: Raw) -> ModelStage:
    try:
        found = api.parse(raw)
    except InvalidError as error:
        raise Stalled(str(error), reason="Invalid") from error
    assert isinstance(found, ModelStage)
    return found


def _follower(raw: Raw) -> ModelDeployment | None:
    try:
        found = api.parse(raw)
    except InvalidError:
        return None  # its own controller says so
    return found if isinstance(found, ModelDeployment) else None


def _followed(raw: Raw, _: Caches) -> Iterable[Key]:
    stage = raw["spec"].get("stage")
    return [(raw["metadata"]["namespace"], f"{raw['spec']['modelRef']['name']}.{stage}")] if stage else []


def _naming(raw: Raw, caches: Caches) -> Iterable[Key]:
    """Yield the stages of a version's model that name it."""
    spec = raw["spec"]
    stages = caches.cache(kinds.MODEL_STAGES).namespace(raw["metadata"]["namespace"])
    return [
        key
        for key, stage in stages.items()
        if (stage["spec"]["modelRef"]["name"], stage["spec"]["version"]) == (spec["modelRef"]["name"], spec["version"])
    ]
