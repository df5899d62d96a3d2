"""Digests of data in memory: equal content has one digest in every process and on every machine.

An array's covers its type, shape and elements in C order, little-endian; a tensor's is its array's. A frame of
pandas: its columns' names, types and values, its index, what both are called, and the order of categories, by which
models know them. A table of Arrow or polars: see ``columns``. A sparse matrix: its sorted entries. A collection:
its members, in order, those of a mapping by name and those of a set in no order; a name that is no text is not its
text: ``1`` is not ``"1"``. A data set with a length whose rows are asked for by number, as PyTorch's and Hugging
Face's: its rows in order, one at a time. Different kinds of containers have different digests though they hold the
same numbers.

Libraries are looked up and never imported: one that was never imported has made no object.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from mlgitops import digest as digests
from mlgitops.errors import InputError
from mlgitops.tracking import columns


def of_value(data: object) -> str:
    """Return the digest of data in memory.

    Raises:
        InputError: data of this kind has no digest yet.
    """
    if isinstance(data, Mapping):
        return _of_mapping(data)
    if isinstance(data, tuple | list):
        return digests.of_json([of_value(value) for value in data])
    if isinstance(data, set | frozenset):
        return digests.of_json({"set": sorted(of_value(value) for value in data)})
    if data is None or isinstance(data, str | bytes | bool | int | float):
        return digests.of_bytes(repr(data).encode("utf-8", "surrogatepass"))
    numpy, pandas = sys.modules.get("numpy"), sys.modules.get("pandas")
    if pandas is not None and isinstance(data, pandas.DataFrame | pandas.Series | pandas.Index):
        return _of_pandas(data, pandas)
    if numpy is not None and isinstance(data, numpy.ndarray | numpy.generic):
        return _of_array(data, numpy)
    for kind, digest in _DUCKS:
        if _offers(type(data), kind):  # asking the object itself may compute something
            return digest(data)
    raise InputError(
        f"a {type(data).__module__}.{type(data).__qualname__} has no digest yet; "
        "log the file it came from, or an array, frame or table of it"
    )


def _of_mapping(data: Mapping[Any, Any]) -> str:
    if all(isinstance(key, str) for key in data):
        return digests.of_json({str(key): of_value(value) for key, value in data.items()})
    members = sorted([*_name(key), of_value(value)] for key, value in data.items())
    return digests.of_json({"members": members})


def _name(key: object) -> list[str]:
    """Return a name's kind and digest, or text; a number of numpy is that number."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(key, numpy.generic):
        key = key.item()
    try:
        return [type(key).__name__, of_value(key)]
    except InputError:  # a date, for one
        return [type(key).__name__, str(key)]


def _label(name: object) -> object:
    """Return what a column is called, as JSON has it; texts, which most are, as they are."""
    return name if name is None or isinstance(name, str) else _name(name)


def _labels(index: Any) -> dict[str, object]:
    """Return what an index, or each level of it, is called, nothing when it has no name."""
    named = any(name is not None for name in index.names)
    return {"called": [_label(name) for name in index.names]} if named else {}


def _of_array(data: Any, numpy: Any) -> str:
    if isinstance(data, numpy.ma.MaskedArray):
        return digests.of_json({"masked": [of_value(data.filled()), of_value(numpy.ma.getmaskarray(data))]})
    array = numpy.ascontiguousarray(data)
    if array.dtype.hasobject:
        return _of_texts("object", array.shape, array.ravel())
    # Little-endian everywhere, so that a digest does not depend on the machine.
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    kind = repr(array.dtype.descr) if array.dtype.names else array.dtype.str
    header = digests.canonical_json({"dtype": kind, "shape": list(numpy.shape(data))})
    sha256 = hashlib.sha256(header + b"\n")
    sha256.update(array.view(numpy.uint8).data if array.size and array.ndim else array.tobytes())
    return f"sha256:{sha256.hexdigest()}"


def _of_pandas(data: Any, pandas: Any) -> str:
    if isinstance(data, pandas.DataFrame):
        columns = [[_label(name), _of_column(data.iloc[:, place])] for place, name in enumerate(data.columns)]
        names = {f"columns {key}": value for key, value in _labels(data.columns).items()}
        return digests.of_json({"columns": columns, "index": _of_column(data.index), **names, **_labels(data.index)})
    if isinstance(data, pandas.Series):
        content = {"values": _of_column(data), "index": _of_column(data.index)}
        return digests.of_json({"name": _label(data.name), **content, **_labels(data.index)})
    names = _labels(data)
    return digests.of_json({"values": _of_column(data), **names}) if names else _of_column(data)


def _of_column(column: Any) -> str:
    numpy = sys.modules["numpy"]
    if isinstance(column.dtype, numpy.dtype) and not column.dtype.hasobject:
        return _of_array(column.to_numpy(), numpy)
    texts = _of_texts(str(column.dtype), (len(column),), column)
    categories = getattr(column.dtype, "categories", None)
    if categories is None:
        return texts
    # Models know categories by their number.
    return digests.of_json(
        {"values": texts, "categories": _of_column(categories), "ordered": column.dtype.ordered is True}
    )


def _of_texts(kind: str, shape: Iterable[int], values: Iterable[object]) -> str:
    """Digest values of any type by their type's name and text or digest, each preceded by its length."""
    sha256 = hashlib.sha256(digests.canonical_json({"dtype": kind, "shape": list(shape)}) + b"\n")
    known: dict[type, bool] = {}  # as asking for each of a million values would take longer than digesting them
    for value in values:
        cell = type(value)
        if cell not in known:
            known[cell] = _is_its_text(cell)
        text = f"{cell.__name__}:{value if known[cell] else of_value(value)}".encode("utf-8", "surrogatepass")
        sha256.update(len(text).to_bytes(8, "little") + text)
    return f"sha256:{sha256.hexdigest()}"


def _is_its_text(kind: type) -> bool:
    """Say whether the text of a value is all of it.

    The text of an array leaves out its middle and digits of its numbers, that of a set tells its order, and one
    that is not of the type's own making tells where in memory the value lies.
    """
    if issubclass(kind, str | bytes):
        return True
    if issubclass(kind, Mapping | set | frozenset) or any(_offers(kind, names) for names, _ in _DUCKS):
        return False
    return kind.__str__ is not object.__str__ or kind.__repr__ is not object.__repr__


def _offers(kind: type, names: Iterable[str]) -> bool:
    return all(hasattr(kind, name) for name in names)


def _of_tensor(data: Any) -> str:
    tensor = data.detach().cpu()
    try:
        return of_value(tensor.numpy())
    except TypeError:  # numpy has no bfloat16; 32 bits hold it exactly
        return digests.of_json({"dtype": str(tensor.dtype), "values": of_value(tensor.float().numpy())})


def _of_sparse(data: Any) -> str:
    matrix = data.tocsr(copy=True)
    matrix.sum_duplicates()
    places = [part.astype("int64") for part in (matrix.indices, matrix.indptr)]
    return digests.of_json({"sparse": list(matrix.shape), "parts": [of_value(part) for part in (matrix.data, *places)]})


def _of_image(data: Any) -> str:
    pixels = digests.of_bytes(data.tobytes())
    return digests.of_json({"image": data.mode, "size": list(data.size), "pixels": pixels})


def _of_rows(data: Any) -> str:
    sha256 = hashlib.sha256()
    for number in range(len(data)):
        try:
            row = data[number]
        except (LookupError, TypeError) as error:
            raise InputError(f"row {number} of a {type(data).__qualname__} cannot be read: {error}") from error
        sha256.update(digests.hex_of(of_value(row)).encode())
    return digests.of_json({"rows": len(data), "digest": f"sha256:{sha256.hexdigest()}"})


# By what they offer, so that no version of a library has to be known; the more telling first.
_DUCKS = (
    (("detach", "cpu", "numpy"), _of_tensor),
    (("tocsr", "nnz"), _of_sparse),
    (("schema", "column_names", "itercolumns"), columns.of_table),  # Arrow
    (("type", "null_count", "to_pylist"), columns.of_column),
    (("to_arrow", "schema", "columns"), columns.of_polars),
    (("tobytes", "getpixel"), _of_image),  # PIL
    (("__len__", "__getitem__"), _of_rows),
)
