"""What a check found, as a comment, as terminal text and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlgitops.bot.inert import code, plain
from mlgitops.errors import Problem
from mlgitops.promotion import Outcome, Verdict, passed

MARKER = "mlgitops-check"
SIGNS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.INCONCLUSIVE: "⚠️"}


@dataclass(frozen=True, slots=True)
class Subject:
    """Something the pull request changes, with what was judged of it: a new version, or a stage."""

    name: str
    headline: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """The whole check of one head against one base.

    ``plan`` is the cluster's diff in Markdown and ``plan_text`` the same for a terminal; both are
    empty when the tree is too broken to be planned. ``ledger`` is the commit that was read, or says
    that none could be.
    """

    base: str
    head: str
    problems: tuple[Problem, ...]
    subjects: tuple[Subject, ...]
    plan: str = ""
    plan_text: str = ""
    ledger: str = ""

    @property
    def passed(self) -> bool:
        """Whether nothing is malformed and every verdict is a pass."""
        return not self.problems and all(passed(subject.verdicts) for subject in self.subjects)

    @property
    def summary(self) -> str:
        """One line: how many things failed, or that all is well."""
        if self.passed:
            judged = ", ".join(subject.headline for subject in self.subjects)
            return judged or "the tree is well formed"
        bad = [v for s in self.subjects for v in s.verdicts if v.outcome is not Outcome.PASS]
        first = str(self.problems[0]) if self.problems else bad[0].reason
        more = len(self.problems) + len(bad) - 1
        return plain(first) + (f" (and {more} more)" if more else "")

    def markdown(self) -> str:
        """Return the comment; foreign text in it is inert."""
        mark = SIGNS[Outcome.PASS] if self.passed else SIGNS[Outcome.FAIL]
        lines = [f"## {mark} mlgitops check", ""]
        if self.problems:
            lines += ["### Not well formed", "", *(f"- {code(problem, 1000)}" for problem in self.problems), ""]
        for subject in self.subjects:
            lines += [f"### {code(subject.headline)}", "", *_table(subject.verdicts), ""]
        if self.plan:
            lines += ["### What a merge changes in the cluster", "", self.plan, ""]
        lines.append(f"Judged {code(self.head[:12])} merged into {code(self.base[:12])}{self._ledger()}.")
        return "\n".join(lines)

    def text(self) -> str:
        """Return the same for a terminal."""
        lines = [f"problem: {plain(problem, 1000)}" for problem in self.problems]
        for subject in self.subjects:
            lines.append(plain(subject.headline))
            lines += [f"  {v.outcome.value:<12} {plain(v.gate)}: {plain(v.reason, 500)}" for v in subject.verdicts]
        if self.plan_text:
            lines += ["", self.plan_text]
        lines.append("check passed" if self.passed else "check failed")
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Return the report as stable JSON."""
        return {
            "passed": self.passed,
            "summary": self.summary,
            "base": self.base,
            "head": self.head,
            "ledger": self.ledger,
            "problems": [
                {"file": p.file, "line": p.line, "field": p.field, "message": p.message} for p in self.problems
            ],
            "subjects": [
                {
                    "name": subject.name,
                    "headline": subject.headline,
                    "verdicts": [
                        {"gate": v.gate, "outcome": v.outcome.value, "reason": v.reason, "evidence": v.evidence}
                        for v in subject.verdicts
                    ],
                }
                for subject in self.subjects
            ],
        }

    def _ledger(self) -> str:
        return f"; evidence from the ledger: {code(self.ledger)}" if self.ledger else "; the ledger is empty"


def _table(verdicts: Sequence[Verdict]) -> list[str]:
    rows = [
        f"| {SIGNS[v.outcome]} | {code(v.gate)} | {code(v.reason, 500)} | {code(v.evidence) if v.evidence else ''} |"
        for v in verdicts
    ]
    return ["| | gate | reason | evidence |", "|---|---|---|---|", *rows]
