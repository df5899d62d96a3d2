"""Which data a run used: a digest of its full content, whatever it lies in.

Files and folders have the digests of ``mlgitops.digest``. An array's covers its type,
shape and elements in C order; a frame's covers its columns' names, types and values and its
index; a collection's covers those of its members. Equal content has one digest in every
process and on every machine.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlgitops import digest as digests
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking.records import Dataset


def describe(data: object, name: str | None, context: str | None) -> tuple[Dataset, dict[str, Any]]:
    """Return a data set as the record has it, and its line; see ``Run.log_dataset``."""
    uri = None
    if isinstance(data, str | os.PathLike):
        path = Path(data)
        if "://" in str(data):
            raise InputError(f"{data} is not on this machine; download it and log the file, so that it can be digested")
        found, rows, uri = of_path(path), None, path.absolute().as_uri()
        name = name or path.name
    else:
        found, rows = of_value(data), _rows(data)
    dataset = Dataset(name or "data", found, context, uri, rows)
    line = {"name": dataset.name, "digest": found, "context": context, "uri": uri, "rows": rows}
    return dataset, {key: value for key, value in line.items() if value is not None}


def of_path(path: Path) -> str:
    """Return the digest of a file, or of a folder (of its manifest).

    Raises:
        NotFoundError: there is nothing.
    """
    if path.is_dir():
        return digests.Manifest.of_folder(path).digest
    if not path.is_file():
        raise NotFoundError(f"{path} does not exist; log_dataset takes a file, a folder or data")
    return digests.of_file(path)


def of_value(data: object) -> str:
    """Return the digest of data in memory.

    Raises:
        InputError: data of this kind has no digest yet.
    """
    if isinstance(data, Mapping):
        return digests.of_json({str(key): of_value(value) for key, value in data.items()})
    if isinstance(data, tuple | list):
        return digests.of_json([of_value(value) for value in data])
    if data is None or isinstance(data, str | bool | int | float):
        return digests.of_bytes(repr(data).encode("utf-8", "surrogatepass"))
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    # A module that was never imported has made no object.
    if pandas is not None and isinstance(data, pandas.DataFrame | pandas.Series | pandas.Index):
        return _of_pandas(data, pandas)
    if numpy is not None and isinstance(data, numpy.ndarray | numpy.generic):
        return _of_array(data, numpy)
    raise InputError(
        f"a {type(data).__module__}.{type(data).__qualname__} has no digest yet; "
        "log the file it came from, or a numpy array or pandas frame of it"
    )


def _of_array(data: Any, numpy: Any) -> str:
    array = numpy.ascontiguousarray(data)
    if array.dtype.hasobject:
        return _of_texts("object", array.shape, array.ravel())
    # Little-endian everywhere, so that a digest does not depend on the machine.
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    header = digests.canonical_json({"dtype": array.dtype.str, "shape": list(numpy.shape(data))})
    sha256 = hashlib.sha256(header + b"\n")
    sha256.update(array.view(numpy.uint8).data if array.size and array.ndim else array.tobytes())
    return f"sha256:{sha256.hexdigest()}"


def _of_pandas(data: Any, pandas: Any) -> str:
    if isinstance(data, pandas.DataFrame):
        columns = [[str(name), _of_column(data.iloc[:, place])] for place, name in enumerate(data.columns)]
        return digests.of_json({"columns": columns, "index": _of_column(data.index)})
    if isinstance(data, pandas.Series):
        return digests.of_json({"name": str(data.name), "values": _of_column(data), "index": _of_column(data.index)})
    return _of_column(data)


def _of_column(column: Any) -> str:
    numpy = sys.modules["numpy"]
    if isinstance(column.dtype, numpy.dtype) and not column.dtype.hasobject:
        return _of_array(column.to_numpy(), numpy)
    return _of_texts(str(column.dtype), (len(column),), column)


def _of_texts(kind: str, shape: Iterable[int], values: Iterable[object]) -> str:
    """Digest values of any type by their type's name and text, each preceded by its length."""
    sha256 = hashlib.sha256(digests.canonical_json({"dtype": kind, "shape": list(shape)}) + b"\n")
    for value in values:
        text = f"{type(value).__name__}:{value}".encode("utf-8", "surrogatepass")
        sha256.update(len(text).to_bytes(8, "little") + text)
    return f"sha256:{sha256.hexdigest()}"


def _rows(data: object) -> int | None:
    """Return how many rows data has: those of its first array or frame."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if isinstance(data, tuple | list):
        return _rows(data[0]) if data and hasattr(data[0], "shape") else len(data)
    shape = getattr(data, "shape", ())
    return int(shape[0]) if shape else None
