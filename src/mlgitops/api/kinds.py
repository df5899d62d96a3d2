"""The table of our kinds: how the API server calls each, and the class that holds it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from mlgitops.api.deployment import ModelDeployment, ModelOverride
    from mlgitops.api.model import Model, ModelStage, ModelVersion
    from mlgitops.api.policy import PromotionPolicy
    from mlgitops.api.runtime import ServingRuntime
    from mlgitops.api.source import RegistrySource

GROUP = "mlgitops.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

Resource: TypeAlias = (
    "Model | ModelVersion | ModelStage | ModelDeployment | ServingRuntime"
    " | PromotionPolicy | ModelOverride | RegistrySource"
)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its name, its plural in URLs, its class's module, and whether the operator writes its status."""

    name: str
    plural: str
    module: str
    reconciled: bool = False

    @property
    def resource(self) -> type[Resource]:
        """The class, imported when it is asked for: few who read the table need all of them."""
        return cast("type[Resource]", getattr(import_module(f"{__package__}.{self.module}"), self.name))


KINDS = {
    kind.name: kind
    for kind in (
        Kind("Model", "models", "model"),
        Kind("ModelVersion", "modelversions", "model"),
        Kind("ModelStage", "modelstages", "model", reconciled=True),
        Kind("ModelDeployment", "modeldeployments", "deployment", reconciled=True),
        Kind("ServingRuntime", "servingruntimes", "runtime"),
        Kind("PromotionPolicy", "promotionpolicies", "policy"),
        Kind("ModelOverride", "modeloverrides", "deployment", reconciled=True),
        Kind("RegistrySource", "registrysources", "source", reconciled=True),
    )
}


def kind_of(resource: Resource) -> str:
    """Return a resource's kind."""
    return type(resource).__name__
