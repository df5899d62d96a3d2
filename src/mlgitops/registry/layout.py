"""Where things lie in a registry repo. One object has one possible path, so that nobody has to search."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mlgitops.errors import NotFoundError

ROOT: Final = "registry"
RUNTIMES: Final = f"{ROOT}/runtimes"
DEPLOYMENTS: Final = f"{ROOT}/deployments"
# Beside the registry's root: what a person applies to each cluster, once.
CLUSTERS: Final = "clusters"
SUFFIXES: Final = (".yaml", ".yml", ".json")


def root_above(path: Path) -> Path:
    """Return the registry that a folder or file lies in: the nearest folder upwards with ``registry/`` in it.

    Where that is a registry itself, the folder only holds a clone that is called so, as the tutorial's does.

    Raises:
        NotFoundError: the path does not exist, or lies in no registry.
    """
    if not path.exists():
        raise NotFoundError(f"{path} does not exist; name a registry, or a file or folder in it")
    for folder in (path, *path.parents):
        if (folder / ROOT).is_dir() and not (folder / ROOT / ROOT).is_dir():
            return folder
    raise NotFoundError(f"{path} lies in no registry (a folder with {ROOT}/ in it); make one with: mlgitops init")


def is_applied(path: str) -> bool:
    """Say whether a path of the repository is applied to clusters."""
    return path.startswith(f"{ROOT}/") and path.endswith(SUFFIXES)


def model(name: str) -> str:
    """Return the path of a Model."""
    return f"{ROOT}/models/{name}/model.yaml"


def version(model_name: str, number: str | int) -> str:
    """Return the path of a ModelVersion."""
    return f"{ROOT}/models/{model_name}/versions/{number}.yaml"


def stage(model_name: str, name: str) -> str:
    """Return the path of a ModelStage."""
    return f"{ROOT}/models/{model_name}/stages/{name}.yaml"


def policy(name: str) -> str:
    """Return the path of a PromotionPolicy."""
    return f"{ROOT}/policies/{name}.yaml"


def runtime(name: str) -> str:
    """Return the path of a ServingRuntime."""
    return f"{RUNTIMES}/{name}.yaml"


def deployment(environment: str, name: str) -> str:
    """Return the path of a ModelDeployment of one environment."""
    return f"{DEPLOYMENTS}/{environment}/{name}.yaml"


def environment_of(path: str) -> str:
    """Return the environment that a path belongs to; empty for what all of them share."""
    parts = path.split("/")
    return parts[2] if path.startswith(f"{DEPLOYMENTS}/") and len(parts) == 4 else ""


def path_of(raw: Mapping[str, Any], environment: str) -> str | None:
    """Return where a sound object must lie, or None when its kind does not belong into the registry."""
    name, spec = raw["metadata"]["name"], raw["spec"]
    match raw["kind"]:
        case "Model":
            return model(name)
        case "ModelVersion":
            return version(spec["modelRef"]["name"], spec["version"])
        case "ModelStage":
            return stage(spec["modelRef"]["name"], spec["stage"])
        case "PromotionPolicy":
            return policy(name)
        case "ServingRuntime":
            return runtime(name)
        case "ModelDeployment":
            return deployment(environment or "<environment>", name)
        case _:
            return None
