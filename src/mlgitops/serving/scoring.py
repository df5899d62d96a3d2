"""MLflow's scoring protocol: ``/invocations`` with JSON in its four forms, or CSV.

https://mlflow.org/docs/latest/genai/serving/ and its predecessors: ``dataframe_split``,
``dataframe_records``, ``instances`` and ``inputs``.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.signature import DATATYPES, Signature, TensorSpec
from mlgitops.serving import tensors
from mlgitops.serving.batches import Arrays

FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")

_encode = msgspec.json.Encoder().encode
_TRUE: Final = {"true": True, "false": False, "1": True, "0": False}


def read_json(body: bytes, signature: Signature, limit: int) -> Arrays:
    """Read a JSON body in one of MLflow's four forms; ``limit`` is the most bytes an input may take.

    Raises:
        InputError: it is none of them, or does not fit the signature.
    """
    try:
        request = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("the request is not JSON") from None
    forms = [form for form in FORMS if isinstance(request, dict) and form in request]
    if len(forms) != 1:
        raise InputError(f"the request is not as MLflow has it; expected an object with one of: {', '.join(FORMS)}")
    data = request[forms[0]]
    if forms[0] == "dataframe_split":
        columns = _of_split(data)
    elif isinstance(data, dict):
        columns = data
    elif isinstance(data, list) and data and all(isinstance(row, dict) for row in data):
        columns = _of_records(data, signature.inputs)
    else:
        return _of_rows(data, signature.inputs, limit)
    return _fit(columns, signature.inputs, limit)


def read_csv(body: bytes, signature: Signature, limit: int) -> Arrays:
    """Read a CSV body: a line of column names, then a line a row.

    Raises:
        InputError: it is no such table, or does not fit the signature.
    """
    try:
        rows = list(csv.reader(io.StringIO(body.decode("utf-8")), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise InputError("the request is not CSV in UTF-8") from None
    header, *lines = [row for row in rows if row] or [[]]
    if not lines or any(len(line) != len(header) for line in lines):
        raise InputError("the request is not a table; expected a line of names, then as many values in every line")
    texts = dict(zip(header, (list(column) for column in zip(*lines, strict=True)), strict=True))
    return _fit(
        {name: _typed(values, name, signature.inputs) for name, values in texts.items()}, signature.inputs, limit
    )


def write(outputs: Arrays, wanted: Sequence[str]) -> bytes:
    """Return the body of an answer: the only output as a list, several as an object of lists."""
    plain = {name: outputs[name].tolist() for name in wanted}
    return _encode({"predictions": plain if len(wanted) > 1 else plain[wanted[0]]})


def wanted(signature: Signature) -> tuple[str, ...]:
    """Return the outputs that MLflow's clients expect: ``predict`` of an estimator, everything of others."""
    names = tuple(spec.name for spec in signature.outputs)
    return ("predict",) if "predict" in names else names


def _of_split(data: Any) -> dict[str, Any]:
    table = data if isinstance(data, dict) else {}
    names, rows = table.get("columns"), table.get("data")
    if not isinstance(names, list) or not isinstance(rows, list) or not _even(rows, len(names)):
        raise InputError("dataframe_split is not a table; expected columns, and data with as many values in every row")
    return {str(name): [row[place] for row in rows] for place, name in enumerate(names)}


def _even(rows: Sequence[Any], width: int) -> bool:
    return all(isinstance(row, list) and len(row) == width for row in rows)


def _of_records(rows: Sequence[Mapping[str, Any]], specs: Sequence[TensorSpec]) -> dict[str, Any]:
    return {spec.name: [row.get(spec.name) for row in rows] for spec in specs if any(spec.name in row for row in rows)}


def _of_rows(data: Any, specs: Sequence[TensorSpec], limit: int) -> Arrays:
    """Read rows without names: the only input itself, or the columns of a table in their order."""
    if len(specs) == 1 and not specs[0].is_column:
        return {specs[0].name: _array(data, specs[0], limit)}
    if len(specs) == 1 and isinstance(data, list) and not any(isinstance(row, list) for row in data):
        return {specs[0].name: _array(data, specs[0], limit)}
    if not all(spec.is_column for spec in specs) or not isinstance(data, list) or not _even(data, len(specs)):
        raise InputError(
            f"the rows do not fit; expected a list of rows with {len(specs)} values each, or named columns"
        )
    return _fit({spec.name: [row[place] for row in data] for place, spec in enumerate(specs)}, specs, limit)


def _fit(columns: Mapping[str, Any], specs: Sequence[TensorSpec], limit: int) -> Arrays:
    missing = [spec.name for spec in specs if spec.name not in columns]
    if missing:
        raise InputError(f"the request lacks {', '.join(missing)}; the model takes: {', '.join(s.name for s in specs)}")
    found = {spec.name: _array(columns[spec.name], spec, limit) for spec in specs}
    if len({len(array) for array in found.values()}) > 1:
        raise InputError("the columns have different numbers of rows")
    return found


def _array(values: Any, spec: TensorSpec, limit: int) -> np.ndarray:
    shape = _shape(values)
    tensors.check_shape(spec.name, spec.datatype, shape, limit)
    array = tensors.from_json(spec.name, spec.datatype, shape, msgspec.Raw(_encode(values)))
    return arrays.to_spec(array, spec)


def _shape(values: Any) -> list[int]:
    shape = []
    while isinstance(values, list):
        shape.append(len(values))
        values = values[0] if values else None
    return shape


def _typed(values: Sequence[str], name: str, specs: Sequence[TensorSpec]) -> list[Any]:
    datatype = next((spec.datatype for spec in specs if spec.name == name), "BYTES")
    if datatype == "BYTES":
        return list(values)
    try:
        if datatype == "BOOL":
            return [_TRUE[value.strip().lower()] for value in values]
        if DATATYPES[datatype].startswith("float"):
            return [float(value) if value.strip() else None for value in values]
        return [int(value) for value in values]
    except (KeyError, ValueError):
        raise InputError(f"the values of column {name!r} are not {datatype}") from None
