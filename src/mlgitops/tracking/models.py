"""Puts a model's package into a run's record. The one place of writing that leaves the standard library."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking.places import MODELS
from mlgitops.tracking.records import LoggedModel

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def save(folder: Path, model: Any, name: str, options: Mapping[str, Any]) -> LoggedModel:
    """Save a model below a run's folder; a model of the same name is replaced. See ``Run.log_model``."""
    if not NAME.fullmatch(name):
        raise InputError(
            f"model name {name!r} is not usable; expected a letter or digit, then letters, digits, dots, dashes"
        )
    from mlgitops import packages

    models = folder / MODELS
    models.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=models, prefix=".new-") as temporary:
        package = packages.save(model, Path(temporary) / "package", name=name, **options)
        if (models / name).exists():
            (models / name).replace(Path(temporary) / "replaced")
        package.folder.replace(models / name)
        shutil.rmtree(Path(temporary) / "replaced", ignore_errors=True)
    return LoggedModel(name, f"{MODELS}/{name}", package.digest, package.format)
