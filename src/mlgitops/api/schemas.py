"""The CustomResourceDefinitions as data: from the wheel, or from a checkout's ``crds/``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

import yaml

from mlgitops.api.kinds import VERSION
from mlgitops.errors import NotFoundError

_PLACES = (Path(__file__).with_name("crds"), Path(__file__).parents[3] / "crds")


def folder() -> Path:
    """Return the folder that holds the CRDs' YAML files.

    Raises:
        NotFoundError: the installation is broken.
    """
    for place in _PLACES:
        if place.is_dir():
            return place
    raise NotFoundError("the CRDs are in neither the wheel nor the checkout; install mlgitops again")


@functools.cache
def crds() -> tuple[dict[str, Any], ...]:
    """Return every CustomResourceDefinition, in the order of their names; do not change them."""
    return tuple(
        cast("dict[str, Any]", yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
        for path in sorted(folder().glob("*.yaml"))
    )


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    """Return a kind's OpenAPI v3 schema; do not change it.

    Raises:
        NotFoundError: no CRD defines the kind.
    """
    for crd in crds():
        if crd["spec"]["names"]["kind"] == kind:
            version = next(item for item in crd["spec"]["versions"] if item["name"] == VERSION)
            return cast("dict[str, Any]", version["schema"]["openAPIV3Schema"])
    raise NotFoundError(f"kind {kind} is not one of ours")
