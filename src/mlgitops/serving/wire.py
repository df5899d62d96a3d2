"""What the server and its worker say to each other: frames of MessagePack over a socket pair.

Not pickle: the worker runs a model, and what it sends is read as data and nothing else.
A frame is its length in eight bytes, big-endian, and the message.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping
from typing import Final

import msgspec
import numpy as np

from mlgitops.errors import OutsideError
from mlgitops.packages.signature import DATATYPES

HEADER: Final = struct.Struct(">Q")

# Datatypes as numpy spells them, and nothing else: a dtype may name objects.
_DTYPES: Final = {name: np.dtype(name) for name in DATATYPES.values() if name != "object"}


class Tensor(msgspec.Struct, array_like=True, frozen=True):
    """An array: numpy's name of its element, its shape, and its bytes in C order or its texts."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes | list[str | None]


class Infer(msgspec.Struct, tag=True, frozen=True):
    """Server to worker: run the model on these inputs and return these outputs."""

    inputs: dict[str, Tensor]
    outputs: list[str]


class Ready(msgspec.Struct, tag=True, frozen=True):
    """Worker to server: the package is verified and loaded. ``signature`` is its JSON."""

    digest: str
    format: str
    signature: dict[str, list[dict[str, str | list[int]]]]
    seconds: float


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Worker to server: the package could not be loaded; the worker ends."""

    message: str


class Answer(msgspec.Struct, tag=True, frozen=True):
    """Worker to server: the model's outputs."""

    outputs: dict[str, Tensor]


class Refused(msgspec.Struct, tag=True, frozen=True):
    """Worker to server: the inputs do not fit the model; the message may be shown to the caller."""

    message: str


class Broken(msgspec.Struct, tag=True, frozen=True):
    """Worker to server: the model raised; ``kind`` may be shown, ``detail`` is for the log."""

    kind: str
    detail: str


Reply = Ready | Failed | Answer | Refused | Broken

_encode = msgspec.msgpack.Encoder().encode
decode_infer = msgspec.msgpack.Decoder(Infer).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode


def frame(message: Infer | Reply) -> bytes:
    """Return a message with its length before it."""
    data = _encode(message)
    return HEADER.pack(len(data)) + data


def receive(connection: socket.socket) -> bytes | None:
    """Return the next frame of a blocking socket, None at its end."""
    header = _exactly(connection, HEADER.size)
    return None if header is None else _exactly(connection, HEADER.unpack(header)[0])


def _exactly(connection: socket.socket, size: int) -> bytes | None:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        count = connection.recv_into(view[filled:])
        if count == 0:
            return None
        filled += count
    return bytes(buffer)


def pack(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """Return arrays as they travel.

    Raises:
        OutsideError: an array holds something that no V2 datatype can carry.
    """
    return {name: _pack(name, array) for name, array in arrays.items()}


def _pack(name: str, array: np.ndarray) -> Tensor:
    if array.dtype == object:
        return Tensor("object", array.shape, [_text(value) for value in array.ravel()])
    if array.dtype.name not in _DTYPES:
        raise OutsideError(f"{name} holds {array.dtype} values, which no V2 datatype can carry")
    return Tensor(array.dtype.name, array.shape, np.ascontiguousarray(array).tobytes())


def _text(value: object) -> str | None:
    if value is None:
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def unpack(tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """Return arrays as they were.

    Raises:
        OutsideError: shape, datatype and bytes do not belong together.
    """
    return {name: _unpack(name, tensor) for name, tensor in tensors.items()}


def _unpack(name: str, tensor: Tensor) -> np.ndarray:
    try:
        if isinstance(tensor.data, list):
            return np.array(tensor.data, dtype=object).reshape(tensor.shape)
        # A copy, because compiled code of models often insists on memory that it could write to.
        return np.frombuffer(tensor.data, _DTYPES[tensor.dtype]).reshape(tensor.shape).copy()
    except (ValueError, KeyError) as error:
        raise OutsideError(f"{name} is no {tensor.dtype} array of shape {tensor.shape}") from error
