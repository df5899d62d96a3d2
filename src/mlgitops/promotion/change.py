"""The change of one stage that is to be judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlgitops.api import Model, ModelVersion


@dataclass(frozen=True, slots=True)
class Held:
    """A hold on the stage: why, by whom, and whether this pull request lifts it."""

    reason: str
    by: str = ""
    lifted: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A pull request's change of one stage's version.

    Args:
        model: the model, with its ordered stages.
        stage: the stage that changes.
        challenger: the version that the pull request names.
        champion: the version that the base branch names; None when the stage is new.
        named_before: whether the stage named the challenger before it first named the champion: a rollback.
        seen: for each stage, the versions that it names or has named on the base branch.
        held: the hold that the stage has on the base branch, if any.
    """

    model: Model
    stage: str
    challenger: ModelVersion
    champion: ModelVersion | None = None
    named_before: bool = False
    seen: Mapping[str, frozenset[str]] = field(default_factory=dict)
    held: Held | None = None

    @property
    def name(self) -> str:
        """The challenger's address, as a person writes it."""
        return f"{self.model.metadata.name}:{self.challenger.spec.version}"
