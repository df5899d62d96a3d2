"""Which forge a registry has."""

from __future__ import annotations

from mlgitops.config import Config, user
from mlgitops.errors import InputError
from mlgitops.forge.interface import Forge
from mlgitops.forge.local import LocalForge
from mlgitops.git import Repository, public_url


def connect(config: Config, repository: Repository) -> Forge:
    """Return the forge of the registry that a configuration names.

    ``forge.kind`` says which; without it, a registry at a ``file://`` address or a folder has the
    local one.

    Args:
        config: ``registry.url``, ``forge.kind`` and ``actor`` (who acts; default: this machine's user).
        repository: holds the commits that are proposed; its refs below ``refs/mlgitops/`` are the forge's.

    Raises:
        InputError: no forge is known for the registry.
    """
    url = config.require("registry.url")
    kind = config.get("forge.kind") or ("local" if url.startswith(("file://", "/", ".")) else None)
    if kind != "local":
        raise InputError(
            f"no forge is known for {public_url(url)}: forge.kind is {kind or 'not set'}; "
            "expected local (pull requests kept in the refs of a bare repository)"
        )
    return LocalForge(repository, url, config.get("actor") or user())
