"""XGBoost models in XGBoost's own format, which describes trees and runs nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import xgboost

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner, describe
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature, TensorSpec

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
    kind = type(model).__name__
    if _CLASSES.get(kind) is not type(model):
        raise InputError(f"a {kind} cannot be saved as xgboost; expected one of: {', '.join(_CLASSES)}")
    booster = model if isinstance(model, xgboost.Booster) else _fitted(model)
    if model is booster:
        found = _describe_booster(booster, example, signature)
    else:
        found, arrangement = describe(model, example, signature)
        if arrangement != "matrix":
            raise InputError(f"{kind} needs a data frame with categories; encode them as numbers to save it as xgboost")
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
    kind = str(package.settings.get("class"))
    if kind not in _CLASSES:
        raise InputError(f"{package.folder} names the class {kind!r}; expected one of: {', '.join(_CLASSES)}")
    native = _CLASSES[kind]()
    try:
        native.load_model(bytearray(package.data.read_bytes()))
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise InputError(f"{package.data} cannot be loaded: {str(error).splitlines()[0]}") from error
    inputs = package.signature.inputs
    if isinstance(native, xgboost.Booster):
        return Opened(native, BoosterRunner(native, inputs))
    return Opened(native, EstimatorRunner(native, inputs, "matrix"), getattr(native, "classes_", None))


def _fitted(model: Any) -> xgboost.Booster:
    try:
        booster: xgboost.Booster = model.get_booster()
    except Exception as error:  # scikit-learn's NotFittedError, without importing scikit-learn for its name
        raise InputError(f"{type(model).__name__} is not fitted; call fit first") from error
    return booster


def _describe_booster(booster: xgboost.Booster, example: Any | None, given: Signature | None) -> Signature:
    if given is not None:
        return given
    if example is None:
        names = booster.feature_names
        columns = {name: np.zeros(1) for name in names} if names else None
        columns = columns or {arrays.MATRIX: np.zeros((1, booster.num_features()))}
    else:
        columns = arrays.from_example(example)
    inputs = tuple(arrays.spec_of(name, array) for name, array in columns.items())
    try:
        answers = BoosterRunner(booster, inputs)(columns, ("predict",))
    except (xgboost.core.XGBoostError, ValueError, TypeError) as error:
        raise InputError(f"the Booster cannot predict the input example: {error}") from error
    return Signature(inputs, (arrays.spec_of("predict", answers["predict"]),))
