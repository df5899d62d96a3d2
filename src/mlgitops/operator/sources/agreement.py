"""Make a namespace agree with a checkout: compare, apply, prune.

Nothing is sent for an object that does not differ. After any failure nothing is pruned:
what looks superfluous may be what the failed object was to replace.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from mlgitops import api, kube
from mlgitops.kube import Key, Raw
from mlgitops.operator import kinds
from mlgitops.operator.runtime import Caches, Context, Index, Watch
from mlgitops.operator.sources import inventory
from mlgitops.operator.sources.checkout import Checkout
from mlgitops.operator.sources.conditions import Verdict
from mlgitops.plan.closure import Name, closure

# Not the operator's own: what was copied from git and what was derived from it have different owners.
FIELD_MANAGER = "mlgitops-source"

# What others refer to goes first, so that no deployment is judged before its version is there.
_ORDER = (
    ("ServingRuntime", "PromotionPolicy", "Model", "ModelVersion"),
    ("ModelStage", "ModelDeployment", "ModelOverride"),
)
_APPLIED = {kind.kind: kind for kind in kinds.OUR_KINDS if kind != kinds.REGISTRY_SOURCES}
_AT_ONCE = 16
_SHOWN = 5


def _source(raw: Raw) -> Iterable[Key]:
    name = inventory.source_of(raw)
    return [(raw["metadata"]["namespace"], name)] if name else []


def _source_key(raw: Raw, _: Caches) -> Iterable[Key]:
    return _source(raw)


def _overridden(raw: Raw, caches: Caches) -> Iterable[Key]:
    """Return the source of the deployment that an override is for: it may have to bring a version."""
    metadata = raw["metadata"]
    deployment = caches.get(kinds.MODEL_DEPLOYMENTS, (metadata["namespace"], metadata["name"]))
    return _source(deployment) if deployment else []


INVENTORY = tuple(Index(kind, _source) for kind in _APPLIED.values())
WATCHES = (
    *(Watch(kind, _source_key) for kind in _APPLIED.values()),
    Watch(kinds.MODEL_OVERRIDES, _overridden),
)


async def agree(context: Context, source: api.RegistrySource, found: Checkout) -> Verdict:
    """Apply what the cluster needs of a checkout, delete what left it, and say how it went."""
    namespace, name = key = source.metadata.namespace, source.metadata.name
    deployments, overrides = (
        context.cache(kind).namespace(namespace).values() for kind in (kinds.MODEL_DEPLOYMENTS, kinds.MODEL_OVERRIDES)
    )
    wanted = closure(found.objects, deployments, overrides)
    others = [
        f"{kind} {object_name} belongs to {owner}"
        for kind, object_name in wanted
        if (live := context.get(_APPLIED[kind], (namespace, object_name)))
        and (owner := inventory.other_owner(live, name))
    ]
    if others:
        return Verdict("OwnedByOther", f"{_some(others)}; let one of the two apply it", stalled=True)
    failures = await _apply(context, {each: inventory.labelled(raw, name, namespace) for each, raw in wanted.items()})
    if failures:
        hopeless = all(isinstance(error, kube.Invalid) for error in failures)
        return Verdict("ApplyFailed", _some([str(error) for error in failures]), stalled=hopeless, trying=not hopeless)
    live_now = [raw for index in INVENTORY for raw in context.lookup(index, key)]
    pruning = inventory.prune(live_now, wanted, found.objects, source.spec.prune.max_percent)
    if source.spec.prune.enabled:
        if pruning.refused:
            return _too_many(pruning, source.spec.prune.max_percent)
        for victim in reversed(pruning.victims):
            await context.delete(victim)
    tag = f"{found.head.tag}, " if found.head.tag else ""
    unused = len(found.objects) - len(wanted)
    rest = f"; {unused} more are in git, which no deployment uses" if unused else ""
    return Verdict("Applied", f"{tag}{found.commit}: {len(wanted)} objects applied{rest}")


async def _apply(context: Context, wanted: Mapping[Name, Raw]) -> list[kube.KubeError]:
    """Apply what differs and return what went wrong; the second group waits for the first."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def apply(raw: Raw) -> kube.KubeError | None:
        async with gate:
            try:
                await context.apply(raw, field_manager=FIELD_MANAGER)
            except kube.KubeError as error:
                return error
            return None

    for group in _ORDER:
        # Only what differs becomes a task: a registry may hold ten thousand objects that do not.
        changed = [raw for (kind, _), raw in wanted.items() if kind in group and _differs(context, raw)]
        failures = [error for error in await asyncio.gather(*map(apply, changed)) if error]
        if failures:
            return failures
    return []


def _differs(context: Context, raw: Raw) -> bool:
    live = context.get(_APPLIED[raw["kind"]], kube.key_of(raw))
    return live is None or kube.differs(raw, live, FIELD_MANAGER)


def _too_many(pruning: inventory.Pruning, max_percent: int) -> Verdict:
    message = (
        f"{pruning.left_git} of {pruning.owned} objects are no longer in git, more than {max_percent} %; nothing was "
        "deleted. If that is meant, raise spec.prune.maxPercent; if not, look at spec.ref and spec.paths"
    )
    return Verdict("PruneLimit", message, stalled=True)


def _some(messages: list[str]) -> str:
    more = f"; and {len(messages) - _SHOWN} more" if len(messages) > _SHOWN else ""
    return "; ".join(messages[:_SHOWN]) + more
