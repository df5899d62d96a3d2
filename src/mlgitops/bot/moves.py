"""What a pull request lets be served: stages that name another version, and deployments that name one themselves."""

from __future__ import annotations

from collections.abc import Iterator

from mlgitops.api import ModelDeployment, ModelStage
from mlgitops.bot import additions, evidence, find
from mlgitops.bot.case import Case
from mlgitops.bot.report import Subject
from mlgitops.promotion import Change, Held, Outcome, Verdict, judge
from mlgitops.registry import layout


def moves(case: Case) -> Iterator[Subject]:
    """Judge every change of what is served, stage by stage and then the deployments that follow none."""
    for stage in case.after.all(ModelStage):
        old = case.before.find(ModelStage, stage.metadata.name)
        if old is None or old.spec.version != stage.spec.version:
            yield _moved(case, stage, old)
    for stage in case.before.all(ModelStage):
        if case.after.find(ModelStage, stage.metadata.name) is None:
            yield _emptied(case, stage)
    yield from _pinned(case)


def _moved(case: Case, stage: ModelStage, old: ModelStage | None) -> Subject:
    model, name, number = stage.spec.model_ref.name, stage.spec.stage, stage.spec.version
    came = f"version {old.spec.version} → {number}" if old else f"version {number}, the first"
    last = old or _last(case, model, name)
    if old is None and last is not None:
        came = f"version {number}, anew; it last named {last.spec.version}"
    verdicts = _verdicts(case, model, name, number, last, lifted=stage.spec.hold is None)
    return Subject(f"{model}@{name}", f"{model}@{name}: {came}", verdicts)


def _emptied(case: Case, stage: ModelStage) -> Subject:
    model, name = stage.spec.model_ref.name, stage.spec.stage
    found = case.after.model(model)
    if found and name in [listed.name for listed in found.spec.stages]:
        reason = f"{model} lists the stage {name}, so it goes on naming a version; to go back: mlgitops rollback"
        verdict = Verdict("removed", Outcome.FAIL, reason)
    else:
        verdict = Verdict("removed", Outcome.PASS, f"no Model lists the stage {name} any more")
    return Subject(f"{model}@{name}", f"{model}@{name}: removed", (verdict,))


def _pinned(case: Case) -> Iterator[Subject]:
    """Judge what deployments name themselves as if the model's last stage were to name it."""
    served = {(entry.environment, entry.key): entry.resource for entry in case.before.entries}
    for entry in case.after.entries:
        deployment, old = entry.resource, served.get((entry.environment, entry.key))
        if not isinstance(deployment, ModelDeployment) or deployment.spec.version is None:
            continue
        model, number = deployment.spec.model_ref.name, deployment.spec.version
        if isinstance(old, ModelDeployment) and (old.spec.model_ref.name, old.spec.version) == (model, number):
            continue
        found = case.before.model(model) or case.after.model(model)
        if found is None:
            continue  # the tree's problems say so
        stage = found.spec.stages[-1].name
        last = case.before.stage(model, stage) or _last(case, model, stage)
        name = f"deployment {entry.environment}/{deployment.metadata.name}"
        headline = f"{name}: version {number} of {model}, judged as {model}@{stage} is"
        yield Subject(name, headline, _verdicts(case, model, stage, number, last, lifted=False))


def _last(case: Case, model: str, stage: str) -> ModelStage | None:
    """Return a stage as the base branch had it last: that it was deleted takes neither champion nor hold away."""
    former = case.former(layout.stage(model, stage))
    return former.resource if former and isinstance(former.resource, ModelStage) else None


def _verdicts(
    case: Case,
    model_name: str,
    stage: str,
    number: str,
    old: ModelStage | None,
    *,
    lifted: bool,
) -> tuple[Verdict, ...]:
    before, question = case.before, case.question
    challenger, model = case.after.version(model_name, number), case.model(model_name, stage)
    if challenger is None or model is None:
        return ()  # the tree's problems say so
    now, hold = old.spec.version if old else None, find.hold(old, question.now)
    earlier = find.earlier(question.repository, question.base, model_name, stage, now)
    change = Change(
        model=model,
        stage=stage,
        challenger=challenger,
        champion=before.version(model_name, now) if now else None,
        # What the stage names already has passed, and a deployment that names it asks for nothing new.
        named_before=number == now or number in earlier,
        seen=case.seen(model),
        held=Held(hold.reason, hold.by or "", lifted=lifted) if hold else None,
    )
    policy = case.policy(model_name)
    known = evidence.gather(question.ledger, challenger, policy)
    judged = judge(change, policy, known.evaluations, known.services, question.review, now=question.now)
    verdicts = (*judged, *known.unread, additions.artifact(case, challenger))
    if policy is None:
        reason = "the base branch has no policy for this model; merge the policy first"
        verdicts = (Verdict("policy", Outcome.FAIL, reason), *verdicts)
    return verdicts
