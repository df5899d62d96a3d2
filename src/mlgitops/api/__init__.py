"""Our Kubernetes kinds as values: frozen dataclasses, names, addresses, conditions, schemas.

``parse`` reads Kubernetes JSON, ``dump`` writes it. The CRDs under ``crds/`` are the
source of truth; a test holds every class to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from mlgitops.api import codec
from mlgitops.api.deployment import DeploymentStatus, ModelDeployment, ModelOverride
from mlgitops.api.kinds import API_VERSION, GROUP, KINDS, VERSION, Kind, Resource, kind_of
from mlgitops.api.meta import Condition, Metadata, Reference
from mlgitops.api.model import Model, ModelStage, ModelVersion
from mlgitops.api.policy import PromotionPolicy
from mlgitops.api.runtime import ServingRuntime
from mlgitops.api.schemas import crds, schema
from mlgitops.api.source import RegistrySource
from mlgitops.errors import InvalidError, Problem

__all__ = [
    "API_VERSION",
    "GROUP",
    "KINDS",
    "VERSION",
    "Condition",
    "DeploymentStatus",
    "Kind",
    "Metadata",
    "Model",
    "ModelDeployment",
    "ModelOverride",
    "ModelStage",
    "ModelVersion",
    "PromotionPolicy",
    "Reference",
    "RegistrySource",
    "Resource",
    "ServingRuntime",
    "crds",
    "dump",
    "kind_of",
    "parse",
    "schema",
]


def parse(raw: Mapping[str, Any]) -> Resource:
    """Read one object of ours from Kubernetes JSON; fields that we do not know are ignored.

    Raises:
        InvalidError: not one of our kinds, or with every missing field and wrong type.
    """
    kind = KINDS.get(str(raw.get("kind")))
    if kind is None:
        raise InvalidError([Problem("", 0, "kind", f"must be one of {', '.join(KINDS)}, not {raw.get('kind')!r}")])
    if raw.get("apiVersion") != API_VERSION:
        raise InvalidError([Problem("", 0, "apiVersion", f"must be {API_VERSION}, not {raw.get('apiVersion')!r}")])
    return codec.decode(kind.resource, raw)


def dump(resource: Resource) -> dict[str, Any]:
    """Return a resource's Kubernetes JSON, without what equals its default."""
    body = cast("dict[str, Any]", codec.encode(resource))
    return {"apiVersion": API_VERSION, "kind": kind_of(resource), **body}
