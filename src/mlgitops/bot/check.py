"""``mlgitops check``: is a pull request well formed, is it true, and may it be merged now?

What is judged is the merge of head and base, against the base. Policy, signers and the registry's
address are the base branch's; nothing that the pull request brings is run or believed.
"""

from __future__ import annotations

from mlgitops import plan, registry
from mlgitops.bot.additions import additions, clean_sources
from mlgitops.bot.case import Case, Question
from mlgitops.bot.judges import judges
from mlgitops.bot.moves import moves
from mlgitops.bot.report import MARKER, Report
from mlgitops.errors import MlgitopsError, OutsideError, Problem
from mlgitops.evidence import Ledger
from mlgitops.forge import REQUIRED, Forge


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
    case = Case(question, before, after, frozenset(repository.changed(question.base, merged)))
    subjects = (*judges(case), *additions(case), *clean_sources(case), *moves(case))
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
