"""A deployment's surroundings in memory, for tests of pure functions.

``World`` holds git's objects and the children, takes over what ``plan`` wants exactly
as the operator would, and plays the Deployment controller, the pods and the gateway as
well as each test asks it to.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from mlgitops import api, plan
from mlgitops.api import DeploymentStatus, ModelDeployment
from mlgitops.api.deployment import (
    ModelDeploymentSpec,
    ModelOverrideSpec,
    RolloutSpec,
    RolloutStep,
)
from mlgitops.api.meta import Metadata, Reference
from mlgitops.api.model import Artifact, Lifecycle, ModelSpec, ModelStageSpec, ModelVersionSpec, Stage
from mlgitops.api.policy import ArtifactRule, PromotionPolicySpec
from mlgitops.api.routing import ParentReference, Route
from mlgitops.api.runtime import Fetcher, RuntimeContainer, ServingRuntimeSpec, SupportedFormat
from mlgitops.plan import labels

Raw = dict[str, Any]
START = datetime(2026, 11, 24, 12, tzinfo=UTC)
STEPS = (RolloutStep(10, "2m"), RolloutStep(50, "1m"))


def digest(number: int | str) -> str:
    return f"sha256:{int(number):064x}"


def version(number: int | str, *, model: str = "iris", **artifact: Any) -> api.ModelVersion:
    place = {"uri": f"s3://models/{model}/{number}", "digest": digest(number), "format": "skops", **artifact}
    spec = ModelVersionSpec(Reference(model), str(number), Artifact(**place))
    return api.ModelVersion(Metadata(f"{model}.{number}", "shop"), spec)


def runtime(name: str = "python-1", *, image: str = "mlgitops.dev/python:1") -> api.ServingRuntime:
    def command(module: str) -> tuple[str, ...]:
        return ("python", "-m", f"mlgitops.serving.{module}")

    spec = ServingRuntimeSpec(
        supported_formats=(SupportedFormat("skops"),),
        containers=(RuntimeContainer("server", image, command=command("server")),),
        fetcher=Fetcher(image, command=command("fetcher")),
    )
    return api.ServingRuntime(Metadata(name, "shop"), spec)


def deployment(**spec: Any) -> ModelDeployment:
    settings: dict[str, Any] = {
        "stage": "production",
        "replicas": 4,
        "rollout": RolloutSpec(steps=STEPS),
        "route": Route((ParentReference("gateway", "infra"),), ("iris.example.com",), "/iris"),
        **spec,
    }
    metadata = Metadata("iris-production", "shop", uid="0f2b", generation=1)
    return ModelDeployment(metadata, ModelDeploymentSpec(Reference("iris"), **settings))


@dataclass
class Git:
    """The objects that people wrote; a ``plan.Catalog``."""

    versions: dict[str, api.ModelVersion] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    policies: dict[str, api.PromotionPolicy] = field(default_factory=dict)
    servers: list[api.ServingRuntime] = field(default_factory=lambda: [runtime()])
    overrides: dict[str, api.ModelOverride] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.versions.update({str(number): version(number) for number in range(1, 5)})
        self.stages["production"] = "1"
        spec = PromotionPolicySpec(ArtifactRule(("s3://models/",)))
        self.policies["default"] = api.PromotionPolicy(Metadata("default", "shop"), spec)

    def model(self, name: str) -> api.Model | None:
        spec = ModelSpec((Stage("staging"), Stage("production", ("staging",))), policy_ref=Reference("default"))
        return api.Model(Metadata(name, "shop"), spec) if name == "iris" else None

    def stage(self, model: str, stage: str) -> api.ModelStage | None:
        named = self.stages.get(stage)
        spec = ModelStageSpec(Reference(model), stage, named or "0")
        return api.ModelStage(Metadata(f"{model}.{stage}", "shop"), spec) if named else None

    def version(self, model: str, version: str) -> api.ModelVersion | None:
        return self.versions.get(version)

    def policy(self, name: str) -> api.PromotionPolicy | None:
        return self.policies.get(name)

    def override(self, deployment: str) -> api.ModelOverride | None:
        return self.overrides.get(deployment)

    def runtimes(self) -> Iterable[api.ServingRuntime]:
        return self.servers

    def set_lifecycle(self, number: str, state: Any, reason: str = "") -> None:
        old = self.versions[number]
        self.versions[number] = replace(old, spec=replace(old.spec, lifecycle=Lifecycle(state, reason)))

    def add_override(self, number: str, *, ends: datetime, made: datetime = START) -> None:
        stamp = "%Y-%m-%dT%H:%M:%SZ"
        spec = ModelOverrideSpec(number, "prices are wrong", "alice", ends.strftime(stamp))
        metadata = Metadata("iris-production", "shop", creation_timestamp=made.strftime(stamp))
        self.overrides["iris-production"] = api.ModelOverride(metadata, spec)


@dataclass
class World:
    """One deployment and all around it; ``healthy`` says whether new pods become ready by themselves."""

    deployment: ModelDeployment = field(default_factory=deployment)
    git: Git = field(default_factory=Git)
    now: datetime = START
    healthy: bool = True
    gateway: bool = True
    # Kinds of children that the cluster does not serve.
    absent: tuple[str, ...] = ()
    # What the API server said when a child was to be stored.
    denied: plan.Denial | None = None
    objects: dict[tuple[str, str], Raw] = field(default_factory=dict)
    pods: dict[str, Raw] = field(default_factory=dict)
    traffic: list[dict[str, int]] = field(default_factory=list)
    applied: dict[tuple[str, str], Raw] = field(default_factory=dict)
    changes: int = 0

    @property
    def status(self) -> DeploymentStatus:
        return self.deployment.status

    # The operator's part.

    def inputs(self) -> plan.Inputs:
        return plan.resolve(self.deployment, self.git, self.now)

    def observed(self) -> plan.Observed:
        routed = self.deployment.spec.route is not None
        name = self.deployment.metadata.name
        owned = self.objects.values()
        seen = plan.observe(name, owned, self.pods.values(), routed=routed, absent=self.absent)
        return replace(seen, denied=self.denied)

    def decide(self) -> DeploymentStatus:
        return plan.step(self.inputs(), self.status, self.observed(), self.now)

    def write(self, status: DeploymentStatus) -> None:
        self.changes += status != self.status
        self.deployment = replace(self.deployment, status=status)

    def apply(self) -> None:
        wanted = plan.children(self.inputs(), self.status, self.observed().revisions)
        if self.inputs().suspended(self.now):
            return
        for raw in wanted:
            if raw["kind"] not in self.absent:
                self._store(raw)
        for raw in plan.surplus(self.inputs(), self.status, self.objects.values(), wanted):
            self.changes += 1
            del self.objects[raw["kind"], raw["metadata"]["name"]]

    def _store(self, raw: Raw) -> None:
        key = raw["kind"], raw["metadata"]["name"]
        old = self.objects.get(key)
        if old is not None and self.applied.get(key) == raw:
            return
        self.changes += 1
        self.applied[key] = raw
        stored = copy.deepcopy(raw)
        generation = old["metadata"]["generation"] if old else 0
        stored["metadata"]["generation"] = generation + (old is None or old.get("spec") != raw.get("spec"))
        if old and "status" in old:
            stored["status"] = old["status"]
        if raw["kind"] == "Deployment" and "replicas" not in raw["spec"]:
            stored["spec"]["replicas"] = old["spec"]["replicas"] if old else 1
        self.objects[key] = stored

    def reconcile(self) -> DeploymentStatus:
        self.write(self.decide())
        self.apply()
        return self.status

    # The cluster's part.

    def play(self) -> None:
        """Let the Deployment controller, the pods and the gateway do their work once."""
        for (kind, name), raw in self.objects.items():
            if kind == "Deployment":
                self._autoscale(name, raw)
                self._scale(name, raw)
            if kind == "HTTPRoute" and self.gateway:
                self._route(raw)
        names = {name for kind, name in self.objects if kind == "Deployment"}
        for name in [name for name, pod in self.pods.items() if pod["owner"] not in names]:
            self.changes += 1
            del self.pods[name]

    def _autoscale(self, name: str, raw: Raw) -> None:
        scalers = (("HorizontalPodAutoscaler", "minReplicas"), ("ScaledObject", "minReplicaCount"))
        floors = [self.objects[kind, name]["spec"][least] for kind, least in scalers if (kind, name) in self.objects]
        if floors and raw["spec"]["replicas"] < max(floors):
            self.changes += 1
            raw["spec"]["replicas"] = max(floors)

    def _scale(self, name: str, raw: Raw) -> None:
        replicas = raw["spec"]["replicas"]
        for number in range(replicas):
            if f"{name}-{number}" not in self.pods:
                self.changes += 1
                self.pods[f"{name}-{number}"] = self._pod(f"{name}-{number}", name, raw)
        for surplus in [pod for pod in self.pods if pod.rpartition("-")[0] == name]:
            if int(surplus.rpartition("-")[2]) >= replicas:
                self.changes += 1
                del self.pods[surplus]

    def _pod(self, name: str, owner: str, raw: Raw) -> Raw:
        metadata = {"name": name, "labels": raw["spec"]["template"]["metadata"]["labels"]}
        pod: Raw = {"owner": owner, "metadata": metadata, "status": {}}
        if self.healthy:
            self._make_ready(pod)
        return pod

    def _make_ready(self, pod: Raw) -> None:
        pod["status"] = {
            "conditions": [{"type": "Ready", "status": "True"}],
            "initContainerStatuses": [
                {"name": "fetch", "restartCount": 0, "state": {"terminated": {"exitCode": 0, "message": "{}"}}}
            ],
            "containerStatuses": [{"name": "server", "restartCount": 0, "state": {"running": {}}}],
        }

    def _route(self, raw: Raw) -> None:
        generation = raw["metadata"]["generation"]
        conditions = [
            {"type": type_, "status": "True", "reason": type_, "observedGeneration": generation}
            for type_ in ("Accepted", "ResolvedRefs")
        ]
        status = {"parents": [{"conditions": conditions}]}
        self.changes += raw.get("status") != status
        raw["status"] = status
        split = {entry["name"]: entry["weight"] for entry in raw["spec"]["rules"][-1]["backendRefs"]}
        if not self.traffic or self.traffic[-1] != split:
            self.traffic.append(split)

    def pods_of(self, revision: str) -> list[Raw]:
        return [pod for pod in self.pods.values() if pod["metadata"]["labels"]["mlgitops.dev/revision"] == revision]

    def make_ready(self, revision: str) -> None:
        for pod in self.pods_of(revision):
            self._make_ready(pod)

    def crash(self, revision: str, *, times: int = 2, message: str = "boom", code: int = 1) -> None:
        ended = {"exitCode": code, "reason": "Error", "message": message}
        for pod in self.pods_of(revision):
            state = {"waiting": {"reason": "CrashLoopBackOff"}}
            entry = {"name": "server", "restartCount": times - 1, "state": state, "lastState": {"terminated": ended}}
            pod["status"] = {"containerStatuses": [entry]}

    def fail_fetch(self, revision: str, message: str) -> None:
        ended = {"exitCode": 1, "reason": "Error", "message": message}
        for pod in self.pods_of(revision):
            entry = {"name": "fetch", "restartCount": 1, "state": {"terminated": ended}}
            pod["status"] = {"initContainerStatuses": [entry]}

    def run(self, seconds: float = 0, *, every: float = 1) -> DeploymentStatus:
        """Reconcile and play until nothing changes, then let time pass, second by second."""
        self._settle()
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.now += timedelta(seconds=every)
            self._settle()
        return self.status

    def _settle(self) -> None:
        for _ in range(20):
            before = self.changes
            self.reconcile()
            self.play()
            if before == self.changes:
                return
        raise AssertionError(f"it never settles: {self.status}")

    # What a test reads.

    def serves(self) -> dict[str, int]:
        """Return each version's share of traffic, as the gateway does it."""
        route = self.objects["HTTPRoute", self.deployment.metadata.name]
        names = {name: raw["metadata"]["labels"]["mlgitops.dev/version"] for (_, name), raw in self._services()}
        backends = route["spec"]["rules"][-1]["backendRefs"]
        return {names[entry["name"]]: entry["weight"] for entry in backends}

    def _services(self) -> list[tuple[tuple[str, str], Raw]]:
        return [
            (key, raw)
            for key, raw in self.objects.items()
            if key[0] == "Service" and "mlgitops.dev/version" in raw["metadata"]["labels"]
        ]

    def sizes(self) -> dict[str, int]:
        """Return how many pods each version's Deployment asks for."""
        return {
            raw["metadata"]["labels"]["mlgitops.dev/version"]: raw["spec"]["replicas"]
            for (kind, _), raw in self.objects.items()
            if kind == "Deployment"
        }

    def promote(self, number: int | str) -> None:
        self.git.stages["production"] = str(number)

    def annotate(self, **notes: str) -> None:
        """Set the commands of people on the deployment: these and no others."""
        named = {f"{labels.GROUP}/{name}": value for name, value in notes.items()}
        self.deployment = replace(self.deployment, metadata=replace(self.deployment.metadata, annotations=named))

    def target(self) -> str:
        assert self.status.target
        return self.status.target.revision

    def condition(self, type_: str) -> str:
        """Return a condition as ``Status/Reason``, or an empty string."""
        found = api.conditions.find(self.status.conditions, type_)
        return f"{found.status}/{found.reason}" if found else ""

    def message(self, type_: str) -> str:
        found = api.conditions.find(self.status.conditions, type_)
        return found.message if found else ""
