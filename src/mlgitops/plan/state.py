"""What clusters hold on one side of a change, in the state that all roll-outs end in.

``of_git`` says it of a registry tree; ``live.before`` and ``live.after`` of a namespace and a tree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlgitops import api
from mlgitops.api import DeploymentStatus, ModelOverride, ModelVersion, PromotionPolicy
from mlgitops.api.deployment import RevisionReference
from mlgitops.plan.children import children
from mlgitops.plan.inputs import Inputs, resolve
from mlgitops.plan.revisions import Revision, render

if TYPE_CHECKING:
    from mlgitops.registry import Tree

Raw = dict[str, Any]
# An object of git by environment (empty: all of them), kind and name.
ObjectKey = tuple[str, str, str]
# A deployment by environment and name.
DeploymentKey = tuple[str, str]

# Before every time: an override or a suspension in git counts, whenever it ends.
WHENEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Side:
    """A deployment on one side: what it resolves to, the revision that serves, its children.

    ``how`` tells how traffic gets there when only the cluster knows that.
    """

    inputs: Inputs
    revision: Revision | None = None
    objects: tuple[Raw, ...] = ()
    how: str = ""


@dataclass(frozen=True, slots=True)
class State:
    """The objects of git as they are written, and every deployment."""

    objects: Mapping[ObjectKey, Raw] = field(default_factory=dict)
    deployments: Mapping[DeploymentKey, Side] = field(default_factory=dict)


class TreeCatalog:
    """A registry tree as the catalog that ``resolve`` looks things up in.

    ``overrides`` are those that people applied to the cluster by hand.
    """

    def __init__(self, tree: Tree, environment: str, overrides: Mapping[str, ModelOverride] | None = None) -> None:
        self._tree = tree
        in_git = (entry for entry in tree.entries if entry.key[0] == "ModelOverride")
        own = (entry.resource for entry in in_git if entry.environment == environment)
        found = {override.metadata.name: override for override in own if isinstance(override, ModelOverride)}
        self._overrides = {**(overrides or {}), **found}
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
        return self._overrides.get(deployment)


def of_git(tree: Tree, beside: Tree | None = None) -> State:
    """Return what clusters hold when they agree with a registry tree; of the objects, what another has not alike."""
    sides = {}
    for environment in {entry.environment for entry in tree.entries if entry.key[0] == "ModelDeployment"}:
        catalog = TreeCatalog(tree, environment)
        for deployment in tree.deployments(environment):
            sides[environment, deployment.metadata.name] = _ended(resolve(deployment, catalog, WHENEVER))
    return State(objects_of(tree, beside), sides)


def objects_of(tree: Tree, beside: Tree | None = None) -> dict[ObjectKey, Raw]:
    """Return the objects of a registry tree as git has them, but for those that stand in the other's same words."""
    other = {(entry.environment, *entry.key): entry.document.data for entry in beside.entries} if beside else {}
    entries = (((entry.environment, *entry.key), entry) for entry in tree.entries)
    return {key: api.dump(entry.resource) for key, entry in entries if other.get(key) != entry.document.data}


def _ended(inputs: Inputs) -> Side:
    if inputs.blocked:
        return Side(inputs)
    revision = render(inputs)
    reference = RevisionReference(revision.name, revision.version, revision.digest)
    status = DeploymentStatus(active=reference, target=reference)
    return Side(inputs, revision, children(inputs, status, {}))
