"""``mlgitops propose``: a run's model becomes a pull request that adds a ModelVersion, or names its clean source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from mlgitops import registry, tracking
from mlgitops.api import Metadata, Model, ModelVersion, PromotionPolicy, Reference, names
from mlgitops.api.model import ModelSpec, Stage
from mlgitops.bot import proposal, sources
from mlgitops.bot.context import Context, actor
from mlgitops.bot.inert import code, plain
from mlgitops.config import Config
from mlgitops.errors import InputError, OutsideError, RefusedError
from mlgitops.forge import Pull, State
from mlgitops.git import ls_remote
from mlgitops.promotion import refuses_unclean
from mlgitops.registry import layout
from mlgitops.tracking import LoggedModel, RunRecord
from mlgitops.tracking.ending import source_warning
from mlgitops.tracking.records import settled
from mlgitops.tracking.remote import push

INBOX = "mlgitops-inbox"
_AUTOLOGGED = "model"  # what autologging calls every model, and most people the first of their own


@dataclass(frozen=True, slots=True)
class Proposed:
    """What came of a proposal: a pull request, or an inbox branch that waits for one.

    ``refusal`` is what the remote answered to whoever may only push a branch, ``warning`` what a later
    stage will refuse, or that the pull request is of another run.
    """

    model: str
    version: int | None
    digest: str
    title: str
    pull: Pull | None = None
    branch: str = ""
    refusal: str = ""
    warning: str = ""


def propose(
    context: Context, run: str, *, model: str | None = None, root: Path | None = None, inbox: bool = False
) -> Proposed:
    """Upload a run's model by its digest and ask for a version of it.

    Whoever may push to the registry's ledger reserves the number and opens the pull request. Where
    the remote refuses that, or with ``inbox``, only a branch is pushed, and ``mlgitops bot inbox``
    does the rest with the bot's rights. Where the model is a version already whose code no commit holds,
    a run from committed code asks to name that source instead.

    Args:
        context: the registry.
        run: the run's id, or the beginning of it.
        model: the name of the logged model, when the run has several; else the name that the only one gets.
        root: where run records lie; default: as for training.
        inbox: push a branch only.

    Raises:
        InputError: the run has no such model, it is still being saved after minutes, or it is registered already.
        OutsideError: store, remote or forge cannot be reached.
    """
    record = settled(tracking.read(tracking.find(root or tracking.root(), run)))
    logged = _choose(record, model)
    name = names.from_foreign(model or logged.name)
    version = proposal.from_run(record, logged, push(record, context.store), name)
    done = _ask(context, record.id, version, inbox=inbox)
    warnings = (done.warning, _warning(context, record, name), "" if model else _unnamed(name))
    return replace(done, warning="; ".join(filter(None, warnings)))


def _ask(context: Context, run: str, version: ModelVersion, *, inbox: bool) -> Proposed:
    if inbox:
        return _push_branch(context, run, version)
    try:
        return open_proposal(context, version, by=actor())
    except RefusedError as refusal:
        return replace(_push_branch(context, run, version), refusal=str(refusal))


def _unnamed(name: str) -> str:
    """Say of a name that nobody chose how to choose one, while nothing is merged: a registry holds many models."""
    if name != _AUTOLOGGED:
        return ""
    return f"the model is called {name}, as autologging calls each; close the pull request and give --model for another"


def _warning(context: Context, record: RunRecord, model: str) -> str:
    """Say at the start what the model's last stage would say at the end."""
    known = context.tree.model(model) or first_model(context.config, model)
    policy = context.tree.find(PromotionPolicy, registry.policy_name(known))
    return source_warning(record) if policy and refuses_unclean(policy, last=True) else ""


def _choose(record: RunRecord, wanted: str | None) -> LoggedModel:
    if len(record.models) == 1:
        return record.models[0]
    named = [found for found in record.models if found.name == wanted]
    if named:
        return named[-1]
    known = ", ".join(found.name for found in record.models)
    lost = [problem for problem in record.problems if "model" in problem]
    if not known and lost:
        raise InputError(f"run {record.id} has no model: {plain(lost[0])}")
    if not known:
        raise InputError(f"run {record.id} logged no model; call mlgitops.log_model(model, name=…) while it runs")
    raise InputError(f"run {record.id} logged several models; choose one with --model: {known}")


def open_proposal(context: Context, version: ModelVersion, *, by: str) -> Proposed:
    """Reserve a number for a version and open the pull request that adds it; doing so twice is doing it once.

    A version that is there already needs no number: the pull request names its clean source.

    Raises:
        InputError: the model is registered already.
        OutsideError: remote or forge cannot be reached.
    """
    name = version.spec.model_ref.name
    found = version.spec.artifact.digest
    unclean = _unclean(context, version)
    if unclean:
        title, pull = sources.open_replacement(context, unclean, version)
        return Proposed(name, int(unclean.spec.version), found, title, pull)
    other = registered(context, version)
    if other:
        raise InputError(f"this model is registered already, as {other}")
    number = context.ledger.reserve(
        name,
        found,
        version.spec.run.id if version.spec.run else "",
        by,
        taken=(other.spec.version for other in context.tree.versions(name)),
        asked=_asked(context, name),
    )
    version = proposal.numbered(version, str(number))
    files = {layout.version(name, number): registry.write(version)}
    if context.tree.model(name) is None:
        files[layout.model(name)] = registry.write(first_model(context.config, name))
    title = f"Propose {name}:{number}"
    commit = context.repository.commit(context.base, files, f"{title}\n\nRun {_run_of(version)}, {found}\n")
    pull = context.forge.open_pull(f"mlgitops/propose/{name}.{number}", context.branch, commit, title, _body(version))
    return Proposed(name, number, found, title, pull, warning=_asked_before(pull, version))


def _asked_before(pull: Pull, version: ModelVersion) -> str:
    """Say that an open pull request has the same digest from another run: what is known of this run is not in it."""
    run = _run_of(version)
    if code(run) in pull.body:
        return ""
    return f"pull request {pull.number} has this model from another run and stays as it is; close it to propose {run}"


def registered(context: Context, version: ModelVersion) -> str:
    """Return the address that a version's digest has on the base branch; empty while there is something to ask for."""
    if _unclean(context, version):
        return ""
    return next((f"{other.spec.model_ref.name}:{other.spec.version}" for other in _equal(context, version)), "")


def _unclean(context: Context, version: ModelVersion) -> ModelVersion | None:
    """Return the equal version whose source this one's would replace."""
    return next((other for other in _equal(context, version) if sources.replaces(other, version)), None)


def _equal(context: Context, version: ModelVersion) -> Iterator[ModelVersion]:
    """Yield the versions on the base branch that have this one's digest."""
    for other in context.tree.versions(version.spec.model_ref.name):
        if other.spec.artifact.digest == version.spec.artifact.digest:
            yield other


def _asked(context: Context, model: str) -> Iterable[int]:
    """Yield the numbers in the names of open pull requests' branches, which anybody may choose."""
    prefix = f"mlgitops/propose/{model}."
    for pull in context.forge.pulls(State.OPEN):
        number = pull.head_ref.removeprefix(prefix)
        if pull.head_ref.startswith(prefix) and names.is_version(number):
            yield int(number)


def first_model(config: Config, name: str) -> Model:
    """Return the Model that comes with its first version, as ``[defaults]`` of mlgitops.toml has it."""
    defaults = config.values.get("defaults", {})
    chosen = [str(stage) for stage in defaults.get("stages", ("staging", "production"))]
    stages = tuple(Stage(stage, tuple(chosen[index - 1 : index])) for index, stage in enumerate(chosen))
    policy = defaults.get("policy")
    return Model(
        Metadata(name),
        ModelSpec(
            stages=stages,
            owners=tuple(str(owner) for owner in defaults.get("owners", ())),
            policy_ref=Reference(str(policy)) if policy else None,
        ),
    )


def _push_branch(context: Context, run: str, version: ModelVersion) -> Proposed:
    branch = f"{INBOX}/{run}"
    commit = context.repository.commit(None, {"run.json": proposal.to_inbox(version, actor())}, f"Propose run {run}\n")
    ref = f"refs/heads/{branch}"
    try:
        context.repository.push(context.url, {ref: commit}, {ref: None})
    except OutsideError:
        if ref not in ls_remote(context.url, ref):
            raise  # neither pushed now nor waiting from an earlier attempt
    name = version.spec.model_ref.name
    return Proposed(name, None, version.spec.artifact.digest, f"Propose {name} from run {run}", branch=branch)


def _run_of(version: ModelVersion) -> str:
    return plain(version.spec.run.id) if version.spec.run else "unknown"


def _body(version: ModelVersion) -> str:
    spec = version.spec
    lines = [f"Adds {code(version.metadata.name)}, proposed from run {code(_run_of(version))}.", ""]
    lines += ["| what | value |", "|---|---|", f"| digest | {code(spec.artifact.digest)} |"]
    lines += [f"| format | {code(spec.artifact.format)} |", f"| artifact | {code(spec.artifact.uri)} |"]
    if spec.artifact.allow_code:
        lines.append(f"| **runs code** | where `formats.allowCode` of the policy has {code(spec.artifact.format)} |")
    if spec.source and spec.source.commit:
        state = " with uncommitted changes" if spec.source.dirty else ""
        lines.append(f"| source | {code(spec.source.commit[:12])}{state} |")
    lines += [f"| data set {code(found.name)} | {code(found.digest)} |" for found in spec.datasets]
    lines += [f"| metric {code(found.name)} (claimed) | {code(found.value)} |" for found in spec.metrics[:50]]
    lines += [f"| parameter {code(found.name)} | {code(found.value)} |" for found in spec.params[:50]]
    return "\n".join(lines)
