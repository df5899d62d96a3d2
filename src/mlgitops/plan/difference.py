"""What a merge changes in the clusters: the objects of git, and the children that follow from them.

Both sides are rendered by the very functions that the operator runs, in the state that
they end in; how a deployment gets there is told in a sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from mlgitops import api
from mlgitops.api import DeploymentStatus, ModelDeployment, ModelOverride, ModelVersion, PromotionPolicy
from mlgitops.api.deployment import INDEFINITE, RevisionReference
from mlgitops.plan import labels, wording
from mlgitops.plan.children import children
from mlgitops.plan.fields import FieldChange, changes
from mlgitops.plan.inputs import Blocked, Inputs, resolve
from mlgitops.plan.reach import KINDS as SHARED
from mlgitops.plan.reach import Reach, reach
from mlgitops.plan.revisions import Revision, render

if TYPE_CHECKING:
    from mlgitops.registry import Tree

Raw = dict[str, Any]
Action = Literal["create", "update", "replace", "delete"]

# Before every time: an override or a suspension in git counts, whenever it ends.
_WHENEVER = datetime.min.replace(tzinfo=UTC)


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


class TreeCatalog:
    """A registry tree as the catalog that ``resolve`` looks things up in."""

    def __init__(self, tree: Tree, environment: str) -> None:
        self._tree = tree
        self._environment = environment
        self.model = tree.model
        self.stage = tree.stage
        self.runtimes = tree.runtimes

    def version(self, model: str, version: str) -> ModelVersion | None:
        """Return a model's ModelVersion."""
        return self._tree.version(model, version)

    def policy(self, name: str) -> PromotionPolicy | None:
        """Return a PromotionPolicy."""
        return self._tree.find(PromotionPolicy, name)

    def override(self, deployment: str) -> ModelOverride | None:
        """Return the ModelOverride of a deployment of this environment."""
        entries = (entry for entry in self._tree.entries if entry.environment == self._environment)
        found = (entry.resource for entry in entries if isinstance(entry.resource, ModelOverride))
        return next((override for override in found if override.metadata.name == deployment), None)


@dataclass(frozen=True, slots=True)
class _Side:
    """A deployment on one side of the merge, in the state that it ends in."""

    inputs: Inputs
    revision: Revision | None
    objects: tuple[Raw, ...]


def diff(before: Tree, after: Tree) -> Plan:
    """Return what changes in the clusters when ``before`` becomes ``after``."""
    old, new = _sides(before), _sides(after)
    deployments = (
        _deployment_change(environment, name, old.get((environment, name)), new.get((environment, name)))
        for environment, name in sorted(old.keys() | new.keys())
    )
    changed = tuple(change for change in deployments if change)
    objects = tuple(_of_git(before, after))
    return Plan(objects, changed, tuple(_reaches(objects, changed, old, new)))


def rendered(tree: Tree) -> dict[tuple[str, str], tuple[Raw, ...] | Blocked]:
    """Return what each deployment becomes when its roll-out has ended, by environment and name.

    These are the objects that it owns in the cluster, without what only the cluster knows (their
    namespace and owner), or why nothing can be rendered.
    """
    return {
        key: side.inputs.blocked or tuple(_as_in_git(raw) for raw in side.objects) for key, side in _sides(tree).items()
    }


def _as_in_git(raw: Raw) -> Raw:
    kept = {key: value for key, value in raw["metadata"].items() if key not in ("namespace", "ownerReferences")}
    return {**raw, "metadata": kept}


def _reaches(
    objects: Iterable[ObjectChange],
    deployments: Iterable[DeploymentChange],
    old: Mapping[tuple[str, str], _Side],
    new: Mapping[tuple[str, str], _Side],
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


def _of_git(before: Tree, after: Tree) -> Iterator[ObjectChange]:
    old, new = ({(entry.environment, *entry.key): entry for entry in tree.entries} for tree in (before, after))
    for key in sorted(old.keys() | new.keys()):
        raws = [api.dump(side[key].resource) if key in side else None for side in (old, new)]
        yield from _object_change(key[1], key[2], *raws)


def _object_change(kind: str, name: str, before: Raw | None, after: Raw | None) -> Iterator[ObjectChange]:
    if before is None and after is not None:
        yield ObjectChange("create", kind, name)
    elif before is not None and after is None:
        yield ObjectChange("delete", kind, name)
    elif before is not None and after is not None and before != after:
        fields = changes(before, after)
        if fields:
            yield ObjectChange("update", kind, name, fields)


def _sides(tree: Tree) -> dict[tuple[str, str], _Side]:
    found = {}
    for entry in tree.entries:
        if isinstance(entry.resource, ModelDeployment):
            inputs = resolve(entry.resource, TreeCatalog(tree, entry.environment), _WHENEVER)
            found[entry.environment, entry.resource.metadata.name] = _side(inputs)
    return found


def _side(inputs: Inputs) -> _Side:
    if inputs.blocked:
        return _Side(inputs, None, ())
    revision = render(inputs)
    reference = RevisionReference(revision.name, revision.version, revision.digest)
    ended = DeploymentStatus(active=reference, target=reference)
    return _Side(inputs, revision, children(inputs, ended, {}))


def _deployment_change(
    environment: str, name: str, before: _Side | None, after: _Side | None
) -> DeploymentChange | None:
    old = before.revision if before else None
    new = after.revision if after else None
    blocked = after.inputs.blocked if after else None
    was_blocked = before.inputs.blocked if before else None
    # A blocked deployment is left as it is, so there are no children to compare.
    objects = () if blocked else tuple(_children(before.objects if before else (), after.objects if after else ()))
    if not objects and blocked == was_blocked and (before is None) == (after is None):
        return None
    return DeploymentChange(
        name=name,
        environment=environment,
        before=old.version if old else None,
        after=new.version if new else None,
        how=_how(before, after),
        objects=objects,
        blocked=blocked,
    )


def _how(before: _Side | None, after: _Side | None) -> str:
    if after is None:
        return "it is deleted with its children"
    if after.inputs.blocked:
        return "it stays as it is"
    suspend = after.inputs.deployment.spec.suspend
    if suspend and after.inputs.suspended(_WHENEVER):
        return f"suspended: nothing changes before that is lifted ({suspend.reason})"
    if after.inputs.rejected:
        return "the version is Rejected: it is not started"
    if before is None or before.revision is None:
        return "a first roll-out, without a canary"
    if after.revision and before.revision.name == after.revision.name:
        return "no pod is restarted"
    if after.inputs.override:
        return "all traffic at once: a ModelOverride demands it"
    return _moves(after.inputs.deployment)


def _moves(deployment: ModelDeployment) -> str:
    rollout = deployment.spec.rollout
    if rollout.strategy != "Canary" or not rollout.steps:
        return "all traffic at once, when all new pods are ready"
    steps = (
        f"{step.weight} % {'until a person advances it' if step.pause == INDEFINITE else 'for ' + step.pause}"
        for step in rollout.steps
    )
    return f"a canary: {', '.join(steps)}, then all traffic"


def _children(before: Iterable[Raw], after: Iterable[Raw]) -> Iterator[ObjectChange]:
    old, new = _by_role(before), _by_role(after)
    for role in sorted(old.keys() | new.keys()):
        kind = role[0]
        one, other = old.get(role), new.get(role)
        names = [raw["metadata"]["name"] for raw in (one, other) if raw]
        if one and other and names[0] != names[1]:
            # A ControllerRevision only keeps what its Deployment shows.
            fields = () if kind == "ControllerRevision" else changes(one, other)
            yield ObjectChange("replace", kind, f"{names[0]} → {names[1]}", fields)
        else:
            yield from _object_change(kind, names[-1], one, other)


def _by_role(objects: Iterable[Raw]) -> dict[tuple[str, bool, str], Raw]:
    """Return objects by what they are for; those of a revision take the place of another revision's."""
    found: dict[tuple[str, bool, str], Raw] = {}
    for raw in objects:
        metadata: Mapping[str, Any] = raw["metadata"]
        per_revision = labels.REVISION in metadata["labels"] or raw["kind"] == "ConfigMap"
        found[raw["kind"], per_revision, metadata["labels"][labels.DEPLOYMENT]] = raw
    return found
