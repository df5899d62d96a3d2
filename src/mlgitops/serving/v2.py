"""The Open Inference Protocol V2 over REST, with its binary tensor extension.

https://github.com/kserve/open-inference-protocol (specification/protocol/inference_rest.md),
and for raw tensors extension_binary_data.md of the Triton server's protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.signature import Signature, TensorSpec
from mlgitops.serving import tensors
from mlgitops.serving.batches import Arrays

# Says how many bytes of a body are JSON; the rest are raw tensors.
HEADER_LENGTH: Final = "Inference-Header-Content-Length"


class _Input(msgspec.Struct):
    name: str
    shape: list[int]
    datatype: str
    parameters: dict[str, Any] = {}  # msgspec copies an empty default
    data: msgspec.Raw = msgspec.Raw()


class _Output(msgspec.Struct):
    name: str
    parameters: dict[str, Any] = {}


class _Request(msgspec.Struct):
    inputs: list[_Input]
    id: str = ""
    parameters: dict[str, Any] = {}
    outputs: list[_Output] = []


_decode = msgspec.json.Decoder(_Request).decode
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class InferRequest:
    """A request as it fits a model; ``binary`` are the outputs that are wanted raw."""

    id: str
    inputs: Arrays
    outputs: tuple[str, ...]
    binary: frozenset[str]


def read(body: bytes, header_length: str | None, signature: Signature, limit: int) -> InferRequest:
    """Read the body of an infer request; ``limit`` is the most bytes a tensor may take.

    Raises:
        InputError: it is not what the protocol and the signature say; the message repeats none of its values.
    """
    json, raw = _parts(body, header_length)
    try:
        request = _decode(json)
    except msgspec.ValidationError as error:
        raise InputError(f"the request is not as the V2 protocol has it: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InputError("the request is not JSON") from None
    specs = {spec.name: spec for spec in signature.inputs}
    given = [entry.name for entry in request.inputs]
    if sorted(given) != sorted(specs):
        raise InputError(f"the inputs are not the model's; expected each once: {', '.join(specs)}")
    found: Arrays = {}
    for entry in request.inputs:
        array, raw = _read_input(entry, raw, limit)
        found[entry.name] = arrays.to_spec(array, specs[entry.name])
    if len(raw):
        raise InputError(f"{len(raw)} bytes follow the last tensor")
    _check_rows(found, signature)
    ordered = {name: found[name] for name in specs}
    return InferRequest(request.id, ordered, *_wanted(request, signature.outputs))


def _check_rows(found: Arrays, signature: Signature) -> None:
    if signature.batches and len({len(array) for array in found.values()}) > 1:
        raise InputError("the inputs have different numbers of rows; every row needs a value in each")


def _parts(body: bytes, header_length: str | None) -> tuple[memoryview, memoryview]:
    view = memoryview(body)
    if header_length is None:
        return view, view[:0]
    if not (header_length.isascii() and header_length.isdigit()) or int(header_length) > len(body):
        raise InputError(f"{HEADER_LENGTH} is not a number of bytes within the body")
    return view[: int(header_length)], view[int(header_length) :]


def _read_input(entry: _Input, raw: memoryview, limit: int) -> tuple[np.ndarray, memoryview]:
    tensors.check_shape(entry.name, entry.datatype, entry.shape, limit)
    size = entry.parameters.get("binary_data_size")
    if size is None:
        if not memoryview(entry.data):
            raise InputError(f"tensor {entry.name!r} has neither data nor binary_data_size")
        return tensors.from_json(entry.name, entry.datatype, entry.shape, entry.data), raw
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(raw):
        raise InputError(f"binary_data_size of tensor {entry.name!r} is not a number of bytes within the body")
    return tensors.from_bytes(entry.name, entry.datatype, entry.shape, raw[:size]), raw[size:]


def _wanted(request: _Request, specs: Sequence[TensorSpec]) -> tuple[tuple[str, ...], frozenset[str]]:
    known = [spec.name for spec in specs]
    everything = bool(request.parameters.get("binary_data_output", False))
    if not request.outputs:
        return tuple(known), frozenset(known if everything else ())
    names = tuple(entry.name for entry in request.outputs)
    if not set(names) <= set(known) or len(set(names)) != len(names):
        raise InputError(f"the outputs are not the model's; expected some of: {', '.join(known)}")
    binary = (entry.name for entry in request.outputs if entry.parameters.get("binary_data", everything))
    return names, frozenset(binary)


def write(request: InferRequest, outputs: Arrays, head: dict[str, Any]) -> tuple[bytes, int | None]:
    """Return the body of an answer, and the length of its JSON when raw tensors follow it."""
    described, raw = [], []
    for name in request.outputs:
        array = outputs[name]
        tensor: dict[str, Any] = {"name": name, "datatype": arrays.datatype_of(array, name), "shape": array.shape}
        if name in request.binary:
            raw.append(tensors.to_bytes(array))
            tensor["parameters"] = {"binary_data_size": len(raw[-1])}
        else:
            tensor["data"] = tensors.to_json(array)
        described.append(tensor)
    json = _encode({**head, "outputs": described})
    return (json + b"".join(raw), len(json)) if raw else (json, None)
