"""What must not go while something stands on it.

What is immutable could otherwise be changed in two steps: taken away in one pull request and
put back, different, in the next.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlgitops.api import ModelDeployment, ModelVersion, ServingRuntime, runtimes
from mlgitops.errors import MlgitopsError, Problem
from mlgitops.registry import layout
from mlgitops.registry.tree import Entry, Tree


def removals(tree: Tree, base: Tree) -> Iterator[Problem]:
    """Yield a problem for every object of ``base`` that may not be missing in ``tree``.

    A ModelVersion goes only together with its Model: stages, their history and the ledger name
    it by its number for ever. A ServingRuntime goes only when no deployment would pick it.
    """
    for entry in base.entries:
        if tree.entry(*entry.key) is not None or entry.document.file in tree.unread:
            continue
        match entry.resource:
            case ModelVersion(spec=spec) if _stands(tree, spec.model_ref.name):
                yield _refusal(
                    entry,
                    f"must stay while the model {spec.model_ref.name} is there; "
                    "a version that is over gets spec.lifecycle.state Archived or Rejected",
                )
            case ServingRuntime():
                users = sorted(set(_users(entry.resource, tree, base)))
                if users:
                    message = (
                        f"must stay while deployments pick it: {', '.join(users[:20])}; name another runtime there"
                    )
                    yield _refusal(entry, message)


def _stands(tree: Tree, model: str) -> bool:
    return tree.model(model) is not None or layout.model(model) in tree.unread


def _users(runtime: ServingRuntime, tree: Tree, base: Tree) -> Iterator[str]:
    candidates = (*tree.runtimes(), *(found for found in base.runtimes() if found not in tree.runtimes()))
    for deployment in tree.deployments():
        if deployment.spec.runtime_ref is None and _picked(deployment, tree, candidates) == runtime.metadata.name:
            yield deployment.metadata.name


def _picked(deployment: ModelDeployment, tree: Tree, candidates: tuple[ServingRuntime, ...]) -> str:
    spec = deployment.spec
    stage = tree.stage(spec.model_ref.name, spec.stage) if spec.stage else None
    version = tree.version(spec.model_ref.name, spec.version or (stage.spec.version if stage else ""))
    try:
        return runtimes.pick(version, candidates).metadata.name if version else ""
    except MlgitopsError:
        return ""  # nothing fits, which the rules for versions say


def _refusal(entry: Entry, message: str) -> Problem:
    kind, name = entry.key
    return Problem(entry.document.file, 0, "", f"{kind} {name} {message}")
