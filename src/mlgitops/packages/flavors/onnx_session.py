"""Opens ONNX models without letting them bring code or reach for files, and runs them.

Only operators that onnxruntime itself brings are accepted: others come as libraries,
and a library is code. Tensors kept in files beside the model are refused, because such
a reference may lead out of the package.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.signature import DATATYPES, Signature, TensorSpec

_DOMAINS: Final = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}

_DATATYPES: Final[Mapping[str, str]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}


@dataclass(frozen=True, slots=True)
class SessionRunner:
    """Runs an onnxruntime session on named inputs.

    ``matrix`` says that the columns of the signature go into the session's one input
    side by side; ``names`` maps outputs of the signature to the session's.
    """

    session: Any
    signature: Signature
    matrix: bool
    names: Mapping[str, str]

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the wanted outputs."""
        if self.matrix:
            entry = self.session.get_inputs()[0]
            rows = arrays.matrix(inputs, self.signature.inputs)
            feed = {entry.name: rows.astype(DATATYPES[_DATATYPES[entry.type]], copy=False)}
        else:
            feed = {entry.name: _shaped(inputs[entry.name], len(entry.shape)) for entry in self.session.get_inputs()}
        answers = self.session.run([self.names[name] for name in outputs], feed)
        shapes = {spec.name: spec.shape for spec in self.signature.outputs}
        return {
            # Converted regressors answer a matrix of one column where the estimator answers a column.
            name: answer.reshape(-1) if len(shapes[name]) == 1 else answer
            for name, answer in zip(outputs, map(arrays.dense, answers), strict=True)
        }


def session(data: bytes, where: str) -> Any:
    """Open a model, after looking that it needs nothing beyond itself.

    Raises:
        InputError: it cannot be read, or needs operators or files of others.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf's DecodeError has no public name that onnx promises
        raise InputError(f"{where} is no ONNX model: {error}") from error
    opsets = [*model.opset_import, *(entry for function in model.functions for entry in function.opset_import)]
    custom = {entry.domain for entry in opsets} - _DOMAINS
    if custom:
        raise InputError(f"{where} uses operators of {', '.join(sorted(custom))}; only those of ONNX itself are safe")
    tensors = (tensor for graph in (model.graph, *model.functions) for tensor in _tensors(graph))
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in tensors):
        raise InputError(f"{where} keeps tensors in other files; save it as one file (save_as_external_data=False)")
    try:
        return onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has one exception class a status code, in a private module
        raise InputError(f"{where} cannot be loaded: {error}") from error


def _tensors(graph: Any) -> Iterator[Any]:
    """Yield the tensors of a graph, of its inner graphs, or of a function (which has no tensors but its nodes')."""
    yield from getattr(graph, "initializer", ())
    sparse_ones = getattr(graph, "sparse_initializer", ())
    yield from (part for sparse in sparse_ones for part in (sparse.values, sparse.indices))
    for node in graph.node:
        for attribute in node.attribute:
            yield attribute.t
            yield from attribute.tensors
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer or inner.sparse_initializer:
                    yield from _tensors(inner)


def signature_of(opened: Any) -> Signature:
    """Return the tensors that a session takes and gives."""
    return Signature(
        tuple(spec_of(entry) for entry in opened.get_inputs()),
        tuple(spec_of(entry) for entry in opened.get_outputs()),
    )


def spec_of(entry: Any) -> TensorSpec:
    """Return one tensor of a session.

    Raises:
        InputError: it is none that the V2 protocol can carry, such as a sequence of maps.
    """
    if entry.type not in _DATATYPES:
        raise InputError(
            f"tensor {entry.name!r} is a {entry.type}, which no V2 datatype can carry (zipmap=False helps)"
        )
    return TensorSpec(entry.name, _DATATYPES[entry.type], tuple(s if isinstance(s, int) else -1 for s in entry.shape))


def _shaped(array: np.ndarray, rank: int) -> np.ndarray:
    # A column of the signature is a matrix of one column in a converted model.
    return array.reshape(-1, 1) if array.ndim == 1 and rank == 2 else array
