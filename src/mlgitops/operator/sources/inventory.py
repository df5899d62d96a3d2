"""Whose an object is, and what may be deleted; pure.

The inventory of a source is the label ``mlgitops.dev/source`` on the objects themselves:
it cannot be lost, and it needs no list in a status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.kube import Raw
from mlgitops.plan.closure import Name, name_of

LABEL = "mlgitops.dev/source"

_FLUX = ("kustomize.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/name")
_ARGO_CD = ("argocd.argoproj.io/instance", "argocd.argoproj.io/tracking-id")


def source_of(raw: Mapping[str, Any]) -> str | None:
    """Return the name of the RegistrySource that an object came from, None when from none."""
    found: str | None = raw["metadata"].get("labels", {}).get(LABEL)
    return found


def other_owner(live: Raw, source: str) -> str | None:
    """Return who else keeps an object in agreement with something, None when nobody does.

    Two that apply the same object undo each other for ever.
    """
    metadata = live["metadata"]
    marks = {**metadata.get("annotations", {}), **metadata.get("labels", {})}
    for tool, names in (("Flux", _FLUX), ("Argo CD", _ARGO_CD)):
        for name in names:
            if name in marks:
                return f"{tool} ({name}: {marks[name]})"
    other = source_of(live)
    return f"RegistrySource {other}" if other and other != source else None


def labelled(raw: Raw, source: str, namespace: str) -> Raw:
    """Return an object of the repository as it is applied: in the source's namespace, with its label."""
    metadata = raw["metadata"]
    labels = {**metadata.get("labels", {}), LABEL: source}
    return {**raw, "metadata": {**metadata, "namespace": namespace, "labels": labels}}


@dataclass(frozen=True, slots=True)
class Pruning:
    """What to delete, and whether that is more than the source allows."""

    victims: tuple[Raw, ...]
    left_git: int
    owned: int
    refused: bool


def prune(live: Iterable[Raw], wanted: Iterable[Name], in_git: Iterable[Name], max_percent: int) -> Pruning:
    """Decide what of a source's objects is deleted.

    Only what left git counts against ``max_percent``: an emptied repository or a wrong
    branch must not empty a cluster, but a version that nothing names any more may go.

    Args:
        live: every object that carries the source's label.
        wanted: what the cluster needs.
        in_git: what the repository holds.
        max_percent: at most this share of ``live`` may have left git.
    """
    owned = {name_of(raw): raw for raw in live}
    victims = owned.keys() - set(wanted)
    left_git = len(victims - set(in_git))
    refused = left_git * 100 > max_percent * len(owned)
    return Pruning(tuple(owned[name] for name in sorted(victims)), left_git, len(owned), refused)
