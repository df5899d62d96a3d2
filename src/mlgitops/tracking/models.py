"""Puts a model's package into a run's record. The one place of writing that leaves the standard library."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops.errors import InputError, OutsideError
from mlgitops.tracking import unsaved
from mlgitops.tracking.places import MODELS
from mlgitops.tracking.records import LoggedModel

Say = Callable[[LoggedModel], None]  # writes into the record what is there now


def save(folder: Path, model: Any, name: str, options: Mapping[str, Any], say: Say) -> LoggedModel:
    """Save a model below a run's folder; a model of the same name is replaced. See ``Run.log_model``."""
    if not unsaved.NAME.fullmatch(name):
        raise InputError(
            f"model name {name!r} is not usable; expected a letter or digit, then letters, digits, dots, dashes"
        )
    try:
        (folder / MODELS).mkdir(parents=True, exist_ok=True)
        with _saved(folder, model, name, options) as saved, unsaved.placing(folder):
            unsaved.withdraw(folder, name)
            _place(saved, folder / MODELS / name)
            say(saved.logged)
    except OSError as error:
        raise OutsideError(f"model {name} cannot be saved in {folder / MODELS}: {error}") from error
    return saved.logged


def save_promised(folder: Path, model: Any, name: str, options: Mapping[str, Any], say: Say, promise: Path) -> None:
    """Save a model that was promised (``tracking.unsaved``), unless it is not wanted any more when it is ready."""
    with _saved(folder, model, name, options) as saved, unsaved.placing(folder):
        if promise.exists():
            _place(saved, folder / MODELS / name)
            say(saved.logged)


@dataclass(frozen=True, slots=True)
class _Saved:
    """A package that is not yet where it belongs, in a folder that is removed."""

    package: Path
    temporary: Path
    logged: LoggedModel


@contextlib.contextmanager
def _saved(folder: Path, model: Any, name: str, options: Mapping[str, Any]) -> Iterator[_Saved]:
    from mlgitops import packages

    with tempfile.TemporaryDirectory(dir=folder / MODELS, prefix=".new-") as temporary:
        package = packages.save(model, Path(temporary) / "package", name=name, **options)
        logged = LoggedModel(name, f"{MODELS}/{name}", package.digest, package.format)
        yield _Saved(package.folder, Path(temporary), logged)


def _place(saved: _Saved, target: Path) -> None:
    if target.exists():
        target.replace(saved.temporary / "replaced")
    saved.package.replace(target)
