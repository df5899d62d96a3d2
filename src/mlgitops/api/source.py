"""RegistrySource: a git repository that a namespace follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Condition, Metadata, Reference, Suspension


@dataclass(frozen=True, slots=True)
class GitReference:
    """What to follow in a repository; exactly one is set."""

    branch: str | None = None
    tag: str | None = None
    semver: str | None = None
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class CertificateReference:
    """Where PEM certificates of authorities stand: in a key of a ConfigMap or Secret."""

    name: str
    kind: Literal["ConfigMap", "Secret"] = "ConfigMap"
    key: str = "ca.crt"


@dataclass(frozen=True, slots=True)
class Prune:
    """Whether objects that left the repository are deleted, and at most which share of them in percent."""

    enabled: bool = True
    max_percent: int = 50


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An SSH public key as ``ssh-ed25519 AAAA…``, and whose it is."""

    name: str
    public_key: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Whose signatures make a commit one to apply."""

    keys: tuple[SigningKey, ...]


@dataclass(frozen=True, slots=True)
class RegistrySourceSpec:
    """Which repository to follow; interval, retry interval and timeout are durations."""

    url: str
    ref: GitReference = field(default_factory=lambda: GitReference(branch="main"))
    paths: tuple[str, ...] = ("registry",)
    ignore: tuple[str, ...] = ()
    interval: str = "1m"
    retry_interval: str | None = None
    timeout: str = "1m"
    secret_ref: Reference | None = None
    ca_ref: CertificateReference | None = None
    verify: Verification | None = None
    prune: Prune = field(default_factory=Prune)
    suspend: Suspension | None = None


@dataclass(frozen=True, slots=True)
class RegistrySourceStatus:
    """What the operator saw; revisions are commits."""

    observed_generation: int = -1
    last_attempted_revision: str | None = None
    last_applied_revision: str | None = None
    last_handled_reconcile_at: str | None = None
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class RegistrySource:
    """Keeps the objects of its namespace equal to a git repository."""

    metadata: Metadata
    spec: RegistrySourceSpec
    status: RegistrySourceStatus = field(default_factory=RegistrySourceStatus)
