"""scikit-learn estimators as ONNX models that answer the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import skl2onnx
from skl2onnx.common import data_types

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.flavors.estimators import Arrangement, EstimatorRunner, describe
from mlgitops.packages.flavors.onnx_session import SessionRunner, session, spec_of
from mlgitops.packages.signature import Signature, TensorSpec

_TENSORS: Final[Mapping[str, Any]] = {
    "BOOL": data_types.BooleanTensorType,
    "INT32": data_types.Int32TensorType,
    "INT64": data_types.Int64TensorType,
    "FP32": data_types.FloatTensorType,
    "FP64": data_types.DoubleTensorType,
    "BYTES": data_types.StringTensorType,
}


@dataclass(frozen=True, slots=True)
class Converted:
    """An ONNX model and how it stands for its estimator: ``names`` maps our outputs to its own."""

    data: bytes
    signature: Signature
    matrix: bool
    names: Mapping[str, str]


def convert(model: Any, example: Any | None, given: Signature | None) -> Converted:
    """Convert an estimator.

    Trees compare single precision numbers even when they are handed doubles, linear models
    do not; so doubles are tried first, and singles when the answers differ.

    Raises:
        InputError: it cannot be converted, or the result answers the example differently.
    """
    signature, arrangement = describe(model, example, given)
    matrix = arrangement == "matrix"
    joint = _joint(signature.inputs) if matrix else ""
    for datatype in ("FP64", "FP32") if joint == "FP64" else (joint,):
        converted = _convert(model, signature, matrix, datatype)
        if example is None or _agrees(model, example, converted, arrangement):
            return converted
    raise InputError(
        f"{type(model).__name__} converted to ONNX answers the input example differently; save it as skops"
    )


def _convert(model: Any, signature: Signature, matrix: bool, datatype: str) -> Converted:
    if matrix:
        types = [(arrays.MATRIX, _tensor_type(datatype, _width(signature.inputs)))]
    else:
        types = [(spec.name, _tensor_type(spec.datatype, 1)) for spec in signature.inputs]
    options = {id(model): {"zipmap": False}} if hasattr(model, "classes_") else None
    try:
        made = skl2onnx.convert_sklearn(model, name="model", initial_types=types, options=options)
    except Exception as error:  # a converter may raise anything
        raise InputError(f"{type(model).__name__} cannot be converted to ONNX: {error}") from error
    data = made.SerializeToString(deterministic=True)
    found = [spec_of(entry) for entry in session(data, "the converted model").get_outputs()]
    pairs = list(zip(signature.outputs, found, strict=False))
    outputs = tuple(TensorSpec(ours.name, theirs.datatype, ours.shape) for ours, theirs in pairs)
    names = {ours.name: theirs.name for ours, theirs in pairs}
    return Converted(data, Signature(signature.inputs, outputs), matrix, names)


def _agrees(model: Any, example: Any, converted: Converted, arrangement: Arrangement) -> bool:
    specs = converted.signature.inputs
    found = arrays.from_example(example)
    rows = {spec.name: arrays.to_spec(found[spec.name], spec) for spec in specs}
    names = [spec.name for spec in converted.signature.outputs]
    expected = EstimatorRunner(model, specs, arrangement)(rows, names)
    opened = session(converted.data, "the converted model")
    answers = SessionRunner(opened, converted.signature, converted.matrix, converted.names)(rows, names)
    return all(arrays.same(answers[name], expected[name]) for name in names)


def _joint(inputs: Sequence[TensorSpec]) -> str:
    kinds = {spec.datatype for spec in inputs}
    return kinds.pop() if len(kinds) == 1 else "FP64"


def _width(inputs: Sequence[TensorSpec]) -> int:
    return len(inputs) if inputs[0].is_column else inputs[0].shape[-1]


def _tensor_type(datatype: str, width: int) -> Any:
    if datatype not in _TENSORS:
        raise InputError(f"{datatype} inputs cannot be converted to ONNX; expected one of: {', '.join(_TENSORS)}")
    return _TENSORS[datatype]([None, width])
