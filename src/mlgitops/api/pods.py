"""What people say about pods and their containers, in Kubernetes' own words.

Every field is spelled as in a pod, so ``codec.encode`` gives what a pod template takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api.meta import Reference

SelectorOperator = Literal["In", "NotIn", "Exists", "DoesNotExist"]
NodeOperator = Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
TaintEffect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
InclusionPolicy = Literal["Honor", "Ignore"]


@dataclass(frozen=True, slots=True)
class Resources:
    """What a container asks for and may use at most, in Kubernetes' quantities."""

    requests: Mapping[str, str | int] = field(default_factory=dict)
    limits: Mapping[str, str | int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SelectorRequirement:
    """What one label of an object must say."""

    key: str
    operator: SelectorOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LabelSelector:
    """Objects by their labels; an empty one means all."""

    match_labels: Mapping[str, str] = field(default_factory=dict)
    match_expressions: tuple[SelectorRequirement, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeRequirement:
    """What one label of a node must say; Gt and Lt compare whole numbers."""

    key: str
    operator: NodeOperator
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeTerm:
    """What a node's labels must all say."""

    match_expressions: tuple[NodeRequirement, ...]


@dataclass(frozen=True, slots=True)
class NodeSelector:
    """Terms of which one must fit a node."""

    node_selector_terms: tuple[NodeTerm, ...]


@dataclass(frozen=True, slots=True)
class PreferredNode:
    """A wish for a node, with its weight from 1 to 100."""

    weight: int
    preference: NodeTerm


@dataclass(frozen=True, slots=True)
class NodeAffinity:
    """What nodes must and should be."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = None
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredNode, ...] = ()


@dataclass(frozen=True, slots=True)
class PodAffinityTerm:
    """Pods by their labels, and the label of nodes that says what near means."""

    topology_key: str
    label_selector: LabelSelector
    namespaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PreferredPods:
    """A wish about neighbours, with its weight from 1 to 100."""

    weight: int
    pod_affinity_term: PodAffinityTerm


@dataclass(frozen=True, slots=True)
class PodAffinity:
    """Neighbours that pods must and should have, or keep away from."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] = ()
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredPods, ...] = ()


@dataclass(frozen=True, slots=True)
class Affinity:
    """Which nodes and neighbours pods must or should have."""

    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that pods put up with; without a key it is every taint."""

    key: str | None = None
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str | None = None
    effect: TaintEffect | None = None
    toleration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class TopologySpread:
    """How evenly pods are spread over places; without a selector those of one revision are counted."""

    topology_key: str
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"]
    max_skew: int = 1
    min_domains: int | None = None
    label_selector: LabelSelector | None = None
    node_affinity_policy: InclusionPolicy | None = None
    node_taints_policy: InclusionPolicy | None = None


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A key of a ConfigMap or Secret."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where a variable's value stands; exactly one of the two."""

    config_map_key_ref: KeyReference | None = None
    secret_key_ref: KeyReference | None = None


@dataclass(frozen=True, slots=True)
class ServerVariable:
    """One environment variable of the container server; ``value`` and ``value_from`` exclude each other."""

    name: str
    value: str = ""
    value_from: ValueSource | None = None


@dataclass(frozen=True, slots=True)
class SecretVolume:
    """The keys of a Secret as files."""

    secret_name: str


@dataclass(frozen=True, slots=True)
class EmptyDir:
    """An empty folder that lives as long as the pod."""

    medium: Literal["Memory"] | None = None
    size_limit: str | int | None = None


@dataclass(frozen=True, slots=True)
class ClaimVolume:
    """A PersistentVolumeClaim that all pods share."""

    claim_name: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Volume:
    """A volume of a pod; exactly one of the sources is set."""

    name: str
    config_map: Reference | None = None
    secret: SecretVolume | None = None
    empty_dir: EmptyDir | None = None
    persistent_volume_claim: ClaimVolume | None = None


@dataclass(frozen=True, slots=True)
class VolumeMount:
    """Where a container sees a volume."""

    name: str
    mount_path: str
    sub_path: str | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class PodSettings:
    """How a deployment's pods are made and where they run; ``args``, ``env`` and mounts are the server's."""

    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    affinity: Affinity | None = None
    topology_spread_constraints: tuple[TopologySpread, ...] = ()
    priority_class_name: str | None = None
    runtime_class_name: str | None = None
    scheduler_name: str | None = None
    termination_grace_period_seconds: int = 30
    service_account_name: str | None = None
    image_pull_secrets: tuple[Reference, ...] = ()
    args: tuple[str, ...] = ()
    env: tuple[ServerVariable, ...] = ()
    volumes: tuple[Volume, ...] = ()
    volume_mounts: tuple[VolumeMount, ...] = ()
