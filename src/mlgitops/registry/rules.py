"""Whether the objects of a registry fit together. What time or evidence decides is promotion's.

Each rule is a function of the tree that yields problems; none stops another. What lies in
a file that cannot be read is not missing: that file's own problems say enough.
"""

from __future__ import annotations

import functools
import zoneinfo
from collections.abc import Iterable, Iterator
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import cast

from mlgitops import artifacts
from mlgitops.api import (
    Model,
    ModelDeployment,
    ModelStage,
    ModelVersion,
    PromotionPolicy,
    ServingRuntime,
    names,
    runtimes,
)
from mlgitops.api.capabilities import Ask, asked
from mlgitops.api.pods import Resources
from mlgitops.api.unsupported import unsupported
from mlgitops.errors import InputError, Problem
from mlgitops.registry import children, layout, resources, schema
from mlgitops.registry.documents import Path
from mlgitops.registry.removals import removals
from mlgitops.registry.structure import Raw
from mlgitops.registry.tree import Entry, Tree, policy_name

# A package as a runtime sees it: its format, and the versions of what it was trained with.
Contents = tuple[str, frozenset[tuple[str, str]]]


def validate(tree: Tree, base: Tree | None = None) -> list[Problem]:
    """Return everything that is wrong with a registry, by file and line.

    Args:
        tree: the registry to judge.
        base: the registry that it shall replace; its policies hold, and what it holds
            immutable must neither have changed nor be gone.
    """
    problems = [*tree.problems, *_places(tree), *_collisions(tree)]
    policies = base or tree
    served: set[Contents] = set()
    for entry in tree.entries:
        # There are thousands of versions, and one takes longer to type than to judge.
        if entry.key[0] == ModelVersion.__name__:
            problems += _version(entry, entry.document.raw["spec"], tree, policies, served)
            continue
        match entry.resource:
            case Model():
                problems += _model(entry, entry.resource, tree)
            case ModelStage():
                problems += _stage(entry, entry.resource, tree)
            case ModelDeployment():
                problems += _deployment(entry, entry.resource, tree)
            case ServingRuntime():
                problems += _runtime(entry, entry.resource)
            case PromotionPolicy():
                problems += _policy(entry, entry.resource)
    if base is not None:
        problems += [*_changes(tree, base), *removals(tree, base)]
    return sorted(set(problems), key=lambda problem: (problem.file, problem.line, problem.field, problem.message))


def _places(tree: Tree) -> Iterator[Problem]:
    keepers = _keepers(tree)
    for entry in tree.entries:
        found, (kind, name) = entry.document.file, entry.key
        keeper = keepers[entry.environment, kind, name]
        wanted = layout.path_of(entry.document.raw, entry.environment)
        if wanted is None:
            yield entry.document.problem(("kind",), f"{kind} does not belong into {layout.ROOT}/; apply it by itself")
        elif found != keeper:
            message = f"{kind} {name} is in {keeper} already; give this one a name of its own, or delete this file"
            yield entry.document.problem(("metadata", "name"), message)
        elif found != wanted:
            yield entry.document.problem(("metadata", "name"), f"says that this file is {wanted}; move it there")
        if entry.document.raw["metadata"].get("namespace"):
            message = "must not be set; whoever applies the registry chooses the namespace"
            yield entry.document.problem(("metadata", "namespace"), message)


def _keepers(tree: Tree) -> dict[tuple[str, str, str], str]:
    """Return for each object the file that is right to have it: the one in its place, else the first."""
    keepers: dict[tuple[str, str, str], str] = {}
    for entry in tree.entries:
        # Two environments may each have a deployment of one name: they are two clusters or namespaces.
        identity, file = (entry.environment, *entry.key), entry.document.file
        if keepers.setdefault(identity, file) != file and file == layout.path_of(entry.document.raw, entry.environment):
            keepers[identity] = file
    return keepers


def _collisions(tree: Tree) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for entry in tree.entries:
        path = entry.document.file
        before = first.setdefault(path.casefold(), path)
        if before != path:
            yield Problem(
                path, 0, "", f"differs from {before} only in upper and lower case; some disks keep one of them"
            )


def _model(entry: Entry, model: Model, tree: Tree) -> Iterator[Problem]:
    order = {stage.name: set(stage.after) for stage in model.spec.stages}
    try:
        TopologicalSorter(order).prepare()
    except CycleError as error:
        cycle = " → ".join(error.args[1])
        yield entry.document.problem(
            ("spec", "stages"), f"come after each other in a circle: {cycle}; remove one after"
        )
    wanted = policy_name(model)
    if tree.find(PromotionPolicy, wanted) is None and layout.policy(wanted) not in tree.unread:
        known = _known(policy.metadata.name for policy in tree.all(PromotionPolicy))
        path = ("spec", "policyRef", "name") if model.spec.policy_ref else ("spec",)
        yield entry.document.problem(path, f'"{wanted}" names no PromotionPolicy; known: {known}')


def _known_model(entry: Entry, name: str, tree: Tree) -> Iterator[Problem]:
    if tree.model(name) is None and layout.model(name) not in tree.unread:
        known = _known(model.metadata.name for model in tree.all(Model))
        yield entry.document.problem(("spec", "modelRef", "name"), f'"{name}" names no Model; known: {known}')


def _known_version(entry: Entry, model: str, number: str, tree: Tree) -> Iterator[Problem]:
    if (
        tree.entry(ModelVersion.__name__, names.model_version(model, number)) is None
        and layout.version(model, number) not in tree.unread
    ):
        known = _known(version.spec.version for version in tree.versions(model))
        message = f'"{number}" names no ModelVersion of model {model}; known: {known}'
        yield entry.document.problem(("spec", "version"), message)


def _known_stage(entry: Entry, model: Model | None, name: str) -> Iterator[Problem]:
    stages = [stage.name for stage in model.spec.stages] if model else [name]
    if name not in stages:
        message = f'"{name}" is no stage of model {model.metadata.name if model else ""}; known: {_known(stages)}'
        yield entry.document.problem(("spec", "stage"), message)


def _version(entry: Entry, spec: Raw, tree: Tree, policies: Tree, served: set[Contents]) -> Iterator[Problem]:
    name = spec["modelRef"]["name"]
    yield from _known_model(entry, name, tree)
    # Which policy it is, is the base's to say too; a model that is new says it itself.
    policy = policies.find(PromotionPolicy, policy_name(policies.model(name) or tree.model(name)))
    if policy is not None:
        yield from _allowed_places(entry, spec["artifact"], policy)
        yield from _allowed_code(entry, spec, policy)
    signature = spec.get("signature") or {}
    for side in ("inputs", "outputs"):
        tensors = [tensor["name"] for tensor in signature.get(side) or ()]
        if len(set(tensors)) < len(tensors):
            yield entry.document.problem(
                ("spec", "signature", side), "names a tensor twice; each name must be there once"
            )
    # A runtime that cannot be read might be the one that fits.
    unread = any(path.startswith(layout.RUNTIMES) for path in tree.unread)
    state = (spec.get("lifecycle") or {}).get("state")
    if state not in (None, "Active", "Deprecated") or unread:
        return
    # What a runtime is picked by; thousands of versions share few of these.
    packages = (spec.get("environment") or {}).get("packages") or {}
    contents = (spec["artifact"]["format"], frozenset(item for item in packages.items() if item[1] is not None))
    if contents not in served:
        version = cast("ModelVersion", entry.resource)
        problems = list(_served(entry, version, tree.runtimes(), ("spec", "artifact", "format")))
        yield from problems
        if not problems:
            served.add(contents)


def _allowed_places(entry: Entry, artifact: Raw, policy: PromotionPolicy) -> Iterator[Problem]:
    prefixes = policy.spec.artifacts.prefixes
    mirrors = ((("mirrors", index), uri) for index, uri in enumerate(artifact.get("mirrors") or ()))
    for path, uri in ((("uri",), artifact["uri"]), *mirrors):
        if not artifacts.within(uri, prefixes):
            message = f"{uri} is outside of what policy {policy.metadata.name} allows: {_known(prefixes)}"
            yield entry.document.problem(("spec", "artifact", *path), message)


def _allowed_code(entry: Entry, spec: Raw, policy: PromotionPolicy) -> Iterator[Problem]:
    allowed, format_ = policy.spec.formats.allow_code, spec["artifact"]["format"]
    in_use = (spec.get("lifecycle") or {}).get("state") in (None, "Active", "Deprecated")
    if in_use and spec["artifact"].get("allowCode") and format_ not in allowed:
        message = (
            f"asks to run code of the format {format_}, which policy {policy.metadata.name} does not allow; "
            f"its spec.formats.allowCode: {_known(allowed)}"
        )
        yield entry.document.problem(("spec", "artifact", "allowCode"), message)


def _served(
    entry: Entry,
    version: ModelVersion,
    candidates: Iterable[ServingRuntime],
    path: tuple[str, ...],
    asks: Iterable[Ask] = (),
) -> Iterator[Problem]:
    try:
        runtimes.pick(version, candidates, asks)
    except InputError as error:
        yield entry.document.problem(path, f"cannot be served: {error}")


def _stage(entry: Entry, stage: ModelStage, tree: Tree) -> Iterator[Problem]:
    model = stage.spec.model_ref.name
    yield from _known_model(entry, model, tree)
    yield from _known_stage(entry, tree.model(model), stage.spec.stage)
    yield from _known_version(entry, model, stage.spec.version, tree)


def _deployment(entry: Entry, deployment: ModelDeployment, tree: Tree) -> Iterator[Problem]:
    spec = deployment.spec
    model = spec.model_ref.name
    yield from _known_model(entry, model, tree)
    if spec.stage:
        yield from _known_stage(entry, tree.model(model), spec.stage)
    if spec.version:
        yield from _known_version(entry, model, spec.version, tree)
    yield from _resources(entry, spec.resources, ("spec", "resources"))
    for path, message in children.impossible(entry.document.raw["spec"]):
        yield entry.document.problem(("spec", *path), message)
    yield from _supported(entry, deployment)
    stage = tree.stage(model, spec.stage) if spec.stage else None
    version = tree.version(model, spec.version or (stage.spec.version if stage else ""))
    asks = asked(deployment)
    if spec.runtime_ref is None:
        unread = any(path.startswith(layout.RUNTIMES) for path in tree.unread)
        if version is not None and asks and not unread:
            yield from _served(entry, version, tree.runtimes(), tuple(asks[0].field.split(".")), asks)
        return
    runtime = tree.find(ServingRuntime, spec.runtime_ref.name)
    path = ("spec", "runtimeRef", "name")
    if runtime is None and layout.runtime(spec.runtime_ref.name) not in tree.unread:
        known = _known(item.metadata.name for item in tree.runtimes())
        yield entry.document.problem(path, f'"{spec.runtime_ref.name}" names no ServingRuntime; known: {known}')
    if version is not None and runtime is not None:
        yield from _served(entry, version, [runtime], path, asks)


def _supported(entry: Entry, resource: ModelDeployment | PromotionPolicy) -> Iterator[Problem]:
    for refused in unsupported(resource):
        yield entry.document.problem(tuple(refused.field.split(".")), f"is not supported: {refused.sentence}")


def _resources(entry: Entry, found: Resources | None, path: Path) -> Iterator[Problem]:
    for below, message in resources.impossible(found) if found else ():
        yield entry.document.problem((*path, *below), message)


def _runtime(entry: Entry, runtime: ServingRuntime) -> Iterator[Problem]:
    for number, container in enumerate(runtime.spec.containers):
        yield from _resources(entry, container.resources, ("spec", "containers", number, "resources"))
    yield from _resources(entry, runtime.spec.fetcher.resources, ("spec", "fetcher", "resources"))
    for index, supported in enumerate(runtime.spec.supported_formats):
        for package, wanted in supported.packages.items():
            if not runtimes.is_range(wanted):
                path = ("spec", "supportedFormats", index, "packages", package)
                yield entry.document.problem(path, f'"{wanted}" is not a version range (PEP 440), such as ">=1.7,<1.9"')


def _policy(entry: Entry, policy: PromotionPolicy) -> Iterator[Problem]:
    yield from _supported(entry, policy)
    for index, freeze in enumerate(policy.spec.freezes):
        path = ("spec", "freezes", index)
        if freeze.weekly and freeze.weekly.time_zone not in _time_zones():
            message = f'"{freeze.weekly.time_zone}" is no time zone of the IANA database, such as Europe/Zurich'
            yield entry.document.problem((*path, "weekly", "timeZone"), message)
        if freeze.start and freeze.end and datetime.fromisoformat(freeze.end) <= datetime.fromisoformat(freeze.start):
            yield entry.document.problem((*path, "end"), f"must be later than start, which is {freeze.start}")


@functools.cache
def _time_zones() -> set[str]:
    return zoneinfo.available_timezones()


def _changes(tree: Tree, base: Tree) -> Iterator[Problem]:
    for entry in tree.entries:
        before = base.entry(*entry.key)
        if before is None or before.document.data == entry.document.data:
            continue
        for path, message in schema.transitions(before.document.raw, entry.document.raw):
            yield entry.document.problem(path, message)


def _known(texts: Iterable[str]) -> str:
    found = list(texts)
    shown = ", ".join(found[:20]) + (f" and {len(found) - 20} more" if len(found) > 20 else "")
    return shown or "none"
