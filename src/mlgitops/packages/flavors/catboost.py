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
from mlgitops.packages.flavors import trees
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner
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
    kind = trees.class_of(model, _CLASSES, "catboost")
    if not model.is_fitted():
        raise InputError(f"{kind} is not fitted; call fit first")
    if example is None and signature is None:
        example = np.zeros((1, len(model.feature_names_)))
    found = trees.describe_estimator(model, example, signature, "catboost")
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
    kind = trees.named_class(package, _CLASSES)
    native = _CLASSES[kind]()
    trees.loaded(package, lambda data: native.load_model(blob=data), catboost.CatBoostError)
    run = EstimatorRunner(native, package.signature.inputs, "matrix")
    classes = native.classes_ if kind == "CatBoostClassifier" else None
    return Opened(native, run, classes)


def _bytes(model: Any) -> bytes:
    # Only saving into a file leaves out what the binary of a pickle has beyond the model.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.cbm"
        model.save_model(str(path), format="cbm")
        return path.read_bytes()
