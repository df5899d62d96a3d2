"""CatBoost models in CatBoost's own binary format, which describes trees and runs nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import catboost
import numpy as np

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner, describe
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature

# The only classes that a package may name; each restores itself from the file alone.
_CLASSES: Final[Mapping[str, Any]] = {
    kind.__name__: kind
    for kind in (catboost.CatBoost, catboost.CatBoostClassifier, catboost.CatBoostRegressor, catboost.CatBoostRanker)
}


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - the format names no types
) -> Written:
    """Write one of CatBoost's models.

    Raises:
        InputError: it is of another class, is not fitted, or does not answer for the example.
    """
    kind = type(model).__name__
    if _CLASSES.get(kind) is not type(model):
        raise InputError(f"a {kind} cannot be saved as catboost; expected one of: {', '.join(_CLASSES)}")
    if not model.is_fitted():
        raise InputError(f"{kind} is not fitted; call fit first")
    if example is None and signature is None:
        example = np.zeros((1, len(model.feature_names_)))
    found, arrangement = describe(model, example, signature)
    if arrangement != "matrix":
        raise InputError(f"{kind} needs a data frame with categories; encode them as numbers to save it as catboost")
    write_atomic(file, _bytes(model))
    flavors = {
        "catboost": {
            "data": file.name,
            "model_type": kind,
            "save_format": "cbm",
            "catboost_version": version("catboost"),
            "code": None,
        },
        "python_function": {"loader_module": "mlflow.catboost", "data": file.name},
    }
    return Written(found, {"class": kind}, flavors)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - the format names no types
    """Load one of CatBoost's models.

    Raises:
        InputError: the package names another class, or its file cannot be read.
    """
    kind = str(package.settings.get("class"))
    if kind not in _CLASSES:
        raise InputError(f"{package.folder} names the class {kind!r}; expected one of: {', '.join(_CLASSES)}")
    native = _CLASSES[kind]()
    try:
        native.load_model(blob=package.data.read_bytes())
    except (catboost.CatBoostError, ValueError, TypeError) as error:
        raise InputError(f"{package.data} cannot be loaded: {str(error).splitlines()[0]}") from error
    run = EstimatorRunner(native, package.signature.inputs, "matrix")
    classes = native.classes_ if kind == "CatBoostClassifier" else None
    return Opened(native, run, classes)


def _bytes(model: Any) -> bytes:
    # Only saving into a file leaves out what the binary of a pickle has beyond the model.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path), format="cbm")
        return path.read_bytes()
