"""Data as named numpy arrays: from what people pass as an example, and to what a model wants.

Imports numpy, so it is imported where data is at hand and not with the package.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages.signature import DATATYPES, TensorSpec

# The name of a model's only input when its data has no column names.
MATRIX = "input"

Arrays = Mapping[str, np.ndarray]

_BY_DTYPE = {np.dtype(name): datatype for datatype, name in DATATYPES.items() if datatype != "BYTES"}


def datatype_of(array: np.ndarray, name: str) -> str:
    """Return the V2 datatype of an array.

    Raises:
        InputError: there is none, as for dates; the message names the array.
    """
    if array.dtype.kind in "US":
        return "BYTES"
    if array.dtype == object and all(value is None or isinstance(value, str | bytes) for value in array.flat):
        return "BYTES"
    try:
        return _BY_DTYPE[array.dtype.newbyteorder("=")]
    except KeyError:
        raise InputError(
            f"{name} holds {array.dtype} values, which no V2 datatype can carry; "
            f"convert it to numbers, booleans or text first"
        ) from None


def spec_of(name: str, array: np.ndarray) -> TensorSpec:
    """Return the tensor that an array is a batch of: its first dimension is free.

    Raises:
        InputError: its values have no V2 datatype, or it is a single value.
    """
    if array.ndim == 0:
        raise InputError(f"{name} is a single value; expected a batch, one entry a row")
    return TensorSpec(name, datatype_of(array, name), (-1, *array.shape[1:]))


def from_example(example: Any) -> dict[str, np.ndarray]:
    """Return an example as named arrays: one a column for tables, one matrix otherwise.

    Tables are data frames, mappings from name to column, and lists of mappings.

    Raises:
        InputError: it is empty, ragged or of a kind that is not data.
    """
    if hasattr(example, "columns") and hasattr(example, "iloc"):
        columns = {str(name): _column(example[name]) for name in example.columns}
    elif isinstance(example, Mapping):
        columns = {str(name): _array(values) for name, values in example.items()}
    elif isinstance(example, Sequence) and example and all(isinstance(row, Mapping) for row in example):
        columns = {str(name): _array([row.get(name) for row in example]) for name in example[0]}
    else:
        columns = {MATRIX: _array(example)}
    lengths = {len(column) if column.ndim else 0 for column in columns.values()}
    if len(lengths) != 1 or lengths == {0}:
        raise InputError("the input example has no rows, or columns of different lengths; pass a few rows of real data")
    return columns


def _column(series: Any) -> np.ndarray:
    if series.dtype.kind in "biufc":
        return np.asarray(series)
    values = series.astype(object).to_numpy()
    return np.array([None if value is None or value != value else value for value in values], dtype=object)


def _array(values: Any) -> np.ndarray:
    if hasattr(values, "toarray"):  # a sparse matrix of scipy
        values = values.toarray()
    if hasattr(values, "detach"):  # a tensor of PyTorch, on whatever device
        values = values.detach().cpu()
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"the input example is ragged: {error}; every row needs the same shape") from error
    return array.astype(object) if array.dtype.kind in "US" else array


def to_spec(array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Return an array as a tensor wants it: of its shape, and cast where no meaning is lost.

    Raises:
        InputError: shape or datatype do not fit; the message says both.
    """
    fits = array.ndim == len(spec.shape) and all(
        wanted in (-1, found) for wanted, found in zip(spec.shape, array.shape, strict=True)
    )
    if not fits:
        raise InputError(f"input {spec.name!r} has shape {list(array.shape)}; expected {list(spec.shape)}")
    if spec.datatype == "BYTES":
        if datatype_of(array, spec.name) != "BYTES":
            raise InputError(f"input {spec.name!r} holds {array.dtype} values; expected BYTES")
        return array.astype(object)
    dtype = np.dtype(DATATYPES[spec.datatype])
    if array.dtype == dtype:
        return array
    if array.dtype == object or not np.can_cast(array.dtype, dtype, "same_kind"):
        raise InputError(f"input {spec.name!r} holds {array.dtype} values; expected {spec.datatype}")
    return array.astype(dtype)


def matrix(inputs: Arrays, specs: Sequence[TensorSpec]) -> np.ndarray:
    """Return the inputs as one array with a row a row: the only input itself, or the columns side by side."""
    if len(specs) == 1 and not specs[0].is_column:
        return inputs[specs[0].name]
    if len(specs) == 1 and specs[0].datatype == "BYTES" and specs[0].name == MATRIX:
        return inputs[MATRIX]  # a list of texts, as vectorizers take it
    return np.column_stack([inputs[spec.name] for spec in specs])


def frame(inputs: Arrays, specs: Sequence[TensorSpec]) -> Any:
    """Return the inputs as a pandas data frame, a column an input."""
    import pandas as pd

    return pd.DataFrame({spec.name: inputs[spec.name] for spec in specs})


def dense(answer: Any) -> np.ndarray:
    """Return what a model answered as one array, sparse matrices and data frames included."""
    if hasattr(answer, "toarray"):
        answer = answer.toarray()
    array = np.asarray(answer)
    return array.astype(object) if array.dtype.kind in "US" else array


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """Tell whether two answers agree: equal, or equal up to rounding for floating point numbers."""
    if one.shape != other.shape:
        return False
    if one.dtype.kind in "fc" and other.dtype.kind in "fc":
        return bool(np.allclose(one, other, rtol=1e-4, atol=1e-6, equal_nan=True))
    return bool(np.array_equal(one, other))


def head(inputs: Arrays, rows: int) -> dict[str, np.ndarray]:
    """Return the first rows of every input."""
    return {name: array[:rows] for name, array in inputs.items()}
