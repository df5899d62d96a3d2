"""The rules that hold for every promotion, whatever the policy's gates are."""

from __future__ import annotations

from mlgitops.api import PromotionPolicy
from mlgitops.api.model import Source
from mlgitops.promotion.change import Change
from mlgitops.promotion.verdict import Outcome, Verdict


def lifecycle(change: Change) -> Verdict:
    """A version that is archived or rejected takes no stage; a deprecated one is named as such."""
    state = change.challenger.spec.lifecycle.state
    reason = change.challenger.spec.lifecycle.reason
    because = f": {reason}" if reason else ""
    if state in ("Archived", "Rejected"):
        return Verdict("lifecycle", Outcome.FAIL, f"{change.name} is {state}{because}; promote another version")
    return Verdict("lifecycle", Outcome.PASS, f"{change.name} is {state}{because}")


def hold(change: Change) -> Verdict:
    """A held stage changes its version only in a pull request that lifts the hold."""
    if change.held is None:
        return Verdict("hold", Outcome.PASS, f"{change.stage} is not held")
    by = f" by {change.held.by}" if change.held.by else ""
    if change.held.lifted:
        return Verdict("hold", Outcome.PASS, f"this pull request lifts the hold{by} ({change.held.reason})")
    return Verdict(
        "hold",
        Outcome.FAIL,
        f"{change.stage} is held{by} ({change.held.reason}); a person lifts it by removing spec.hold here",
    )


def order(change: Change) -> Verdict:
    """A version comes to a stage by way of the stages that it stands after."""
    after = next((stage.after for stage in change.model.spec.stages if stage.name == change.stage), ())
    version = change.challenger.spec.version
    missing = [stage for stage in after if version not in change.seen.get(stage, frozenset())]
    if missing:
        first = missing[0]
        command = f"mlgitops promote {change.model.metadata.name} {first} {version}"
        return Verdict("order", Outcome.FAIL, f"{change.name} has not been in {', '.join(missing)}; first: {command}")
    through = f"{change.name} has been in {', '.join(after)}" if after else f"{change.stage} stands after no stage"
    return Verdict("order", Outcome.PASS, through)


def source(change: Change, policy: PromotionPolicy) -> Verdict:
    """A version whose code no commit holds is warned about, and refused where the policy says so.

    That no commit is known proves nothing better than uncommitted changes do.
    """
    found, trained = change.challenger.spec.source, trained_from(change.challenger.spec.source)
    if found and found.is_clean:
        return Verdict("source", Outcome.PASS, f"trained from {trained}")
    last = change.model.spec.stages[-1].name == change.stage
    if refuses_unclean(policy, last=last):
        way = f"commit the code, train again, and propose that run: it replaces the source of {change.name}"
        return Verdict("source", Outcome.FAIL, f"{change.name} was trained from {trained}; {way}")
    later = "; the last stage refuses it" if refuses_unclean(policy, last=True) else ""
    return Verdict("source", Outcome.PASS, f"warning: {change.name} was trained from {trained}{later}")


def trained_from(found: Source | None) -> str:
    """Return in words what code a version was trained from."""
    if found is None or not found.commit:
        return "unknown source, for it names no commit"
    return f"{'uncommitted changes on' if found.dirty else 'commit'} {found.commit[:12]}"


def refuses_unclean(policy: PromotionPolicy, *, last: bool) -> bool:
    """Return whether a stage refuses what was trained from code that no commit holds; ``last``: the Model's last."""
    return policy.spec.source.dirty == "Refuse" or (policy.spec.source.dirty == "RefuseAtLastStage" and last)
