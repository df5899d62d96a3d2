"""ModelDeployment and ModelOverride: what shall serve, and what does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.analysis import Analysis
from mlgitops.api.meta import Condition, Metadata, Reference, Suspension
from mlgitops.api.pods import PodSettings, Resources
from mlgitops.api.routing import Route
from mlgitops.api.scaling import Autoscaling
from mlgitops.api.surroundings import Auth, Monitoring, Network

Strategy = Literal["Canary", "BlueGreen", "Rolling"]
Phase = Literal["Starting", "Shifting", "Pausing"]
INDEFINITE = "Indefinite"


@dataclass(frozen=True, slots=True)
class Engine:
    """What runs the pods."""

    name: Literal["Kubernetes", "KServe", "Seldon"] = "Kubernetes"


@dataclass(frozen=True, slots=True)
class RolloutStep:
    """A share of traffic in percent, and how long to stay there (a duration, or ``Indefinite``)."""

    weight: int
    pause: str = "0s"


@dataclass(frozen=True, slots=True)
class RolloutSpec:
    """How traffic moves to a new revision; ``keep_previous`` and ``deadline`` are durations."""

    strategy: Strategy = "Canary"
    steps: tuple[RolloutStep, ...] = ()
    keep_previous: str = "15m"
    deadline: str = "1h"
    on_inconclusive: Literal["Pause", "Rollback", "Promote"] = "Pause"
    analysis: Analysis | None = None


@dataclass(frozen=True, slots=True)
class ArtifactAccess:
    """The Secret whose keys become the fetcher's environment."""

    secret_ref: Reference | None = None


@dataclass(frozen=True, slots=True)
class ModelDeploymentSpec:
    """What to serve, and how; exactly one of ``stage`` and ``version`` is set."""

    model_ref: Reference
    stage: str | None = None
    version: str | None = None
    runtime_ref: Reference | None = None
    engine: Engine = field(default_factory=Engine)
    replicas: int = 1
    resources: Resources | None = None
    pods: PodSettings | None = None
    autoscaling: Autoscaling | None = None
    rollout: RolloutSpec = field(default_factory=RolloutSpec)
    route: Route | None = None
    auth: Auth | None = None
    network: Network | None = None
    monitoring: Monitoring | None = None
    delivery: Literal["Fetch", "ImageVolume"] = "Fetch"
    artifact_access: ArtifactAccess | None = None
    suspend: Suspension | None = None


@dataclass(frozen=True, slots=True)
class RevisionReference:
    """A revision (the short hash of a pod template), with the version and digest that it serves."""

    revision: str
    version: str
    digest: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A revision that failed; ``at`` is RFC 3339.

    ``retried`` says that the annotation ``retry`` asked for the try that failed, so that it does not ask again.
    """

    revision: str
    version: str
    digest: str
    reason: str
    at: str
    message: str | None = None
    retried: bool = False


@dataclass(frozen=True, slots=True)
class RolloutStatus:
    """The roll-out under way; the step counts from 0, the weight is in percent, times are RFC 3339.

    ``stable_replicas`` is how many pods the serving revision had when the step began, None without autoscaling.
    """

    phase: Phase
    started_at: str
    step_started_at: str
    step: int = 0
    weight: int = 0
    stable_replicas: int | None = None
    returning: bool = False


@dataclass(frozen=True, slots=True)
class Failure:
    """The last thing that went wrong with a pod."""

    reason: str
    message: str | None = None
    exit_code: int | None = None
    container: str | None = None
    version: str | None = None
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class ServedRevision:
    """A revision that took all traffic, and when (RFC 3339)."""

    revision: str
    version: str
    digest: str
    at: str


@dataclass(frozen=True, slots=True)
class RetiringRevision:
    """A revision that serves no more but keeps its pods until an RFC 3339 time, so that going back is quick.

    ``proven`` says that it served all traffic until another replaced it, and was not itself what
    somebody went back from.
    """

    revision: str
    version: str
    digest: str
    replicas: int = 0
    until: str | None = None
    proven: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentStatus:
    """What the operator saw and decided; ``rollout`` is written before anything is changed."""

    observed_generation: int = -1
    last_handled_reconcile_at: str | None = None
    active: RevisionReference | None = None
    target: RevisionReference | None = None
    refused: Refusal | None = None
    rollout: RolloutStatus | None = None
    retiring: tuple[RetiringRevision, ...] = ()
    last_failure: Failure | None = None
    url: str | None = None
    replicas: int = 0
    ready_replicas: int = 0
    selector: str | None = None
    history: tuple[ServedRevision, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelDeployment:
    """Serves the version that a stage names, or one fixed version."""

    metadata: Metadata
    spec: ModelDeploymentSpec
    status: DeploymentStatus = field(default_factory=DeploymentStatus)


@dataclass(frozen=True, slots=True)
class ModelOverrideSpec:
    """Which version to serve whatever git says, why, and until when (RFC 3339)."""

    version: str
    reason: str
    by: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class ModelOverrideStatus:
    """What the operator saw; -1 before its first look."""

    observed_generation: int = -1
    last_handled_reconcile_at: str | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelOverride:
    """Break-glass for the ModelDeployment of the same name."""

    metadata: Metadata
    spec: ModelOverrideSpec
    status: ModelOverrideStatus = field(default_factory=ModelOverrideStatus)
