"""LightGBM models in LightGBM's own text format, which describes trees and runs nothing.

The format knows no estimator, only its Booster. What an estimator adds to the Booster's
numbers, the classes, is kept in the package's settings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import lightgbm
import numpy as np

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors import trees
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature, TensorSpec

_REFUSAL: Final = lightgbm.basic.LightGBMError

# The only classes that a package may come from.
_CLASSES: Final[Mapping[str, type]] = {
    kind.__name__: kind
    for kind in (lightgbm.Booster, lightgbm.LGBMClassifier, lightgbm.LGBMRegressor, lightgbm.LGBMRanker)
}
_KINDS_OF_CLASSES: Final = {"i": "int64", "u": "int64", "b": "bool", "f": "float64", "U": "str", "O": "object"}


@dataclass(frozen=True, slots=True)
class BoosterRunner:
    """Runs a Booster: its numbers themselves or, given a classifier's classes, their chances and the likeliest."""

    booster: lightgbm.Booster
    inputs: tuple[TensorSpec, ...]
    classes: np.ndarray | None = None

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the predictions."""
        answer = arrays.dense(self.booster.predict(arrays.matrix(inputs, self.inputs)))
        if self.classes is None:
            return dict.fromkeys(outputs, answer)
        chances = np.column_stack([1.0 - answer, answer]) if answer.ndim == 1 else answer
        likeliest = arrays.dense(self.classes[np.argmax(chances, axis=1)])
        return {name: chances if name == "predict_proba" else likeliest for name in outputs}


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - the format names no types
) -> Written:
    """Write a Booster or one of LightGBM's estimators.

    Raises:
        InputError: it is of another class, is not fitted, or its Booster alone does not answer as it does.
    """
    kind = trees.class_of(model, _CLASSES, "lightgbm")
    bare = isinstance(model, lightgbm.Booster)
    booster: lightgbm.Booster = model if bare else trees.booster_of(model, lambda fitted: fitted.booster_)
    text = booster.model_to_string()
    loaded = lightgbm.Booster(model_str=text)
    classes = None if bare else getattr(model, "classes_", None)
    if bare and signature is not None:
        found = signature
    elif bare:
        found = trees.describe_booster(partial(BoosterRunner, loaded), partial(_blank, loaded), example, _REFUSAL)
    else:
        found = trees.describe_estimator(model, example, signature, "lightgbm")
        _compare(model, BoosterRunner(loaded, found.inputs, classes), example)
    write_atomic(file, text.encode())
    flavor = {
        "data": file.name,
        "model_class": "lightgbm.basic.Booster",
        "lgb_version": version("lightgbm"),
        "code": None,
    }
    flavors: dict[str, Any] = {"lightgbm": flavor}
    if bare:  # MLflow would answer for an estimator with its Booster's numbers
        flavors["python_function"] = {"loader_module": "mlflow.lightgbm", "data": file.name}
    return Written(found, {"class": kind, **_settings(classes)}, flavors)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - the format names no types
    """Load a Booster, with what its estimator knew beyond it.

    Raises:
        InputError: the package names another class, or its file cannot be read.
    """
    trees.named_class(package, _CLASSES)
    booster = trees.loaded(package, lambda data: lightgbm.Booster(model_str=data.decode()), _REFUSAL)
    classes = _classes(package)
    return Opened(booster, BoosterRunner(booster, package.signature.inputs, classes), classes)


def _settings(classes: np.ndarray | None) -> dict[str, Any]:
    if classes is None:
        return {}
    kind = _KINDS_OF_CLASSES.get(classes.dtype.kind)
    if kind is None or not all(isinstance(value, str | int | float) for value in classes.tolist()):
        raise InputError(f"classes of type {classes.dtype} cannot be saved as lightgbm; use numbers or text")
    return {"classes": classes.tolist(), "classes_type": kind}


def _classes(package: Package) -> np.ndarray | None:
    if "classes" not in package.settings:
        return None
    kind, values = package.settings.get("classes_type"), package.settings["classes"]
    if kind not in _KINDS_OF_CLASSES.values() or not isinstance(values, list):
        raise InputError(f"{package.folder} names classes that are no list of numbers or texts")
    return np.array(values, dtype=kind)


def _compare(model: Any, runner: BoosterRunner, example: Any | None) -> None:
    """Refuse an estimator that does more than its Booster and its classes, such as one with its own objective."""
    given = arrays.from_example(example) if example is not None else {}
    rows = {spec.name: arrays.to_spec(given.get(spec.name, _zeros(spec)), spec) for spec in runner.inputs}
    names = ("predict",) if runner.classes is None else ("predict", "predict_proba")
    found, expected = runner(rows, names), EstimatorRunner(model, runner.inputs, "matrix")(rows, names)
    if not all(arrays.same(found[name], expected[name]) for name in names):
        kind = type(model).__name__
        raise InputError(f"{kind} answers differently from its Booster; save model.booster_ instead")


def _blank(booster: lightgbm.Booster) -> dict[str, np.ndarray]:
    names = booster.feature_name()
    if names == [f"Column_{number}" for number in range(len(names))]:  # what columns without names are called
        return {arrays.MATRIX: np.zeros((1, len(names)))}
    return {name: np.zeros(1) for name in names}


def _zeros(spec: TensorSpec) -> np.ndarray:
    return np.zeros([1 if size == -1 else size for size in spec.shape])
