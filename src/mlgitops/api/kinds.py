"""The table of our kinds: how the API server calls each, and the class that holds it."""

from __future__ import annotations

from dataclasses import dataclass

from mlgitops.api.deployment import ModelDeployment, ModelOverride
from mlgitops.api.model import Model, ModelStage, ModelVersion
from mlgitops.api.policy import PromotionPolicy
from mlgitops.api.runtime import ServingRuntime
from mlgitops.api.source import RegistrySource

GROUP = "mlgitops.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Resource = (
    Model
    | ModelVersion
    | ModelStage
    | ModelDeployment
    | ServingRuntime
    | PromotionPolicy
    | ModelOverride
    | RegistrySource
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, its plural in URLs, its class, and whether the operator writes its status."""

    name: str
    plural: str
    resource: type[Resource]
    reconciled: bool = False


KINDS = {
    kind.name: kind
    for kind in (
        Kind("Model", "models", Model),
        Kind("ModelVersion", "modelversions", ModelVersion),
        Kind("ModelStage", "modelstages", ModelStage, reconciled=True),
        Kind("ModelDeployment", "modeldeployments", ModelDeployment, reconciled=True),
        Kind("ServingRuntime", "servingruntimes", ServingRuntime),
        Kind("PromotionPolicy", "promotionpolicies", PromotionPolicy),
        Kind("ModelOverride", "modeloverrides", ModelOverride, reconciled=True),
        Kind("RegistrySource", "registrysources", RegistrySource, reconciled=True),
    )
}


def kind_of(resource: Resource) -> str:
    """Return a resource's kind."""
    return type(resource).__name__
