"""What every kind shares: metadata, references, conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

ConditionStatus = Literal["True", "False", "Unknown"]


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of Kubernetes' ObjectMeta that we read; what the API server writes is empty in git."""

    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reference:
    """The name of another object of the same namespace."""

    name: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A statement about an object, as Kubernetes' metav1.Condition; times are RFC 3339 in UTC."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
    last_transition_time: str
    observed_generation: int = 0


@dataclass(frozen=True, slots=True)
class Suspension:
    """A person's wish to leave an object as it is, until an RFC 3339 time or until it is removed."""

    reason: str
    by: str | None = None
    until: str | None = None
