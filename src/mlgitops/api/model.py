"""Model, ModelVersion and ModelStage: what was trained, and which stage names which version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Condition, Metadata, Reference

LifecycleState = Literal["Active", "Deprecated", "Archived", "Rejected"]
Aggregation = Literal["last", "min", "max", "mean"]


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a Model's ordered list; ``after`` names stages that come first."""

    name: str
    after: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What people decided about a model."""

    stages: tuple[Stage, ...]
    display_name: str | None = None
    description: str | None = None
    owners: tuple[str, ...] = ()
    task: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    policy_ref: Reference | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """What versions, stages and deployments belong to."""

    metadata: Metadata
    spec: ModelSpec


@dataclass(frozen=True, slots=True)
class Artifact:
    """A model package: where it lies and the digest that is its identity; the size is in bytes."""

    uri: str
    digest: str
    format: str
    mirrors: tuple[str, ...] = ()
    size_bytes: int | None = None
    required_types: tuple[str, ...] = ()
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input or output; the datatype is V2's, -1 in the shape is any number."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TensorSignature:
    """The tensors that a model takes and gives."""

    inputs: tuple[Tensor, ...] = ()
    outputs: tuple[Tensor, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """The training run's record; times are RFC 3339."""

    id: str
    uri: str | None = None
    digest: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The code that trained a version."""

    repository: str | None = None
    commit: str | None = None
    dirty: bool = False
    entry_point: str | None = None

    @property
    def is_clean(self) -> bool:
        """Whether a commit holds exactly this code; that no commit is known proves nothing better than changes do."""
        return bool(self.commit) and not self.dirty


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that a run read."""

    name: str
    digest: str
    context: str | None = None
    uri: str | None = None
    rows: int | None = None


@dataclass(frozen=True, slots=True)
class Metric:
    """A claim of the training script; numbers are decimal strings in the metric's unit."""

    name: str
    value: str
    aggregation: Aggregation = "last"
    dataset: str | None = None
    samples: int | None = None
    std_err: str | None = None


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of the training run, as text."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """Whether a version may still be used, and why not."""

    state: LifecycleState = "Active"
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Environment:
    """What was installed where a version was trained."""

    python: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    requirements_digest: str | None = None
    image: str | None = None


@dataclass(frozen=True, slots=True)
class ModelVersionSpec:
    """What a version is and where it came from."""

    model_ref: Reference
    version: str
    artifact: Artifact
    description: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    signature: TensorSignature | None = None
    run: Run | None = None
    source: Source | None = None
    datasets: tuple[Dataset, ...] = ()
    metrics: tuple[Metric, ...] = ()
    params: tuple[Param, ...] = ()
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    environment: Environment | None = None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """One trained model, identified by the digest of its package; named ``<model>.<version>``."""

    metadata: Metadata
    spec: ModelVersionSpec


@dataclass(frozen=True, slots=True)
class Hold:
    """Keeps bots from promoting to a stage, until an RFC 3339 time or until it is removed."""

    reason: str
    by: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class ModelStageSpec:
    """Which version a stage of a model names."""

    model_ref: Reference
    stage: str
    version: str
    hold: Hold | None = None


@dataclass(frozen=True, slots=True)
class ModelStageStatus:
    """What the operator saw; -1 before its first look."""

    observed_generation: int = -1
    last_handled_reconcile_at: str | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelStage:
    """A stage of a model, named ``<model>.<stage>``; a promotion changes ``spec.version`` and nothing else."""

    metadata: Metadata
    spec: ModelStageSpec
    status: ModelStageStatus = field(default_factory=ModelStageStatus)
