"""Configuration: environment first, then the nearest ``mlgitops.toml`` upwards, then ``pyproject.toml``.

Every setting has a dotted name (``store.url``) and an environment variable made
from it (``MLGITOPS_STORE_URL``). Standard library only.
"""

from __future__ import annotations

import getpass
import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError

FILE = "mlgitops.toml"


def cache_dir() -> Path:
    """Return the folder for what can be made again: builds, indexes, fetched packages."""
    chosen = os.environ.get("MLGITOPS_CACHE_DIR")
    return Path(chosen) if chosen else _xdg("XDG_CACHE_HOME", ".cache") / "mlgitops"


def user() -> str:
    """Return the name of whoever runs this; in a container a user id may have none, and then it is ``unknown``."""
    lookup: Callable[[], str] = getpass.getuser
    try:
        return lookup()
    except (KeyError, OSError):
        return "unknown"


def state_dir() -> Path:
    """Return the folder for what belongs to this machine: local clusters."""
    return _xdg("XDG_STATE_HOME", ".local/state") / "mlgitops"


def config_dir() -> Path:
    """Return the folder for what belongs to this user: signing keys."""
    return _xdg("XDG_CONFIG_HOME", ".config") / "mlgitops"


def _xdg(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / default)


@dataclass(frozen=True, slots=True)
class Config:
    """Settings as found; ``root`` is the folder of the file they came from, if any."""

    values: Mapping[str, Any] = field(default_factory=dict)
    root: Path | None = None

    def get(self, name: str) -> str | None:
        """Return a setting by its dotted name, the environment's value first."""
        found = os.environ.get("MLGITOPS_" + name.replace(".", "_").upper())
        if found:
            return found
        value: Any = self.values
        for part in name.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        return str(value)

    def require(self, name: str) -> str:
        """Return a setting that must be there.

        Raises:
            InputError: it is nowhere; the message says where to set it.
        """
        value = self.get(name)
        if value is None:
            table, _, key = name.rpartition(".")
            variable = "MLGITOPS_" + name.replace(".", "_").upper()
            cure = f"; the {FILE} of a registry says it, copy it to here" if name == "registry.url" else ""
            raise InputError(f"{name} is not set; set {variable}, or {key} under [{table}] in {FILE}{cure}")
        return value


def parse(text: str, *, where: str, root: Path | None = None) -> Config:
    """Read the text of an ``mlgitops.toml``.

    Raises:
        InputError: it is not TOML; the message names the place.
    """
    try:
        return Config(tomllib.loads(text), root)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{where}: {error}") from error


def load(start: Path | None = None) -> Config:
    """Find and read the configuration that holds for a folder (default: the working folder)."""
    start = (start or Path.cwd()).resolve()
    for folder in (start, *start.parents):
        if (folder / FILE).is_file():
            return parse((folder / FILE).read_text("utf-8"), where=str(folder / FILE), root=folder)
        project = folder / "pyproject.toml"
        if project.is_file():
            settings = parse(project.read_text("utf-8"), where=str(project)).values
            ours = settings.get("tool", {}).get("mlgitops")
            if ours:
                return Config(ours, folder)
    return Config()
