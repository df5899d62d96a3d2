"""What concerns a ModelDeployment: its children, its pods, and what it names in git."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from typing import Any

from mlgitops import kube
from mlgitops.kube import Key, Raw, Resource
from mlgitops.operator import kinds
from mlgitops.operator.runtime import Caches, Index, Priority, Watch, owned_by
from mlgitops.plan import labels
from mlgitops.plan.owned import CHILD_KINDS, owner_of


def _owners(raw: Raw) -> Iterator[Hashable]:
    owner = owner_of(raw)
    if owner:
        yield owner


def _deployment(raw: Raw) -> Iterator[Hashable]:
    name = raw["metadata"].get("labels", {}).get(labels.DEPLOYMENT)
    if name:
        yield raw["metadata"]["namespace"], name


def _model(raw: Raw) -> Iterator[Hashable]:
    yield raw["metadata"]["namespace"], raw["spec"]["modelRef"]["name"]


def _stage(raw: Raw) -> Iterator[Hashable]:
    stage = raw["spec"].get("stage")
    if stage:
        yield raw["metadata"]["namespace"], f"{raw['spec']['modelRef']['name']}.{stage}"


CHILDREN: Mapping[Resource, Index] = {kind: Index(kind, _owners) for kind in CHILD_KINDS}
PODS = Index(kube.PODS, _deployment)
BY_MODEL = Index(kinds.MODEL_DEPLOYMENTS, _model)
BY_STAGE = Index(kinds.MODEL_DEPLOYMENTS, _stage)


def _pod_keys(raw: Raw, _: Caches) -> Iterable[Key]:
    name = raw["metadata"].get("labels", {}).get(labels.DEPLOYMENT)
    return [(raw["metadata"]["namespace"], name)] if name else []


def _same_name(raw: Raw, _: Caches) -> Iterable[Key]:
    return [kube.key_of(raw)]


def _listed(index: Index, value: Callable[[Raw], Any]) -> Callable[[Raw, Caches], Iterable[Key]]:
    """Return the keys of the deployments that an index lists under what an object says."""

    def keys(raw: Raw, caches: Caches) -> Iterable[Key]:
        return [kube.key_of(found) for found in caches.lookup(index, value(raw))]

    return keys


def _whole_namespace(raw: Raw, caches: Caches) -> Iterable[Key]:
    return list(caches.cache(kinds.MODEL_DEPLOYMENTS).namespace(raw["metadata"]["namespace"]))


WATCHES = (
    *(Watch(kind, owned_by(kinds.MODEL_DEPLOYMENTS)) for kind in CHILD_KINDS),
    Watch(kube.PODS, _pod_keys),
    Watch(kinds.MODEL_OVERRIDES, _same_name, Priority.PERSON),
    Watch(kinds.MODEL_STAGES, _listed(BY_STAGE, kube.key_of), Priority.PERSON),
    Watch(kinds.MODELS, _listed(BY_MODEL, kube.key_of), Priority.PERSON),
    Watch(kinds.MODEL_VERSIONS, _listed(BY_MODEL, lambda raw: next(_model(raw))), Priority.PERSON),
    Watch(kinds.PROMOTION_POLICIES, _whole_namespace, Priority.PERSON),
    Watch(kinds.SERVING_RUNTIMES, _whole_namespace, Priority.PERSON),
)
