"""ServingRuntime: which images serve which formats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Metadata
from mlgitops.api.pods import Resources

Protocol = Literal["V2REST", "V2GRPC", "MLflow"]
Capability = Literal["DigestReady", "Metrics", "Drift", "Auth"]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
SERVER = "server"
FETCHER = "fetch"


@dataclass(frozen=True, slots=True)
class SupportedFormat:
    """A format, and the version ranges (PEP 440) that a version's packages must fit."""

    name: str
    packages: Mapping[str, str] = field(default_factory=dict)
    priority: int = 0


@dataclass(frozen=True, slots=True)
class EnvironmentVariable:
    """One environment variable of a container."""

    name: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class RuntimeContainer:
    """A container of a serving pod; the one named ``server`` loads and answers."""

    name: str
    image: str
    image_pull_policy: PullPolicy | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvironmentVariable, ...] = ()
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class Fetcher:
    """The init container that downloads a package and verifies its digest."""

    image: str
    image_pull_policy: PullPolicy | None = None
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[EnvironmentVariable, ...] = ()
    resources: Resources | None = None


@dataclass(frozen=True, slots=True)
class MetricNames:
    """How a server that is not ours names its metrics; the latency's histogram counts seconds."""

    requests: str | None = None
    errors: str | None = None
    latency: str | None = None


@dataclass(frozen=True, slots=True)
class ServingRuntimeSpec:
    """What a runtime can serve, and how."""

    supported_formats: tuple[SupportedFormat, ...]
    containers: tuple[RuntimeContainer, ...]
    fetcher: Fetcher
    protocols: tuple[Protocol, ...] = ()
    capabilities: tuple[Capability, ...] = ()
    metrics: MetricNames | None = None


@dataclass(frozen=True, slots=True)
class ServingRuntime:
    """Images and arguments for serving; immutable, so a new runtime is a new name."""

    metadata: Metadata
    spec: ServingRuntimeSpec
