"""Whether a pull request changes who judges the next one; then it changes nothing else.

Judged by the old rules, a change of rules always passes. So it comes alone, where nobody overlooks
it, and CODEOWNERS gives these files to the admins.
"""

from __future__ import annotations

from collections.abc import Iterator

from mlgitops import config
from mlgitops.api import Model, ModelStage, PromotionPolicy
from mlgitops.bot.case import Case
from mlgitops.bot.report import Subject
from mlgitops.promotion import Outcome, Verdict
from mlgitops.registry import layout, policy_name

SHOWN = 5  # paths in one reason


def judges(case: Case) -> Iterator[Subject]:
    """Name every change of a policy, of which policy a model has, of its stages' order, and of the settings."""
    changes: list[str] = []
    own: set[str] = set()
    if config.FILE in case.changed:
        changes.append(f"{config.FILE}, which names the registry, its forge and its ledger")
    for name in sorted(_names(case, PromotionPolicy)):
        if case.before.find(PromotionPolicy, name) != case.after.find(PromotionPolicy, name):
            changes.append(f"policy {name}")
            own.add(layout.policy(name))
    for name in sorted(_names(case, Model)):
        told = list(_model(case, name))
        if told:
            changes += told
            own |= {layout.model(name), *_left_behind(case, name)}
    if not changes:
        return
    reason = f"changes who judges: {'; '.join(changes)}"
    others = sorted(path for path in case.changed - own if layout.is_applied(path))
    if others:
        more = f" and {len(others) - SHOWN} more" if len(others) > SHOWN else ""
        reason += f"; that takes a pull request of its own, without {', '.join(others[:SHOWN])}{more}"
    yield Subject("judges", "who judges", (Verdict("judges", Outcome.FAIL if others else Outcome.PASS, reason),))


def _names(case: Case, cls: type[Model] | type[PromotionPolicy]) -> set[str]:
    return {found.metadata.name for tree in (case.before, case.after) for found in tree.all(cls)}


def _model(case: Case, name: str) -> Iterator[str]:
    old, new = case.before.model(name), case.after.model(name)
    if old is None:
        former = case.former(layout.model(name))
        old = former.resource if former and isinstance(former.resource, Model) else None
    if old is None:
        return  # a new model is judged by the policy that it names
    if new is None:
        yield f"{name}, which goes"
        return
    if policy_name(old) != policy_name(new):
        yield f"policy {policy_name(new)} instead of {policy_name(old)} for {name}"
    if old.spec.stages != new.spec.stages:
        yield f"the stages of {name}: {_order(old)} become {_order(new)}{_ungated(case, old, new)}"


def _order(model: Model) -> str:
    return ", ".join(
        stage.name + (f" (after {', '.join(stage.after)})" if stage.after else "") for stage in model.spec.stages
    )


def _ungated(case: Case, old: Model, new: Model) -> str:
    policy = case.before.find(PromotionPolicy, policy_name(new))
    judged = policy.spec.applies_to.stages if policy else ()
    known = {stage.name for stage in old.spec.stages}
    free = [stage.name for stage in new.spec.stages if judged and stage.name not in {*known, *judged}]
    return f", and no gate judges {', '.join(free)}" if free else ""


def _left_behind(case: Case, name: str) -> Iterator[str]:
    """Yield the files that go because their stage or their model does."""
    model = case.after.model(name)
    if model is None:
        folder = layout.model(name).rpartition("/")[0]
        yield from (path for path in case.changed if path.startswith(f"{folder}/"))
        return
    listed = {stage.name for stage in model.spec.stages}
    for stage in case.before.all(ModelStage):
        if stage.spec.model_ref.name == name and stage.spec.stage not in listed:
            yield layout.stage(name, stage.spec.stage)
