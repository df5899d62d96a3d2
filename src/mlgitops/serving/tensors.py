"""Tensors in requests and answers: JSON and raw bytes to arrays and back, checked before memory is taken."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import msgspec
import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages.signature import DATATYPES

_MOST_DIMENSIONS: Final = 8
_LENGTH: Final = struct.Struct("<I")


def check_shape(name: str, datatype: str, shape: Sequence[int], limit: int) -> int:
    """Return how many elements a tensor says it has.

    Raises:
        InputError: its datatype is unknown, or its size is no size, or over ``limit`` bytes.
    """
    if datatype not in DATATYPES:
        raise InputError(f"tensor {name!r} has an unknown datatype; expected one of: {', '.join(DATATYPES)}")
    if len(shape) > _MOST_DIMENSIONS or any(size < 0 for size in shape):
        raise InputError(f"tensor {name!r} has no usable shape; expected at most {_MOST_DIMENSIONS} sizes from 0")
    count = math.prod(shape)
    if count * itemsize(datatype) > limit:
        raise InputError(f"tensor {name!r} would take more than {limit} bytes")
    return count


def itemsize(datatype: str) -> int:
    """Return the bytes of an element; of a text, those of its length."""
    return _LENGTH.size if datatype == "BYTES" else np.dtype(DATATYPES[datatype]).itemsize


def from_json(name: str, datatype: str, shape: Sequence[int], data: msgspec.Raw) -> np.ndarray:
    """Return a tensor whose data is JSON, flat or nested as its shape; null is NaN, or no text.

    Raises:
        InputError: it holds values of another datatype, or another number of them.
    """
    depth = _depth(data)
    if depth not in (1, len(shape)):
        raise InputError(f"the data of tensor {name!r} is nested {depth} deep; expected a flat list, or its shape")
    try:
        values = _decoder(datatype, depth).decode(data)
        array = np.array(values, dtype=DATATYPES[datatype])
        return array.reshape(shape)
    except (msgspec.DecodeError, ValueError, OverflowError):
        raise InputError(f"the data of tensor {name!r} is not {_words(datatype, shape)}") from None


def _depth(data: msgspec.Raw) -> int:
    depth = 0
    for byte in memoryview(data):
        if byte == 0x5B:  # [
            depth += 1
        elif byte not in b" \t\r\n":
            break
    return depth


def _words(datatype: str, shape: Sequence[int]) -> str:
    return f"{math.prod(shape)} {datatype} values of the shape {list(shape)}"


@cache
def _decoder(datatype: str, depth: int) -> msgspec.json.Decoder[Any]:
    kind: Any
    if datatype == "BYTES":
        kind = str | None
    elif datatype == "BOOL":
        kind = bool
    else:
        kind = float | None if datatype.startswith("FP") else int
    for _ in range(depth):
        kind = list[kind]
    return msgspec.json.Decoder(kind)


def from_bytes(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> np.ndarray:
    """Return a tensor whose data is raw: little-endian elements, or texts with their lengths before them.

    Raises:
        InputError: the bytes are not as many as the shape needs.
    """
    if datatype == "BYTES":
        values = _texts(name, data)
        if len(values) != math.prod(shape):
            raise InputError(f"tensor {name!r} has {len(values)} texts; expected {math.prod(shape)}")
        return np.array(values, dtype=object).reshape(shape)
    expected = math.prod(shape) * itemsize(datatype)
    if len(data) != expected:
        raise InputError(f"tensor {name!r} has {len(data)} bytes; expected {expected}")
    little = np.dtype(DATATYPES[datatype]).newbyteorder("<")
    return np.frombuffer(data, little).astype(DATATYPES[datatype], copy=False).reshape(shape)


def _texts(name: str, data: memoryview) -> list[str]:
    values, place = [], 0
    while place < len(data):
        if place + _LENGTH.size > len(data):
            raise InputError(f"tensor {name!r} ends within a length")
        (length,) = _LENGTH.unpack_from(data, place)
        place += _LENGTH.size
        if place + length > len(data):
            raise InputError(f"tensor {name!r} ends within a text")
        values.append(bytes(data[place : place + length]).decode("utf-8", "replace"))
        place += length
    return values


def to_json(array: np.ndarray) -> list[Any]:
    """Return an array's values in C order; NaN and infinities become null."""
    values: list[Any] = array.ravel().tolist()
    return values


def to_bytes(array: np.ndarray) -> bytes:
    """Return an array's values as the binary extension has them."""
    if array.dtype == object:
        texts = [("" if value is None else str(value)).encode() for value in array.ravel()]
        return b"".join(_LENGTH.pack(len(text)) + text for text in texts)
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
