"""Objects with scikit-learn's methods: what they answer, and how rows have to be handed to them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.signature import DATATYPES, Signature, TensorSpec

# How an estimator takes its rows. A data frame costs an import of pandas at every start of
# a server, so it is chosen only for an estimator that does not answer the same without it.
Arrangement = Literal["matrix", "frame"]


def methods_of(model: Any) -> tuple[str, ...]:
    """Return the methods that become a model's outputs.

    Raises:
        InputError: it can neither predict nor transform.
    """
    if hasattr(model, "predict"):
        classifies = hasattr(model, "classes_") and hasattr(model, "predict_proba")
        several = isinstance(getattr(model, "classes_", None), list)
        return ("predict", "predict_proba") if classifies and not several else ("predict",)
    if hasattr(model, "transform"):
        return ("transform",)
    raise InputError(f"{type(model).__name__} has neither predict nor transform, so it cannot be served")


@dataclass(frozen=True, slots=True)
class EstimatorRunner:
    """Runs an estimator's methods on named inputs."""

    model: Any
    inputs: tuple[TensorSpec, ...]
    arrangement: Arrangement

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the wanted outputs, one row an input row."""
        rows = getattr(arrays, self.arrangement)(inputs, self.inputs)
        with warnings.catch_warnings():
            # Inputs are matched by the signature's names; that the rows themselves bear none is meant.
            warnings.filterwarnings("ignore", message="X (does not have valid|has) feature names")
            return {name: arrays.dense(getattr(self.model, name)(rows)) for name in outputs}


def describe(model: Any, example: Any | None, given: Signature | None) -> tuple[Signature, Arrangement]:
    """Return an estimator's signature and the arrangement in which it answers as it does directly.

    Without an example, ``n_features_in_`` columns of FP64 are assumed.

    Raises:
        InputError: the estimator is not fitted, or cannot answer for the example.
    """
    columns = _columns(model, example, given)
    inputs = given.inputs if given else tuple(arrays.spec_of(name, array) for name, array in columns.items())
    columns = {spec.name: arrays.to_spec(columns[spec.name], spec) for spec in inputs}
    methods = methods_of(model)
    direct = _direct(model, example, methods)
    failure: Exception | None = None
    arrangements: tuple[Arrangement, ...] = ("matrix", "frame") if _is_table(inputs) else ("matrix",)
    for arrangement in arrangements:
        try:
            answers = EstimatorRunner(model, inputs, arrangement)(columns, methods)
        except Exception as error:  # an estimator may raise anything; the next arrangement may suit it
            failure = error
            continue
        if direct is None or all(arrays.same(answers[name], direct[name]) for name in methods):
            found = Signature(inputs, tuple(arrays.spec_of(name, answers[name]) for name in methods))
            return given or found, arrangement
    reason = f": {failure}" if failure else ", but answers differently when its rows come through the signature"
    raise InputError(f"{type(model).__name__} cannot predict the input example{reason}")


def _is_table(inputs: tuple[TensorSpec, ...]) -> bool:
    return all(spec.is_column for spec in inputs)


def _columns(model: Any, example: Any | None, given: Signature | None) -> dict[str, np.ndarray]:
    if example is None and given is not None:
        return {spec.name: _blank(spec) for spec in given.inputs}
    names = getattr(model, "feature_names_in_", None)
    if example is None:
        count = getattr(model, "n_features_in_", None)
        if count is None:
            raise InputError(
                f"{type(model).__name__} does not say what it takes; fit it, and pass input_example= with a few rows"
            )
        if names is not None:
            return {str(name): np.zeros(1) for name in names}
        return {arrays.MATRIX: np.zeros((1, count))}
    columns = arrays.from_example(example)
    wanted = (
        [spec.name for spec in given.inputs] if given else [str(name) for name in names] if names is not None else []
    )
    if arrays.MATRIX in columns or not wanted:
        return columns
    missing = [name for name in wanted if name not in columns]
    if missing:
        raise InputError(f"the input example has no column {', '.join(missing)}; it has: {', '.join(columns)}")
    return {name: columns[name] for name in wanted}


def _blank(spec: TensorSpec) -> np.ndarray:
    shape = tuple(1 if size == -1 else size for size in spec.shape)
    if spec.datatype == "BYTES":
        return np.full(shape, "", dtype=object)
    return np.zeros(shape, dtype=DATATYPES[spec.datatype])


def _direct(model: Any, example: Any | None, methods: Sequence[str]) -> dict[str, np.ndarray] | None:
    # Only what an estimator takes as it is can be compared with: no mappings, no records.
    if not (hasattr(example, "iloc") or isinstance(example, np.ndarray)):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return {name: arrays.dense(getattr(model, name)(example)) for name in methods}
    except Exception as error:
        raise InputError(f"{type(model).__name__} cannot predict the input example: {error}") from error
