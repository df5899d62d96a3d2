"""A pull request as it is judged: what is asked, and the registry without and with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from mlgitops import registry
from mlgitops.api import Model, PromotionPolicy
from mlgitops.bot import find
from mlgitops.evidence import Ledger
from mlgitops.git import Repository
from mlgitops.promotion import Review
from mlgitops.registry import Entry, Tree


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be checked, and with whose eyes.

    ``base`` and ``head`` are commits of ``repository``; ``actor`` reserves numbers for versions that
    were written by hand, and is empty where only reading is allowed; ``review`` is None where no pull
    request is judged; ``now`` is the instant to judge at.
    """

    repository: Repository
    base: str
    head: str
    ledger: Ledger
    actor: str = ""
    review: Review | None = None
    now: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Case:
    """A question with the trees that answer it: of the base, and of the merge of head into base.

    ``changed`` has the paths of all files that differ between the two.
    """

    question: Question
    before: Tree
    after: Tree
    changed: frozenset[str]

    @property
    def added(self) -> tuple[Entry, ...]:
        """What the pull request adds."""
        return tuple(entry for entry in self.after.entries if self.before.entry(*entry.key) is None)

    def policy(self, model: str) -> PromotionPolicy | None:
        """Return the base branch's policy for a model: a pull request must not loosen what judges it."""
        named = registry.policy_name(self.before.model(model) or self.after.model(model))
        return self.before.find(PromotionPolicy, named)

    def model(self, name: str, stage: str) -> Model | None:
        """Return the Model that orders a stage: the base's, or the head's where the base does not list it."""
        old, new = self.before.model(name), self.after.model(name)
        listed = old is not None and stage in [found.name for found in old.spec.stages]
        return old if listed else new or old

    def former(self, path: str) -> Entry | None:
        """Return what lay at a path of the base branch when it was last there."""
        return find.former(self.question.repository, self.question.base, path)

    def seen(self, model: Model) -> dict[str, frozenset[str]]:
        """Return for each stage of a model the versions that it names or has named on the base branch."""
        repository, base, name = self.question.repository, self.question.base, model.metadata.name
        return {
            stage.name: frozenset(
                change.version for change in registry.history(repository, base, name, stage.name) if change.version
            )
            for stage in model.spec.stages
        }
