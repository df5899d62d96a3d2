"""Keras models, kept as ``.keras`` and loaded in Keras' safe mode, after a look of our own (``keras_archive``).

Sequential and functional models of Keras' own layers; the classes of somebody else are code,
and a package of this format holds none. The signature is the model's own word about its inputs
and outputs, so that saving runs nothing of it and changes nothing about it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors import keras_backend
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.package import Package
from mlgitops.packages.signature import DATATYPES, Signature, TensorSpec

keras_backend.choose()
import keras  # noqa: E402 - only now it finds a backend

from mlgitops.packages.flavors import keras_archive  # noqa: E402

# How the inputs of a signature are handed to the model: the one tensor, a matrix of columns, or several.
Arrangement = Literal["tensor", "columns", "list", "mapping"]

_DATATYPES: Final[Mapping[str, str]] = {
    **{name: datatype for datatype, name in DATATYPES.items() if datatype != "BYTES"},
    "bfloat16": "FP32",  # it has no V2 datatype; every value is one of FP32 too
}


@dataclass(frozen=True, slots=True)
class KerasRunner:
    """Runs a model on named inputs."""

    model: Any
    signature: Signature
    arrangement: Arrangement

    def __call__(self, inputs: Mapping[str, np.ndarray], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the wanted outputs, one row an input row."""
        rows = len(next(iter(inputs.values())))
        if rows == 0:
            raise InputError("there are no rows; expected at least one")
        # JAX compiles the model anew for each number of rows (0.25 s for the smallest), so there are few of them.
        whole = 1 << (rows - 1).bit_length() if keras.backend.backend() == "jax" else rows
        fed = self._arranged({name: _padded(array, whole) for name, array in inputs.items()})
        answers = _named(self.model.predict_on_batch(fed), self.signature.outputs)
        dtypes = {spec.name: DATATYPES[spec.datatype] for spec in self.signature.outputs}
        return {name: np.asarray(answers[name])[:rows].astype(dtypes[name], copy=False) for name in outputs}

    def _arranged(self, inputs: Mapping[str, np.ndarray]) -> Any:
        specs = self.signature.inputs
        if self.arrangement == "columns":
            return arrays.matrix(inputs, specs)
        if self.arrangement == "tensor":
            return inputs[specs[0].name]
        return dict(inputs) if self.arrangement == "mapping" else [inputs[spec.name] for spec in specs]


def _padded(array: np.ndarray, rows: int) -> np.ndarray:
    """Return an array with so many rows, its last one repeated."""
    return np.pad(array, [(0, rows - len(array))] + [(0, 0)] * (array.ndim - 1), "edge")


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - the format knows Keras' own types only
) -> Written:
    """Write a Sequential or functional model.

    Raises:
        InputError: it is none, is not built, keeps a state between calls, or does not take the example.
    """
    _check_kind(model)
    found, arrangement = _signature(model, example)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file.name
        keras.saving.save_model(model, path)
        data = keras_archive.normalise(path)
    write_atomic(file, data)
    backend = keras.backend.backend()
    flavors = {
        "keras": {
            "data": ".",
            "keras_version": version("keras"),
            "keras_backend": backend,
            "save_exported_model": False,
            "code": None,
        },
        "python_function": {"loader_module": "mlflow.keras"},
    }
    settings = {"arrangement": arrangement, "backend": backend}
    return Written(signature or found, settings, flavors, packages=(keras_backend.distribution(backend),))


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - Keras' own types only
    """Load a model.

    Raises:
        InputError: it holds what may be code, or Keras cannot read it.
    """
    keras_archive.check(package.data)
    try:
        native = keras.saving.load_model(package.data, compile=False, safe_mode=True)
    except Exception as error:  # what a layer makes of the arguments that a file has for it
        raise InputError(f"{package.data} cannot be loaded: {type(error).__name__}: {str(error)[:300]}") from error
    return Opened(native, KerasRunner(native, package.signature, package.settings["arrangement"]))


def _check_kind(model: Any) -> None:
    kind = type(model).__name__
    if not isinstance(model, keras.Model):
        raise InputError(f"a {kind} is no model of Keras; expected a Sequential or functional model")
    if not model.built or not getattr(model, "inputs", None) or not getattr(model, "outputs", None):
        raise InputError(
            f"the {kind} does not say what it takes; expected a Sequential or functional model that is built "
            "(a keras.Input as its first layer, or a call of fit)"
        )
    if any(getattr(layer, "stateful", False) for layer in model._flatten_layers()):  # noqa: SLF001 - inner models too
        raise InputError(
            f"the {kind} keeps a state from one call to the next, so its answers depend on who asked before"
        )


def _signature(model: Any, example: Any | None) -> tuple[Signature, Arrangement]:
    inputs, outputs = _structure(model, "input"), _structure(model, "output")
    specs = tuple(_spec(name, tensor) for name, tensor in inputs.items())
    given = None if example is None else arrays.from_example(example)
    arrangement: Arrangement = "tensor"
    if len(specs) > 1 or isinstance(getattr(model, "input", None), Mapping):
        arrangement = "mapping" if isinstance(model.input, Mapping) else "list"
    elif given and set(given) != {arrays.MATRIX}:
        specs, arrangement = _columns(given, specs[0])
    signature = Signature(specs, tuple(_spec(name, tensor) for name, tensor in outputs.items()))
    if given is not None:
        missing = [spec.name for spec in specs if spec.name not in given]
        if missing:
            raise InputError(f"the input example has no {', '.join(missing)}; it has: {', '.join(given)}")
        for spec in specs:
            arrays.to_spec(given[spec.name], spec)
    return signature, arrangement


def _columns(given: Mapping[str, np.ndarray], spec: TensorSpec) -> tuple[tuple[TensorSpec, ...], Arrangement]:
    """Return the inputs of a model with one tensor for an example with names: its columns, or it by another name."""
    if len(given) == 1:
        (name,) = given
        if given[name].ndim == len(spec.shape):
            return (TensorSpec(name, spec.datatype, spec.shape),), "tensor"
    if len(spec.shape) != 2 or spec.shape[1] not in (-1, len(given)):
        raise InputError(f"the input example has {len(given)} columns; the model takes {list(spec.shape)}")
    return tuple(arrays.spec_of(name, column) for name, column in given.items()), "columns"


def _structure(model: Any, side: str) -> dict[str, Any]:
    """Return a model's symbolic tensors by name."""
    flat = getattr(model, f"{side}s")
    if len(flat) == 1 and not isinstance(getattr(model, side, None), Mapping):
        return {arrays.MATRIX if side == "input" else "predict": flat[0]}
    whole = getattr(model, side)
    if isinstance(whole, Mapping):
        named = dict(whole)
    else:
        names = [tensor.name for tensor in flat] if side == "input" else model.output_names
        named = dict(zip(names, whole, strict=True))
    if len(named) != len(flat) or not all(hasattr(tensor, "dtype") for tensor in named.values()):
        raise InputError(
            f"the model's {side}s are nested or share names; expected a tensor, a list or a mapping of them"
        )
    return named


def _spec(name: str, tensor: Any) -> TensorSpec:
    if tensor.dtype not in _DATATYPES or getattr(tensor, "sparse", False) or getattr(tensor, "ragged", False):
        raise InputError(f"tensor {name!r} is {tensor.dtype}, sparse or ragged, which no V2 datatype can carry")
    if not tensor.shape:
        raise InputError(f"tensor {name!r} is a single value; expected a batch, one entry a row")
    # A Sequential that fit has built has the last batch's size there, and takes any.
    return TensorSpec(name, _DATATYPES[tensor.dtype], (-1, *(size or -1 for size in tensor.shape[1:])))


def _named(answer: Any, specs: Sequence[TensorSpec]) -> Mapping[str, Any]:
    if isinstance(answer, Mapping):
        return answer
    if isinstance(answer, list | tuple):
        return dict(zip((spec.name for spec in specs), answer, strict=True))
    return {specs[0].name: answer}
