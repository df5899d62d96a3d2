"""What a merge changes in a cluster as it stands: drift, roll-outs under way and people's overrides included.

Pure: what the namespace holds was read before (``Namespace``). Both states are compared by
``difference.between``, as those of two trees are; what only a cluster knows comes in here.
Children are compared on the fields that the operator owns, in the words of the objects that
it would apply, so that a difference is what the API server would change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlgitops import api, kube
from mlgitops.api import DeploymentStatus, ModelDeployment, ModelOverride
from mlgitops.api.deployment import RevisionReference, ServedRevision
from mlgitops.errors import InvalidError
from mlgitops.plan import labels
from mlgitops.plan.children import children
from mlgitops.plan.closure import closure
from mlgitops.plan.difference import Plan, between, pairs
from mlgitops.plan.inputs import resolve
from mlgitops.plan.observed import observe
from mlgitops.plan.owned import owner_of
from mlgitops.plan.revisions import Revision, render
from mlgitops.plan.rollout import HISTORY
from mlgitops.plan.state import DeploymentKey, ObjectKey, Raw, Side, State, TreeCatalog, objects_of
from mlgitops.plan.times import stamp
from mlgitops.registry.documents import Document
from mlgitops.registry.tree import Entry, Tree

if TYPE_CHECKING:
    from mlgitops.api.kinds import Resource

# Kinds of git that belong to one environment; the others are shared by all.
_OF_ENVIRONMENT = frozenset({"ModelDeployment", "ModelOverride"})
# What people apply by hand; that git does not have it means nothing.
_BY_HAND = frozenset({"ModelOverride", "RegistrySource"})
_SOURCE = f"{labels.GROUP}/source"


@dataclass(frozen=True, slots=True)
class Namespace:
    """What a namespace holds: objects of our kinds, and what their deployments may own, as the API server has them."""

    name: str
    ours: tuple[Raw, ...]
    children: tuple[Raw, ...]


def diff(namespace: Namespace, tree: Tree, environment: str, now: datetime) -> Plan:
    """Return what changes in a namespace when it agrees with a registry tree.

    Args:
        namespace: what is there now.
        tree: the registry as it would be merged.
        environment: whose deployments the namespace holds.
        now: decides which overrides and suspensions are in force.
    """
    seen = _Seen.of(namespace, environment)
    wanted = _objects(seen, tree)
    catalog = TreeCatalog(tree, environment, seen.overrides)
    after = {
        (environment, deployment.metadata.name): _after(deployment, seen, catalog, now)
        for deployment in tree.deployments(environment)
    }
    before = {key: _before(seen, key[1], after.get(key), now) for key in seen.keys}
    return between(State(_as_git(seen, wanted), before), State(wanted, after), now)


@dataclass(frozen=True, slots=True)
class _Seen:
    """A namespace, read: its objects of our kinds typed, and each deployment's children."""

    namespace: Namespace
    environment: str
    tree: Tree
    children: Mapping[str, tuple[Raw, ...]]

    @classmethod
    def of(cls, namespace: Namespace, environment: str) -> _Seen:
        entries = (
            Entry(Document("", raw, b""), environment if raw["kind"] in _OF_ENVIRONMENT else "", resource)
            for raw in namespace.ours
            if (resource := _read(raw))
        )
        owned: dict[str, list[Raw]] = {}
        for raw in namespace.children:
            owned.setdefault(owner_of(raw) or "", []).append(raw)
        return cls(namespace, environment, Tree(entries), {uid: tuple(raws) for uid, raws in owned.items()})

    @property
    def keys(self) -> list[DeploymentKey]:
        return [(self.environment, found.metadata.name) for found in self.tree.all(ModelDeployment)]

    @property
    def overrides(self) -> dict[str, ModelOverride]:
        return {override.metadata.name: override for override in self.tree.all(ModelOverride)}

    def deployment(self, name: str) -> ModelDeployment | None:
        return self.tree.find(ModelDeployment, name)

    def owned(self, deployment: ModelDeployment | None) -> tuple[Raw, ...]:
        return self.children.get(deployment.metadata.uid, ()) if deployment else ()

    def revisions(self, deployment: ModelDeployment | None) -> Mapping[str, Revision]:
        if deployment is None:
            return {}
        routed = deployment.spec.route is not None
        return observe(deployment.metadata.name, self.owned(deployment), (), routed=routed).revisions


def _read(raw: Raw) -> Resource | None:
    try:
        return api.parse(raw)
    except InvalidError:
        return None  # the operator passes over it too


def _objects(seen: _Seen, tree: Tree) -> dict[ObjectKey, Raw]:
    """Return the objects of git that the namespace shall hold; a RegistrySource brings only what is needed there."""
    found = {key: raw for key, raw in objects_of(tree).items() if key[0] in ("", seen.environment)}
    ours = seen.namespace.ours
    if not any(_SOURCE in raw["metadata"].get("labels", {}) for raw in ours):
        return found
    by_kind = {kind: [raw for raw in ours if raw["kind"] == kind] for kind in _OF_ENVIRONMENT}
    needed = closure({key[1:]: raw for key, raw in found.items()}, by_kind["ModelDeployment"], by_kind["ModelOverride"])
    return {key: raw for key, raw in found.items() if key[1:] in needed}


def _as_git(seen: _Seen, wanted: Mapping[ObjectKey, Raw]) -> dict[ObjectKey, Raw]:
    """Return the namespace's objects of our kinds as git would have them, but for what others added to metadata."""
    found = {}
    for entry in seen.tree.entries:
        key = (entry.environment, *entry.key)
        if key in wanted or entry.key[0] not in _BY_HAND:
            found[key] = _written(entry.document.raw, wanted.get(key))
    return found


def _written(live: Mapping[str, Any], wanted: Raw | None) -> Raw:
    metadata: Raw = {"name": live["metadata"]["name"]}
    for field in ("labels", "annotations"):
        named = wanted["metadata"].get(field, {}) if wanted else {}
        metadata[field] = {key: value for key, value in live["metadata"].get(field, {}).items() if key in named}
    return api.dump(api.parse({**{key: live[key] for key in ("apiVersion", "kind", "spec")}, "metadata": metadata}))


def _before(seen: _Seen, name: str, after: Side | None, now: datetime) -> Side:
    deployment = seen.deployment(name)
    assert deployment is not None
    inputs = resolve(deployment, TreeCatalog(seen.tree, seen.environment), now)
    active = deployment.status.active
    revision = seen.revisions(deployment).get(active.revision) if active else None
    matched = pairs(seen.owned(deployment), after.objects if after else ())
    objects = (
        kube.in_our_words(live, wanted or {}, labels.FIELD_MANAGER) if wanted else live
        for live, wanted in matched
        if live is not None
    )
    return Side(inputs, revision, tuple(objects))


def _after(deployment: ModelDeployment, seen: _Seen, catalog: TreeCatalog, now: datetime) -> Side:
    """Return a deployment of git in the state that its roll-out ends in, with the cluster's memory of it."""
    live = seen.deployment(deployment.metadata.name)
    metadata = replace(
        deployment.metadata, namespace=seen.namespace.name, uid=live.metadata.uid if live else deployment.metadata.uid
    )
    known = replace(deployment, metadata=metadata, status=live.status if live else DeploymentStatus())
    inputs = resolve(known, catalog, now)
    if inputs.blocked:
        return Side(inputs)
    revision = render(inputs)
    ended = _ended(known.status, revision, now)
    return Side(inputs, revision, children(inputs, ended, seen.revisions(live)), _under_way(known.status, revision))


def _ended(status: DeploymentStatus, revision: Revision, now: datetime) -> DeploymentStatus:
    """Return the status when a revision serves alone and nothing else is to be done."""
    reference = RevisionReference(revision.name, revision.version, revision.digest)
    refused = status.refused if status.refused and status.refused.revision == revision.name else None
    serves = status.active is not None and status.active.revision == revision.name
    if serves and status.rollout is None:
        return replace(status, target=reference, refused=refused)
    entry = ServedRevision(revision.name, revision.version, revision.digest, stamp(now))
    return replace(
        status,
        active=reference,
        target=reference,
        refused=refused,
        rollout=None,
        retiring=(),
        history=status.history if serves else (entry, *status.history)[:HISTORY],
    )


def _under_way(status: DeploymentStatus, revision: Revision) -> str:
    if status.rollout is None or status.target is None or status.target.revision != revision.name:
        return ""
    rollout = status.rollout
    return f"its roll-out is under way: {rollout.phase.lower()} at step {rollout.step}, {rollout.weight} % of traffic"
