"""XGBoost models in XGBoost's own format, which describes trees and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost

from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors import trees
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature, TensorSpec

_REFUSAL: Final = xgboost.core.XGBoostError

# The only classes that a package may name; each restores itself from the file alone.
_CLASSES: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (
        xgboost.Booster,
        xgboost.XGBClassifier,
        xgboost.XGBRegressor,
        xgboost.XGBRanker,
        xgboost.XGBRFClassifier,
        xgboost.XGBRFRegressor,
    )
}


@dataclass(frozen=True, slots=True)
class BoosterRunner:
    """Runs a bare Booster, which answers one number or one row of numbers a row."""

    booster: xgboost.Booster
    inputs: tuple[TensorSpec, ...]

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the predictions."""
        rows = arrays.matrix(inputs, self.inputs)
        answer = self.booster.inplace_predict(rows, validate_features=False)
        return {name: arrays.dense(answer) for name in outputs}


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - the format names no types
) -> Written:
    """Write a Booster or one of XGBoost's estimators.

    Raises:
        InputError: it is of another class, is not fitted, or does not answer for the example.
    """
    kind = trees.class_of(model, _CLASSES, "xgboost")
    bare = isinstance(model, xgboost.Booster)
    booster = model if bare else trees.booster_of(model, lambda fitted: fitted.get_booster())
    if not bare:
        found = trees.describe_estimator(model, example, signature, "xgboost")
    elif signature is not None:
        found = signature
    else:
        found = trees.describe_booster(partial(BoosterRunner, booster), partial(_blank, booster), example, _REFUSAL)
    write_atomic(file, bytes(booster.save_raw("ubj")))
    flavors = {
        "xgboost": {
            "data": file.name,
            "model_class": f"{type(model).__module__}.{kind}",
            "model_format": "ubj",
            "xgb_version": version("xgboost"),
            "code": None,
        },
        "python_function": {"loader_module": "mlflow.xgboost", "data": file.name},
    }
    return Written(found, {"class": kind}, flavors)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - the format names no types
    """Load a Booster or one of XGBoost's estimators.

    Raises:
        InputError: the package names another class, or its file cannot be read.
    """
    kind = trees.named_class(package, _CLASSES)
    native = _CLASSES[kind]()
    trees.loaded(package, lambda data: native.load_model(bytearray(data)), _REFUSAL)
    inputs = package.signature.inputs
    if isinstance(native, xgboost.Booster):
        return Opened(native, BoosterRunner(native, inputs))
    return Opened(native, EstimatorRunner(native, inputs, "matrix"), getattr(native, "classes_", None))


def _blank(booster: xgboost.Booster) -> dict[str, np.ndarray]:
    names = booster.feature_names
    return {name: np.zeros(1) for name in names} if names else {arrays.MATRIX: np.zeros((1, booster.num_features()))}
