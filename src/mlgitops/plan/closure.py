"""Which objects of a registry a cluster needs: what its deployments name, and no more.

A registry may hold ten thousand versions; a cluster that serves three needs those, the
versions it could go back to, and all runtimes, policies and stages (each is small, and
any may be named next).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Raw = dict[str, Any]

# An object by kind and name; a source applies to one namespace only.
Name = tuple[str, str]

_ALWAYS = ("ServingRuntime", "PromotionPolicy", "ModelStage", "ModelDeployment", "ModelOverride")


def name_of(raw: Mapping[str, Any]) -> Name:
    """Return the kind and name of an object."""
    return raw["kind"], raw["metadata"]["name"]


def closure(
    objects: Mapping[Name, Raw], live_deployments: Iterable[Raw], live_overrides: Iterable[Raw] = ()
) -> dict[Name, Raw]:
    """Return the objects that a cluster needs.

    Args:
        objects: all that the repository holds.
        live_deployments: the ModelDeployments of the cluster; versions that their status
            names stay, for they serve or may serve again.
        live_overrides: the ModelOverrides of the cluster, which people apply by hand; a version
            that nothing else names comes with them.
    """
    wanted: dict[Name, Raw] = {}
    waiting = [name for name in objects if name[0] in _ALWAYS]
    for raw in live_deployments:
        waiting += _pinned(raw)
    for raw in live_overrides:
        waiting += _named_by(raw, objects)
    while waiting:
        name = waiting.pop()
        if name in objects and name not in wanted:
            wanted[name] = objects[name]
            waiting += _named_by(objects[name], objects)
    return wanted


def _named_by(raw: Raw, objects: Mapping[Name, Raw]) -> Iterator[Name]:
    spec = raw.get("spec", {})
    model = spec.get("modelRef", {}).get("name")
    if raw["kind"] == "ModelOverride":
        # An override has the name of its deployment.
        deployment = objects.get(("ModelDeployment", raw["metadata"]["name"]))
        model = deployment["spec"]["modelRef"]["name"] if deployment else None
    if model:
        yield "Model", model
    if model and spec.get("version"):
        yield "ModelVersion", f"{model}.{spec['version']}"


def _pinned(raw: Raw) -> Iterator[Name]:
    status = raw.get("status", {})
    model = raw["spec"]["modelRef"]["name"]
    for state in (status.get("active"), status.get("target"), *status.get("history", ())):
        if state and state.get("version"):
            yield "ModelVersion", f"{model}.{state['version']}"
