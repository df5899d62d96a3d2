"""What a ModelDeployment resolves to: from git's objects, before anything of the cluster is looked at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from mlgitops import artifacts
from mlgitops.api import (
    Model,
    ModelDeployment,
    ModelOverride,
    ModelStage,
    ModelVersion,
    PromotionPolicy,
    ServingRuntime,
    runtimes,
)
from mlgitops.api.capabilities import asked
from mlgitops.api.policy import DEFAULT_POLICY
from mlgitops.api.unsupported import unsupported
from mlgitops.errors import InputError
from mlgitops.plan.times import moment

# The operator's maximum life of a ModelOverride, whatever its spec says.
MAX_OVERRIDE: Final = timedelta(days=7)


_ABSENCES: Final = frozenset(
    {"MissingModel", "MissingStage", "MissingVersion", "MissingPolicy", "MissingRuntime", "NoRuntimeFits"}
)


class Catalog(Protocol):
    """The objects of one namespace or registry tree, by the names that specs use."""

    def model(self, name: str) -> Model | None:
        """Return a Model."""

    def stage(self, model: str, stage: str) -> ModelStage | None:
        """Return a model's ModelStage."""

    def version(self, model: str, version: str) -> ModelVersion | None:
        """Return a model's ModelVersion."""

    def policy(self, name: str) -> PromotionPolicy | None:
        """Return a PromotionPolicy."""

    def override(self, deployment: str) -> ModelOverride | None:
        """Return the ModelOverride of a deployment."""

    def runtimes(self) -> Iterable[ServingRuntime]:
        """Return every ServingRuntime."""


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why nothing can be rendered: a condition's reason and a sentence with the cure.

    ``absent`` says that something is not there, which its arrival alone would cure.
    """

    reason: str
    message: str
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Inputs:
    """A deployment and what it resolves to. ``version`` is the one that shall serve.

    ``override`` is set only while it is in force. ``versions`` are those that the
    status still names, by number, for the places of their artifacts.
    """

    deployment: ModelDeployment
    model: Model | None = None
    stage: ModelStage | None = None
    version: ModelVersion | None = None
    runtime: ServingRuntime | None = None
    policy: PromotionPolicy | None = None
    override: ModelOverride | None = None
    versions: Mapping[str, ModelVersion] = field(default_factory=dict)
    blocked: Blocked | None = None

    def suspended(self, now: datetime) -> bool:
        """Tell whether the operator shall leave everything as it is; an override beats that."""
        suspend = self.deployment.spec.suspend
        over = suspend is not None and suspend.until is not None and moment(suspend.until) <= now
        return suspend is not None and not over and self.override is None

    @property
    def rejected(self) -> bool:
        """True when the lifecycle of the version that shall serve says never to start it."""
        return self.version is not None and self.version.spec.lifecycle.state == "Rejected"


def override_ends(override: ModelOverride) -> datetime:
    """Return when an override is over: its own time, or the operator's maximum when that comes first."""
    ends = moment(override.spec.expires_at)
    made = override.metadata.creation_timestamp
    return min(ends, moment(made) + MAX_OVERRIDE) if made else ends


def resolve(deployment: ModelDeployment, catalog: Catalog, now: datetime) -> Inputs:
    """Look up what a deployment names; what is missing or does not fit makes the inputs blocked."""
    override = catalog.override(deployment.metadata.name)
    if override and override_ends(override) <= now:
        override = None
    inputs = Inputs(deployment, override=override, versions=_kept(deployment, catalog))
    for look_up in (_supported, _model, _named_version, _policy, _runtime):
        inputs = look_up(inputs, catalog)
        if inputs.blocked:
            break
    return inputs


def _kept(deployment: ModelDeployment, catalog: Catalog) -> dict[str, ModelVersion]:
    status = deployment.status
    named = (status.active, status.target, *status.retiring) if status else ()
    found = {kept.version: catalog.version(deployment.spec.model_ref.name, kept.version) for kept in named if kept}
    return {number: version for number, version in found.items() if version}


def _supported(inputs: Inputs, _: Catalog) -> Inputs:
    found = next(unsupported(inputs.deployment), None)
    return _blocked(inputs, "NotSupported", f"{found.field}: {found.sentence}") if found else inputs


def _model(inputs: Inputs, catalog: Catalog) -> Inputs:
    name = inputs.deployment.spec.model_ref.name
    model = catalog.model(name)
    if model is None:
        return _blocked(inputs, "MissingModel", f"no Model {name}; add it, or correct spec.modelRef.name")
    return replace(inputs, model=model)


def _named_version(inputs: Inputs, catalog: Catalog) -> Inputs:
    spec = inputs.deployment.spec
    model = spec.model_ref.name
    number, source = spec.version, "spec.version"
    if spec.stage:
        stage = catalog.stage(model, spec.stage)
        inputs = replace(inputs, stage=stage)
        source = f"ModelStage {model}.{spec.stage}"
        number = stage.spec.version if stage else None
    if inputs.override:
        number, source = inputs.override.spec.version, f"ModelOverride {inputs.override.metadata.name}"
    if number is None:
        return _blocked(inputs, "MissingStage", f"no {source}; promote a version to it, or correct spec.stage")
    version = catalog.version(model, number)
    if version is None:
        return _blocked(
            inputs, "MissingVersion", f"{source} names version {number}, but there is no ModelVersion {model}.{number}"
        )
    return replace(inputs, version=version)


def _policy(inputs: Inputs, catalog: Catalog) -> Inputs:
    assert inputs.model is not None and inputs.version is not None
    reference = inputs.model.spec.policy_ref
    name = reference.name if reference else DEFAULT_POLICY
    policy = catalog.policy(name)
    if policy is None:
        model = inputs.model.metadata.name
        message = f"no PromotionPolicy {name}, which judges Model {model}; add it, or correct spec.policyRef.name"
        return _blocked(inputs, "MissingPolicy", message)
    artifact = inputs.version.spec.artifact
    if not artifacts.within(artifact.uri, policy.spec.artifacts.prefixes):
        return _blocked(
            inputs,
            "ArtifactNotAllowed",
            f"{artifact.uri} of ModelVersion {inputs.version.metadata.name} lies outside "
            f"spec.artifacts.prefixes of PromotionPolicy {name}",
        )
    return replace(inputs, policy=policy)


def _runtime(inputs: Inputs, catalog: Catalog) -> Inputs:
    assert inputs.version is not None
    known: list[ServingRuntime] = list(catalog.runtimes())
    reference = inputs.deployment.spec.runtime_ref
    if reference is not None:
        chosen = next((runtime for runtime in known if runtime.metadata.name == reference.name), None)
        if chosen is None:
            names = ", ".join(sorted(runtime.metadata.name for runtime in known)) or "none"
            return _blocked(inputs, "MissingRuntime", f"no ServingRuntime {reference.name}; known: {names}")
        known = [chosen]
    try:
        return replace(inputs, runtime=runtimes.pick(inputs.version, known, asked(inputs.deployment)))
    except InputError as error:
        return _blocked(inputs, "NoRuntimeFits", str(error))


def _blocked(inputs: Inputs, reason: str, message: str) -> Inputs:
    return replace(inputs, blocked=Blocked(reason, message, absent=reason in _ABSENCES))
