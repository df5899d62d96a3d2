"""``mlgitops promote`` and ``mlgitops rollback``: pull requests that change one line of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from mlgitops import registry
from mlgitops.api import Metadata, ModelStage, Reference, names
from mlgitops.api.model import Hold, ModelStageSpec
from mlgitops.bot import find
from mlgitops.bot.context import Context, actor
from mlgitops.bot.inert import code, plain
from mlgitops.errors import InputError
from mlgitops.forge import Pull
from mlgitops.registry import edit, layout


@dataclass(frozen=True, slots=True)
class Moved:
    """The pull request that would move a stage from one version to another."""

    model: str
    stage: str
    before: str | None
    version: str
    title: str
    pull: Pull


def promote(context: Context, model: str, stage: str, version: str | None = None, *, lift_hold: bool = False) -> Moved:
    """Open the pull request that makes a stage name a version.

    Args:
        context: the registry.
        model: the model's name.
        stage: the stage to change.
        version: what it shall name; default: what the stage before it names, or the newest version.
        lift_hold: also remove the stage's hold.

    Raises:
        NotFoundError: model, stage or version do not exist.
        InputError: the stage names this version already, or is held.
    """
    champion = find.champion(context.tree, model, stage)
    challenger = find.version(context.tree, model, version or _next(context, model, stage))
    number = challenger.spec.version
    before = champion.spec.version if champion else None
    if before == number:
        raise InputError(f"{model}@{stage} names version {number} already")
    current = context.tree.stage(model, stage)
    hold = find.hold(current, datetime.now(UTC))
    if hold and not lift_hold:
        raise InputError(
            f"{model}@{stage} is held: {plain(hold.reason)}; to promote all the same, lift the hold with --lift-hold"
        )
    data = _stage_file(context, model, stage, number)
    if current and current.spec.hold:
        data = edit.set_hold(data, None)
    title = f"Promote {model}:{number} to {stage}"
    body = [
        f"{code(f'{model}@{stage}')}: version {code(before or 'none')} → {code(number)}",
        "",
        f"Digest {code(challenger.spec.artifact.digest)}. The check's comment brings the evidence.",
    ]
    return _open(context, "promote", model, stage, before, number, title, data, body)


def rollback(context: Context, model: str, stage: str, *, reason: str, version: str | None = None) -> Moved:
    """Open the pull request that puts a stage's line back, with a hold that keeps bots off.

    Args:
        context: the registry.
        model: the model's name.
        stage: the stage to change.
        reason: why; it becomes the hold's reason.
        version: what it shall name; default: what it named before.

    Raises:
        NotFoundError: model, stage or version do not exist.
        InputError: the stage never named another version.
    """
    champion = find.champion(context.tree, model, stage)
    if champion is None:
        raise InputError(f"{model}@{stage} names no version; there is nothing to roll back")
    before = champion.spec.version
    number = version or _previous(context, model, stage, before)
    find.version(context.tree, model, number)
    data = edit.set_hold(_stage_file(context, model, stage, number), Hold(reason=reason, by=actor()))
    title = f"Roll {model}@{stage} back to {number}"
    body = [
        f"{code(f'{model}@{stage}')}: version {code(before)} → {code(number)}, and a hold",
        "",
        f"Reason: {code(reason)}",
    ]
    return _open(context, "rollback", model, stage, before, number, title, data, body)


def _open(
    context: Context,
    verb: str,
    model: str,
    stage: str,
    before: str | None,
    number: str,
    title: str,
    data: bytes,
    body: list[str],
) -> Moved:
    commit = context.repository.commit(context.base, {layout.stage(model, stage): data}, f"{title}\n")
    pull = context.forge.open_pull(f"mlgitops/{verb}/{model}.{stage}", context.branch, commit, title, "\n".join(body))
    if pull.title != title:
        raise InputError(
            f"pull request {pull.number} ({plain(pull.title)}) is open for the same stage; "
            f"merge it first, or: mlgitops pr close {pull.number}"
        )
    return Moved(model, stage, before, number, title, pull)


def _stage_file(context: Context, model: str, stage: str, version: str) -> bytes:
    path = layout.stage(model, stage)
    if context.tree.stage(model, stage) is None:
        name = names.model_stage(model, stage)
        return registry.write(ModelStage(Metadata(name), ModelStageSpec(Reference(model), stage, version)))
    return edit.set_version(context.repository.tree(context.base, path)[path], version)


def _next(context: Context, model: str, stage: str) -> str:
    after = next(found.after for found in find.model(context.tree, model).spec.stages if found.name == stage)
    for earlier in after:
        current = context.tree.stage(model, earlier)
        if current is None:
            raise InputError(f"{model}@{earlier} names no version yet; promote there first, or name a version")
        return current.spec.version
    versions = context.tree.versions(model)
    if not versions:
        raise InputError(f"model {model} has no version yet; propose one: mlgitops propose RUN --model {model}")
    return versions[-1].spec.version


def _previous(context: Context, model: str, stage: str, now: str) -> str:
    for number in find.earlier(context.repository, context.base, model, stage, now):
        found = context.tree.version(model, number)
        if found and found.spec.lifecycle.state not in ("Archived", "Rejected"):
            return number
    raise InputError(f"{model}@{stage} named no earlier version that could serve; name one with --version")
