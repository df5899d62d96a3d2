"""The reflectors' caches as the catalog that ``plan.resolve`` looks things up in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from mlgitops import api
from mlgitops.api.kinds import Resource as ApiResource
from mlgitops.errors import InvalidError
from mlgitops.kube import Raw, Resource
from mlgitops.operator import kinds
from mlgitops.operator.runtime import Caches

T = TypeVar("T", bound=ApiResource)


class CachedCatalog:
    """The objects of one namespace; what cannot be read counts as missing."""

    def __init__(self, caches: Caches, namespace: str) -> None:
        self._caches = caches
        self._namespace = namespace

    def model(self, name: str) -> api.Model | None:
        """Return a Model."""
        return self._find(api.Model, kinds.MODELS, name)

    def stage(self, model: str, stage: str) -> api.ModelStage | None:
        """Return a model's ModelStage."""
        return self._find(api.ModelStage, kinds.MODEL_STAGES, f"{model}.{stage}")

    def version(self, model: str, version: str) -> api.ModelVersion | None:
        """Return a model's ModelVersion."""
        return self._find(api.ModelVersion, kinds.MODEL_VERSIONS, f"{model}.{version}")

    def policy(self, name: str) -> api.PromotionPolicy | None:
        """Return a PromotionPolicy."""
        return self._find(api.PromotionPolicy, kinds.PROMOTION_POLICIES, name)

    def override(self, deployment: str) -> api.ModelOverride | None:
        """Return the ModelOverride of a deployment."""
        return self._find(api.ModelOverride, kinds.MODEL_OVERRIDES, deployment)

    def runtimes(self) -> Iterator[api.ServingRuntime]:
        """Yield every ServingRuntime."""
        for raw in self._caches.cache(kinds.SERVING_RUNTIMES).namespace(self._namespace).values():
            runtime = _read(api.ServingRuntime, raw)
            if runtime:
                yield runtime

    def _find(self, cls: type[T], resource: Resource, name: str) -> T | None:
        raw = self._caches.get(resource, (self._namespace, name))
        return _read(cls, raw) if raw else None


def _read(cls: type[T], raw: Raw) -> T | None:
    try:
        found = api.parse(raw)
    except InvalidError:
        return None
    return found if isinstance(found, cls) else None
