"""From a folder to a model in memory: verify first, then trust as little as the format allows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType

from mlgitops import digest as digests
from mlgitops.errors import InputError, MissingExtraError, NotFoundError, require
from mlgitops.packages.flavors import keras_backend
from mlgitops.packages.flavors.base import Opened
from mlgitops.packages.formats import FORMATS
from mlgitops.packages.loaded import LoadedModel
from mlgitops.packages.package import Package, inspect


def load(
    folder: Path,
    *,
    digest: str | None = None,
    trusted_types: Sequence[str] = (),
    allow_code: bool = False,
    expected: str = "",
    lean: bool = False,
) -> LoadedModel:
    """Verify a package, every byte of it, and load its model.

    Args:
        folder: the package.
        digest: the digest that it must have; without one it must at least match its own manifest.
        trusted_types: types that a skops package may use beyond those that we ship as trusted.
        allow_code: whether a format that runs code may be loaded.
        expected: the format that its ModelVersion names, and was allowed by; empty for any.
        lean: import frameworks without what serving never needs (``flavors.lean``); only
            for a process that does nothing but serve.

    Raises:
        NotFoundError: the folder is no package.
        IntegrityError: it is not what its digest promises.
        InputError: it wants more trust than it was given, or cannot be read.
        MissingExtraError: its framework is not installed.
    """
    package = _inspect(folder, digest)
    if expected and package.format != expected:
        raise InputError(f"{folder} is of the format {package.format}; its ModelVersion says {expected}")
    # Imports take longest, so they go on while the bytes are read and digested.
    with ThreadPoolExecutor(1) as pool:
        importing = pool.submit(_flavor_for, package, lean)
        digests.verify(folder, digest or package.digest)
    if package.safety == "code" and not allow_code:
        raise InputError(
            f"{folder} is of the format {package.format}, which runs code when loaded; "
            f"allow it in both the ModelVersion and the PromotionPolicy (spec.formats.allowCode)"
        )
    opened: Opened = importing.result().open_package(package, trusted_types)
    return LoadedModel(package, opened)


def _inspect(folder: Path, digest: str | None) -> Package:
    try:
        return inspect(folder)
    except NotFoundError:
        raise
    except InputError:
        # What cannot be read was most likely changed, and that is the answer that helps.
        if digest:
            digests.verify(folder, digest)
        raise


def _flavor_for(package: Package, lean: bool) -> ModuleType:
    if package.format == "keras":
        keras_backend.choose(package.settings.get("backend"))
    if not lean:
        return flavor(package.format)
    from mlgitops.packages.flavors.lean import hidden, import_skops

    if package.format == "skops":
        return import_skops(pandas=package.settings.get("arrangement") == "frame")
    with hidden("matplotlib"):
        return flavor(package.format)


def require_installed(name: str) -> None:
    """Look whether what writes a format is installed, without importing it.

    Raises:
        MissingExtraError: its framework is not installed.
    """
    for package in FORMATS[name].packages:
        try:
            version(package)
        except PackageNotFoundError as error:
            raise MissingExtraError(package, FORMATS[name].extra) from error


def flavor(name: str) -> ModuleType:
    """Import the module that writes and loads a format.

    Raises:
        MissingExtraError: its framework is not installed.
    """
    return require(f"mlgitops.packages.flavors.{name}", FORMATS[name].extra)
