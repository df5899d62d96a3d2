"""PromotionPolicy: what a version must prove, and which bytes are ever fetched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Metadata

DirtyRule = Literal["Allow", "RefuseAtLastStage", "Refuse"]
Evidence = Literal["Evaluated", "Claimed"]
Day = Literal["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
StatementKind = Literal["evaluated", "merged", "rolledOut", "becameUnhealthy"]
DEFAULT_POLICY = "default"


@dataclass(frozen=True, slots=True)
class AppliesTo:
    """Where gates are judged; no stages means all."""

    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersusChampion:
    """How much better than the champion a challenger must be, a decimal string in the metric's unit."""

    margin: str = "0"


@dataclass(frozen=True, slots=True)
class Gate:
    """A named check of one metric on one dataset; bounds are decimal strings in the metric's unit."""

    name: str
    metric: str
    dataset: str
    min: str | None = None
    max: str | None = None
    better: Literal["Higher", "Lower"] = "Higher"
    versus_champion: VersusChampion | None = None
    min_samples: int | None = None
    evidence: Evidence = "Evaluated"


@dataclass(frozen=True, slots=True)
class SourceRule:
    """What is demanded of the training code."""

    dirty: DirtyRule = "RefuseAtLastStage"


@dataclass(frozen=True, slots=True)
class ArtifactRule:
    """URIs that packages must lie below, each ending in a slash."""

    prefixes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FormatRule:
    """What loading a model may do."""

    trusted_types: tuple[str, ...] = ()
    allow_code: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, and the kinds of statements that it may sign."""

    name: str
    public_key: str
    statements: tuple[StatementKind, ...]


@dataclass(frozen=True, slots=True)
class WeeklyWindow:
    """Days of every week, and the hours of them (``HH:MM`` to at most ``24:00``) in a time zone."""

    days: tuple[Day, ...]
    start: str = "00:00"
    end: str = "24:00"
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Freeze:
    """When nothing is promoted: between two instants, or in a window of every week; no stages means all."""

    name: str
    reason: str | None = None
    stages: tuple[str, ...] = ()
    start: str | None = None
    end: str | None = None
    weekly: WeeklyWindow | None = None


@dataclass(frozen=True, slots=True)
class Soak:
    """How long a version serves at the stages before the next may name it, a duration."""

    minimum: str


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """How many people other than the author approve a pull request, and whose word counts; no stages means all."""

    minimum: int
    by: Literal["Anyone", "Owners"] = "Anyone"
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StatusCheck:
    """A status by another program that the pull request's head must have; no stages means all."""

    name: str
    stages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AutoPromotion:
    """Stages that a bot opens promotions to."""

    stages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RollbackRule:
    """Whether the pull request of a rollback that already happened is merged without a person."""

    auto_merge: bool = False


@dataclass(frozen=True, slots=True)
class PromotionPolicySpec:
    """What is demanded of a promotion and of the bytes behind it."""

    artifacts: ArtifactRule
    applies_to: AppliesTo = field(default_factory=AppliesTo)
    gates: tuple[Gate, ...] = ()
    checks: tuple[StatusCheck, ...] = ()
    auto_promotion: AutoPromotion | None = None
    rollback: RollbackRule = field(default_factory=RollbackRule)
    approvals: ApprovalRule | None = None
    soak: Soak | None = None
    freezes: tuple[Freeze, ...] = ()
    source: SourceRule = field(default_factory=SourceRule)
    formats: FormatRule = field(default_factory=FormatRule)
    signers: tuple[Signer, ...] = ()
    on_rejected: Literal["Stop", "Serve"] = "Stop"


@dataclass(frozen=True, slots=True)
class PromotionPolicy:
    """Owned by admins and read from the base branch only."""

    metadata: Metadata
    spec: PromotionPolicySpec
