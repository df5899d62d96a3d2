"""``mlgitops archive``: the pull request that takes a version out of use."""

from __future__ import annotations

from dataclasses import dataclass

from mlgitops.api import ModelDeployment, ModelStage
from mlgitops.api.model import Lifecycle
from mlgitops.bot import find
from mlgitops.bot.context import Context
from mlgitops.bot.inert import code, plain
from mlgitops.errors import InputError
from mlgitops.forge import Pull
from mlgitops.registry import Tree, edit, layout


@dataclass(frozen=True, slots=True)
class Archived:
    """The pull request that would archive a version."""

    model: str
    version: str
    title: str
    pull: Pull


def archive(context: Context, model: str, version: str, *, reason: str) -> Archived:
    """Open the pull request that sets a version's lifecycle to Archived: it stays, and no stage may name it again.

    Raises:
        NotFoundError: model or version do not exist.
        InputError: the reason is empty, it is archived already, or stages or deployments name it, which are listed.
    """
    if not reason.strip():
        raise InputError("a version is archived for a reason; say why, such as: trained on leaked labels")
    found = find.version(context.tree, model, version)
    if found.spec.lifecycle.state == "Archived":
        raise InputError(f"{model}:{version} is archived already")
    users = _users(context.tree, model, version)
    if users:
        raise InputError(f"{model}:{version} is named by {', '.join(users)}; let these name another version first")
    path = layout.version(model, version)
    lifecycle = Lifecycle("Archived", reason)
    data = edit.set_lifecycle(context.repository.tree(context.base, path)[path], lifecycle)
    title = f"Archive {model}:{version}"
    commit = context.repository.commit(context.base, {path: data}, f"{title}\n")
    body = [
        f"{code(f'{model}:{version}')}: lifecycle {code(found.spec.lifecycle.state)} → {code('Archived')}",
        "",
        f"Reason: {code(reason)}",
        "",
        f"No stage names it. Its file and its artifact {code(found.spec.artifact.digest)} stay.",
    ]
    branch = f"mlgitops/archive/{model}.{version}"
    pull = context.forge.open_pull(branch, context.branch, commit, title, "\n".join(body))
    return Archived(model, version, plain(title), pull)


def _users(tree: Tree, model: str, version: str) -> list[str]:
    """Return what serves a version on the base branch, as people name it."""
    named = [
        f"{model}@{stage.spec.stage}"
        for stage in tree.all(ModelStage)
        if (stage.spec.model_ref.name, stage.spec.version) == (model, version)
    ]
    pinned = [
        f"deployment {entry.environment}/{entry.resource.metadata.name}"
        for entry in tree.entries
        if isinstance(entry.resource, ModelDeployment)
        and (entry.resource.spec.model_ref.name, entry.resource.spec.version) == (model, version)
    ]
    return sorted(named) + sorted(pinned)
