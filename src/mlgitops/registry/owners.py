"""CODEOWNERS, rendered from the owners of the models. GitHub, GitLab and Gitea read the same form."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from mlgitops.api import Model
from mlgitops.registry import layout
from mlgitops.registry.tree import Tree

FILE: Final = "CODEOWNERS"
# Whoever may change these decides what everybody else must prove.
_ADMIN_PATHS: Final = (
    "/registry/policies/",
    "/registry/runtimes/",
    "/clusters/",
    "/mlgitops.toml",
    "/CODEOWNERS",
    "/.github/",
    "/.gitea/",
    "/.gitlab-ci.yml",
)


def render(tree: Tree, admins: Iterable[str]) -> str:
    """Return the text of CODEOWNERS.

    Args:
        tree: the registry whose models name their owners.
        admins: teams or people who own what is not a model's.
    """
    wanted = _handles(admins)
    lines = ["# Rendered from spec.owners of the models; the last line that matches a file counts."]
    if wanted:
        lines += [f"* {wanted}"]
    models = sorted(tree.all(Model), key=lambda model: model.metadata.name)
    lines += [
        f"/registry/models/{model.metadata.name}/ {_handles(model.spec.owners)}"
        for model in models
        if model.spec.owners
    ]
    if wanted:
        # A model's file says by which policy and in which order it is judged, and who owns the rest.
        lines += [f"/{layout.model(model.metadata.name)} {wanted}" for model in models if model.spec.owners]
        lines += [f"{path} {wanted}" for path in _ADMIN_PATHS]
    return "\n".join(lines) + "\n"


def _handles(owners: Iterable[str]) -> str:
    return " ".join(owner if "@" in owner else f"@{owner}" for owner in owners)
