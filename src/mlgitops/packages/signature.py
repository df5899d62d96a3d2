"""What a model takes and gives: named tensors in the datatypes of the Open Inference Protocol V2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from mlgitops.errors import InputError

# V2 datatype → numpy's name of the element; BYTES are strings of any length.
DATATYPES: Final[Mapping[str, str]] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}

# V2 datatype → the column type in an MLflow signature.
_MLFLOW_COLUMNS: Final[Mapping[str, str]] = {
    "BOOL": "boolean",
    "INT8": "integer",
    "INT16": "integer",
    "INT32": "integer",
    "UINT8": "integer",
    "UINT16": "integer",
    "INT64": "long",
    "UINT32": "long",
    "UINT64": "long",
    "FP16": "float",
    "FP32": "float",
    "FP64": "double",
    "BYTES": "string",
}


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor: its name, V2 datatype and shape, -1 where any size will do (the batch comes first)."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise InputError(
                f"tensor {self.name!r} has datatype {self.datatype!r}; expected one of: {', '.join(DATATYPES)}"
            )

    @property
    def is_column(self) -> bool:
        """Whether it is one value a row, as a column of a table is."""
        return self.shape == (-1,)


@dataclass(frozen=True, slots=True)
class Signature:
    """The tensors that a model takes and gives, in order."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def batches(self) -> bool:
        """Whether every tensor has any number of rows, so that requests can be joined and split by rows."""
        return all(spec.shape[:1] == (-1,) for spec in (*self.inputs, *self.outputs))

    def to_json(self) -> dict[str, Any]:
        """Return it as it stands in a ModelVersion and in our part of an MLmodel file."""
        return {
            "inputs": [_to_json(spec) for spec in self.inputs],
            "outputs": [_to_json(spec) for spec in self.outputs],
        }

    @classmethod
    def from_json(cls, data: Any) -> Signature:
        """Read what ``to_json`` gave.

        Raises:
            InputError: it is no signature.
        """
        try:
            return cls(
                tuple(_from_json(spec) for spec in data["inputs"]),
                tuple(_from_json(spec) for spec in data["outputs"]),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"not a signature: {error!r}") from error

    def to_mlflow(self, side: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
        """Return one side of it as MLflow words it: columns where all are columns, tensors otherwise."""
        if all(spec.is_column for spec in side):
            return [{"type": _MLFLOW_COLUMNS[spec.datatype], "name": spec.name, "required": True} for spec in side]
        return [
            {
                "type": "tensor",
                **({"name": spec.name} if len(side) > 1 else {}),
                "tensor-spec": {
                    "dtype": DATATYPES[spec.datatype] if spec.datatype != "BYTES" else "str",
                    "shape": list(spec.shape),
                },
            }
            for spec in side
        ]


def _to_json(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape)}


def _from_json(data: Any) -> TensorSpec:
    return TensorSpec(str(data["name"]), str(data["datatype"]), tuple(int(size) for size in data["shape"]))
