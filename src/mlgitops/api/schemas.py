"""The CustomResourceDefinitions as data: from the wheel, or from a checkout's ``crds/``."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, cast

from mlgitops.api.kinds import GROUP, KINDS, VERSION
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
    return tuple(_read(path) for path in sorted(folder().glob("*.yaml")))


@functools.cache
def schema(kind: str) -> dict[str, Any]:
    """Return a kind's OpenAPI v3 schema; do not change it.

    Raises:
        NotFoundError: no CRD defines the kind.
    """
    known = KINDS.get(kind)
    # One file of several: who asks for a stage need not wait for the schema of pods.
    path = folder() / f"{GROUP}_{known.plural}.yaml" if known else None
    if path is None or not path.is_file():
        raise NotFoundError(f"kind {kind} is not one of ours")
    versions = _read(path)["spec"]["versions"]
    version = next(item for item in versions if item["name"] == VERSION)
    return cast("dict[str, Any]", version["schema"]["openAPIV3Schema"])


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    import yaml  # whoever only asks where they lie need not wait for it

    return cast("dict[str, Any]", yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader))
