"""``mlgitops bot evaluate``: the evaluations that the gates of the next promotions wait for.

What each stage could name next is known from git: the first stages take what was merged since their
last promotion, the others what the stages before them name. A gate whose evidence is missing for one
of these names the data set that somebody has to evaluate on, and ``[datasets]`` of mlgitops.toml says
where it lies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlgitops.api import Model, ModelVersion
from mlgitops.api.model import Stage
from mlgitops.bot import evidence, find
from mlgitops.bot.context import Context
from mlgitops.bot.evaluate import Evaluated, evaluate
from mlgitops.config import FILE, Config
from mlgitops.errors import InputError, MlgitopsError
from mlgitops.promotion import Change, Outcome, metric_gate
from mlgitops.registry import Tree


@dataclass(frozen=True, slots=True)
class Owed:
    """An evaluation that a gate waits for: which version, for which stage, on which data set."""

    model: str
    version: str
    stage: str
    dataset: str

    def __str__(self) -> str:
        return f"{self.model}:{self.version} for {self.stage} on {self.dataset}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an owed evaluation: it stands in the ledger, or why not."""

    owed: Owed
    evaluated: Evaluated | None = None
    problem: str = ""


def evaluate_owed(context: Context) -> Iterator[Answer]:
    """Evaluate what the next promotions wait for, one after the other; a failure is told and the rest goes on.

    Raises:
        OutsideError: the registry cannot be read.
    """
    for model in context.tree.all(Model):
        for stage in model.spec.stages:
            for owed in owed_by(context, model, stage):
                try:
                    uri, target = _dataset(context.config, owed.dataset)
                    done = evaluate(
                        context,
                        owed.model,
                        owed.version,
                        stage=owed.stage,
                        dataset=f"{owed.dataset}={uri}",
                        target=target,
                    )
                except MlgitopsError as error:
                    yield Answer(owed, problem=str(error))
                else:
                    yield Answer(owed, done)


def owed_by(context: Context, model: Model, stage: Stage) -> Iterator[Owed]:
    """Yield what the gates of a stage's next promotion lack; each data set of a version once."""
    name, policy = model.metadata.name, context.tree.policy(model.metadata.name)
    judged = policy.spec.applies_to.stages if policy else ()
    if policy is None or (judged and stage.name not in judged):
        return
    champion = find.champion(context.tree, name, stage.name)
    for version in candidates(context.tree, model, stage):
        known = evidence.gather(context.ledger, version, policy).evaluations
        change = Change(model=model, stage=stage.name, challenger=version, champion=champion)
        wanted = [gate for gate in policy.spec.gates if gate.evidence == "Evaluated"]
        lacking = [gate for gate in wanted if metric_gate(gate, change, known).outcome is Outcome.INCONCLUSIVE]
        for dataset in dict.fromkeys(gate.dataset for gate in lacking):
            yield Owed(name, version.spec.version, stage.name, dataset)


def candidates(tree: Tree, model: Model, stage: Stage) -> tuple[ModelVersion, ...]:
    """Return the versions that a stage could name next, the lowest first.

    They are newer than what it names. A stage that names nothing yet takes the newest alone: of a
    registry that was imported nobody wants every old version evaluated.
    """
    name = model.metadata.name
    current = tree.stage(name, stage.name)
    newer = tuple(
        version
        for version in tree.versions(name)
        if version.spec.lifecycle.state == "Active"
        and (current is None or int(version.spec.version) > int(current.spec.version))
    )
    if stage.after:
        named = {found.spec.version for before in stage.after if (found := tree.stage(name, before))}
        return tuple(version for version in newer if version.spec.version in named)
    return newer if current else newer[-1:]


def _dataset(config: Config, name: str) -> tuple[str, str]:
    """Return where a data set lies, and its column with the truth."""
    tables: Mapping[str, Any] = config.values.get("datasets", {})
    entry = tables.get(name)
    if isinstance(entry, str):
        entry = {"uri": entry}
    if not isinstance(entry, Mapping) or not isinstance(entry.get("uri"), str):
        known = ", ".join(sorted(tables)) or "none"
        raise InputError(
            f'data set {name} has no address; write {name} = "URI" under [datasets] in {FILE}; known: {known}'
        )
    uri = str(entry["uri"])
    if "://" not in uri and config.root is not None:
        uri = str(config.root / uri)
    return uri, str(entry.get("target", "target"))
