"""What a merge changes in the clusters: the objects of git, and the children that follow from them.

Both sides are rendered by the very functions that the operator runs, in the state that
they end in; how a deployment gets there is told in a sentence.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Literal

from mlgitops.api import ModelDeployment
from mlgitops.api.deployment import INDEFINITE
from mlgitops.plan import labels, wording
from mlgitops.plan.fields import FieldChange, changes
from mlgitops.plan.inputs import Blocked
from mlgitops.plan.reach import KINDS as SHARED
from mlgitops.plan.reach import Reach, reach
from mlgitops.plan.revisions import Revision
from mlgitops.plan.state import WHENEVER, DeploymentKey, ObjectKey, Raw, Side, State, of_git

if TYPE_CHECKING:
    from mlgitops.registry import Tree

Action = Literal["create", "update", "replace", "delete"]
# Kind, whether it belongs to one revision, and the deployment.
Role = tuple[str, bool, str]


@dataclass(frozen=True, slots=True)
class ObjectChange:
    """An object that is made, changed, replaced by one of another name, or deleted."""

    action: Action
    kind: str
    name: str
    fields: tuple[FieldChange, ...] = ()


@dataclass(frozen=True, slots=True)
class DeploymentChange:
    """What happens to one ModelDeployment; ``before`` and ``after`` are versions, None for nothing.

    ``how`` tells how traffic moves. ``blocked`` says why the operator would stall.
    """

    name: str
    environment: str
    before: str | None
    after: str | None
    how: str
    objects: tuple[ObjectChange, ...] = ()
    blocked: Blocked | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a merge changes: objects of git, and deployments with their children.

    ``reaches`` names, for each changed runtime and policy, the deployments that use it.
    """

    objects: tuple[ObjectChange, ...]
    deployments: tuple[DeploymentChange, ...]
    reaches: tuple[Reach, ...] = ()

    @property
    def empty(self) -> bool:
        """True when the merge changes nothing in any cluster."""
        return not self.objects and not self.deployments

    def text(self) -> str:
        """Return it for a terminal; control characters of foreign text are escaped."""
        return wording.text(self)

    def markdown(self) -> str:
        """Return it for a pull request's comment; foreign text is inert."""
        return wording.markdown(self)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return wording.to_json(self)


def diff(before: Tree, after: Tree) -> Plan:
    """Return what changes in the clusters when ``before`` becomes ``after``."""
    return between(of_git(before, after), of_git(after, before))


def between(before: State, after: State, now: datetime = WHENEVER) -> Plan:
    """Return what differs between two states of the clusters; suspensions count that are in force then."""
    old, new = before.deployments, after.deployments
    deployments = (_deployment_change(key, old.get(key), new.get(key), now) for key in sorted(old.keys() | new.keys()))
    changed = tuple(change for change in deployments if change)
    objects = tuple(_of_git(before.objects, after.objects))
    return Plan(objects, changed, tuple(_reaches(objects, changed, old, new)))


def rendered(tree: Tree) -> dict[tuple[str, str], tuple[Raw, ...] | Blocked]:
    """Return what each deployment becomes when its roll-out has ended, by environment and name.

    These are the objects that it owns in the cluster, without what only the cluster knows (their
    namespace and owner), or why nothing can be rendered.
    """
    return {
        key: side.inputs.blocked or tuple(_as_in_git(raw) for raw in side.objects)
        for key, side in of_git(tree).deployments.items()
    }


def _as_in_git(raw: Raw) -> Raw:
    kept = {key: value for key, value in raw["metadata"].items() if key not in ("namespace", "ownerReferences")}
    return {**raw, "metadata": kept}


def _reaches(
    objects: Iterable[ObjectChange],
    deployments: Iterable[DeploymentChange],
    old: Mapping[DeploymentKey, Side],
    new: Mapping[DeploymentKey, Side],
) -> Iterator[Reach]:
    sides = [{key: side.inputs for key, side in found.items()} for found in (old, new)]
    restarted = {
        (change.environment, change.name)
        for change in deployments
        if any(item.kind == "Deployment" and item.action == "replace" for item in change.objects)
    }
    for change in objects:
        if change.kind in SHARED:
            yield reach(change.kind, change.name, sides, restarted)


def _of_git(old: Mapping[ObjectKey, Raw], new: Mapping[ObjectKey, Raw]) -> Iterator[ObjectChange]:
    for key in sorted(old.keys() | new.keys()):
        yield from _object_change(key[1], key[2], old.get(key), new.get(key))


def _object_change(kind: str, name: str, before: Raw | None, after: Raw | None) -> Iterator[ObjectChange]:
    if before is None and after is not None:
        yield ObjectChange("create", kind, name)
    elif before is not None and after is None:
        yield ObjectChange("delete", kind, name)
    elif before is not None and after is not None and before != after:
        fields = changes(before, after)
        if fields:
            yield ObjectChange("update", kind, name, fields)


def _deployment_change(
    key: DeploymentKey, before: Side | None, after: Side | None, now: datetime
) -> DeploymentChange | None:
    old = before.revision if before else None
    new = after.revision if after else None
    objects = tuple(_children(before.objects if before else (), after.objects if after else ()))
    blocked = (after.inputs.blocked or (_hold(old, after, now) if objects else None)) if after else None
    was_blocked = before.inputs.blocked if before else None
    if blocked:
        objects = ()  # it is left as it is
    if not objects and blocked == was_blocked and (before is None) == (after is None):
        return None
    return DeploymentChange(
        name=key[1],
        environment=key[0],
        before=old.version if old else None,
        after=new.version if new else None,
        how="it stays as it is" if blocked else _how(before, after),
        objects=objects,
        blocked=blocked,
    )


def _hold(serving: Revision | None, after: Side, now: datetime) -> Blocked | None:
    """Return why the operator leaves a deployment as it is although everything is there for the change."""
    inputs, revision = after.inputs, after.revision
    suspend, refused = inputs.deployment.spec.suspend, inputs.deployment.status.refused
    if suspend and inputs.suspended(now):
        return Blocked("Suspended", f"nothing changes before that is lifted ({suspend.reason})")
    if revision is None or (serving and serving.name == revision.name):
        return None
    if refused and refused.revision == revision.name:
        why = refused.message or refused.reason
        return Blocked(refused.reason, f"the cluster refused revision {revision.name} before: {why}")
    serves_anyway = serving is None and inputs.policy is not None and inputs.policy.spec.on_rejected == "Serve"
    if inputs.rejected and not serves_anyway:
        return Blocked("Rejected", "the version is Rejected: it is not started")
    return None


def _how(before: Side | None, after: Side | None) -> str:
    if after is None:
        return "it is deleted with its children"
    if after.how:
        return after.how
    if before is None or before.revision is None:
        return "a first roll-out, without a canary"
    if after.revision and before.revision.name == after.revision.name:
        return "no pod is restarted"
    if after.inputs.override:
        return "all traffic at once: a ModelOverride demands it"
    return _moves(after.inputs.deployment)


def _moves(deployment: ModelDeployment) -> str:
    rollout = deployment.spec.rollout
    if rollout.strategy == "Rolling":
        return "pod by pod, as new pods are ready"
    if rollout.strategy != "Canary" or not rollout.steps:
        return "all traffic at once, when all new pods are ready"
    steps = (
        f"{step.weight} % {'until a person advances it' if step.pause == INDEFINITE else 'for ' + step.pause}"
        for step in rollout.steps
    )
    return f"a canary: {', '.join(steps)}, then all traffic"


def _children(before: Iterable[Raw], after: Iterable[Raw]) -> Iterator[ObjectChange]:
    for one, other in pairs(before, after):
        raw = one or other
        assert raw is not None
        kind, names = raw["kind"], [side["metadata"]["name"] for side in (one, other) if side]
        if one and other and names[0] != names[1]:
            # A ControllerRevision only keeps what its Deployment shows.
            fields = () if kind == "ControllerRevision" else changes(one, other)
            yield ObjectChange("replace", kind, f"{names[0]} → {names[1]}", fields)
        else:
            yield from _object_change(kind, names[-1], one, other)


def pairs(before: Iterable[Raw], after: Iterable[Raw]) -> list[tuple[Raw | None, Raw | None]]:
    """Return each child with what becomes of it: the one of its name, else one of another revision in its place."""
    old, new = ({(raw["kind"], raw["metadata"]["name"]): raw for raw in side} for side in (before, after))
    found: list[tuple[Raw | None, Raw | None]] = [(old.pop(key), new.pop(key)) for key in old.keys() & new.keys()]
    roles: dict[Role, tuple[list[Raw], list[Raw]]] = defaultdict(lambda: ([], []))
    for number, side in enumerate((old, new)):
        for _, raw in sorted(side.items()):
            roles[_role(raw)][number].append(raw)
    for gone, made in roles.values():
        found += zip_longest(gone, made)
    return sorted(found, key=_place)


def _place(pair: tuple[Raw | None, Raw | None]) -> tuple[Role, str]:
    raw = pair[1] or pair[0]
    assert raw is not None
    return _role(raw), raw["metadata"]["name"]


def _role(raw: Raw) -> Role:
    """Return what an object is for: those of a revision take the place of another revision's."""
    own: Mapping[str, str] = raw["metadata"].get("labels", {})
    per_revision = labels.REVISION in own or raw["kind"] == "ConfigMap"
    return raw["kind"], per_revision, own.get(labels.DEPLOYMENT, "")
