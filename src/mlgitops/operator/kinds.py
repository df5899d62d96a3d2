"""Our kinds as the API serves them."""

from __future__ import annotations

from mlgitops import api
from mlgitops.kube import Resource


def _resource(kind: str) -> Resource:
    return Resource(api.GROUP, api.VERSION, api.KINDS[kind].plural, kind)


MODELS = _resource("Model")
MODEL_VERSIONS = _resource("ModelVersion")
MODEL_STAGES = _resource("ModelStage")
MODEL_DEPLOYMENTS = _resource("ModelDeployment")
MODEL_OVERRIDES = _resource("ModelOverride")
SERVING_RUNTIMES = _resource("ServingRuntime")
PROMOTION_POLICIES = _resource("PromotionPolicy")
REGISTRY_SOURCES = _resource("RegistrySource")

OUR_KINDS = tuple(_resource(kind) for kind in api.KINDS)
