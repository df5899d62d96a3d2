"""``mlgitops check``: is a pull request well formed, is it true, and may it be merged now?

What is judged is the merge of head and base, against the base. Policy, signers and the registry's
address are the base branch's; nothing that the pull request brings is run or believed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlgitops import artifacts, plan, registry
from mlgitops.api import ModelStage, ModelVersion, PromotionPolicy
from mlgitops.bot import evidence, find
from mlgitops.bot.report import MARKER, Report, Subject
from mlgitops.errors import IntegrityError, MlgitopsError, NotFoundError, OutsideError, Problem
from mlgitops.evidence import Ledger
from mlgitops.forge import REQUIRED, Forge
from mlgitops.git import Repository
from mlgitops.promotion import Change, Held, Outcome, Verdict, judge
from mlgitops.registry import Tree


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be checked, and with whose eyes.

    ``base`` and ``head`` are commits of ``repository``; ``actor`` reserves numbers for versions that
    were written by hand, and is empty where only reading is allowed.
    """

    repository: Repository
    base: str
    head: str
    ledger: Ledger
    actor: str = ""


def check(question: Question) -> Report:
    """Judge the merge of head into base.

    Raises:
        OutsideError: the registry cannot be read.
    """
    repository = question.repository
    try:
        merged = repository.merge(question.base, question.head, "Check")
    except MlgitopsError as error:
        return Report(question.base, question.head, (Problem(question.head[:12], 0, "", str(error)),), ())
    before = registry.read((repository, question.base))
    after = registry.read((repository, merged))
    problems = tuple(registry.validate(after, before))
    subjects = tuple(_subjects(question, before, after))
    changed = None if problems else plan.diff(before, after)
    return Report(
        base=question.base,
        head=question.head,
        problems=problems,
        subjects=subjects,
        plan=changed.markdown() if changed else "",
        plan_text=changed.text() if changed else "",
        ledger=_ledger(question.ledger),
    )


def _ledger(ledger: Ledger) -> str:
    """Say which commit of the ledger was read; without one, what was seen of it last."""
    try:
        return ledger.commit or ""
    except OutsideError:
        last = ledger.last_fetched()
        return f"unreadable, last seen {last.at:%Y-%m-%d %H:%M} UTC at {last.sha[:12]}" if last else "unreadable"


def publish(report: Report, forge: Forge, number: int) -> None:
    """Write the report on its pull request: one comment that is updated, and the check."""
    forge.comment(number, MARKER, report.markdown())
    forge.set_check(number, report.head, report.base, REQUIRED, report.passed, report.summary)


def _subjects(question: Question, before: Tree, after: Tree) -> Iterator[Subject]:
    for version in after.all(ModelVersion):
        if before.find(ModelVersion, version.metadata.name) is None:
            name = f"{version.spec.model_ref.name}:{version.spec.version}"
            yield Subject(name, f"new version {name}", tuple(_new_version(question, before, after, version)))
    for stage in after.all(ModelStage):
        old = before.find(ModelStage, stage.metadata.name)
        if old is None or old.spec.version != stage.spec.version:
            yield _moved_stage(question, before, after, stage, old)


def _new_version(question: Question, before: Tree, after: Tree, version: ModelVersion) -> Iterator[Verdict]:
    artifact = _artifact(before, after, version)
    # A number is given away for ever, so nobody gets one for what cannot be merged.
    yield _reserved(question if artifact.outcome is Outcome.PASS else replace(question, actor=""), before, version)
    yield artifact


def _reserved(question: Question, before: Tree, version: ModelVersion) -> Verdict:
    model, number, digest = version.spec.model_ref.name, version.spec.version, version.spec.artifact.digest
    try:
        held = question.ledger.reservation(model, number)
        if held is not None and held.digest == digest:
            return Verdict("reserved", Outcome.PASS, f"the ledger reserves {model}:{number} for this digest")
        if held is None and not question.actor:
            command = f"mlgitops reserve {model}:{number} {digest}"
            return Verdict("reserved", Outcome.FAIL, f"{model}:{number} is not reserved; a maintainer runs: {command}")
        taken = [found.spec.version for found in before.versions(model)]
        question.ledger.reserve_number(model, number, digest, "", question.actor, taken)
    except OutsideError as error:
        return Verdict("reserved", Outcome.INCONCLUSIVE, str(error))
    except MlgitopsError as error:
        return Verdict("reserved", Outcome.FAIL, str(error))
    return Verdict("reserved", Outcome.PASS, f"{question.actor} reserved {model}:{number} for this digest")


def _artifact(before: Tree, after: Tree, version: ModelVersion) -> Verdict:
    policy = _policy(before, after, version.spec.model_ref.name)
    prefixes = policy.spec.artifacts.prefixes if policy else ()
    uri = version.spec.artifact.uri
    if not artifacts.within(uri, prefixes):
        allowed = ", ".join(prefixes) or "none"
        return Verdict("artifact", Outcome.FAIL, f"{uri} lies outside the policy's artifact prefixes ({allowed})")
    try:
        artifacts.check(uri, version.spec.artifact.digest)
    except (IntegrityError, NotFoundError) as error:
        return Verdict("artifact", Outcome.FAIL, str(error))
    except MlgitopsError as error:
        return Verdict("artifact", Outcome.INCONCLUSIVE, str(error))
    return Verdict("artifact", Outcome.PASS, f"{uri} holds exactly this digest")


def _policy(before: Tree, after: Tree, model: str) -> PromotionPolicy | None:
    """Return the base branch's policy for a model: a pull request must not loosen what judges it."""
    return before.find(PromotionPolicy, registry.policy_name(before.model(model) or after.model(model)))


def _moved_stage(question: Question, before: Tree, after: Tree, stage: ModelStage, old: ModelStage | None) -> Subject:
    model_name, name, number = stage.spec.model_ref.name, stage.spec.stage, stage.spec.version
    champion = before.version(model_name, old.spec.version) if old else None
    came = f"version {old.spec.version} → {number}" if old else f"version {number}, the first"
    headline = f"{model_name}@{name}: {came}"
    challenger, model = after.version(model_name, number), after.model(model_name)
    if challenger is None or model is None:
        return Subject(f"{model_name}@{name}", headline, ())  # the tree's problems say so
    hold = find.hold(old)
    seen = {
        found.name: frozenset(
            change.version
            for change in registry.history(question.repository, question.base, model_name, found.name)
            if change.version
        )
        for found in model.spec.stages
    }
    now = old.spec.version if old else None
    change = Change(
        model=before.model(model_name) or model,
        stage=name,
        challenger=challenger,
        champion=champion,
        named_before=number in find.earlier(question.repository, question.base, model_name, name, now),
        seen=seen,
        held=Held(hold.reason, hold.by or "", lifted=stage.spec.hold is None) if hold else None,
    )
    policy = _policy(before, after, model_name)
    evaluations, unread = evidence.evaluations(question.ledger, challenger, policy)
    verdicts = (*judge(change, policy, evaluations), *unread, _artifact(before, after, challenger))
    if policy is None:
        reason = "the base branch has no policy for this model; merge the policy first"
        verdicts = (Verdict("policy", Outcome.FAIL, reason), *verdicts)
    return Subject(f"{model_name}@{name}", headline, verdicts)
