"""Pictures, sound and text as the bytes of a file, by the standard library where it can.

Figures are drawn by the library that made them. Everything else needs no package: PNG and WAV
are written here from what an array says of itself.
"""

from __future__ import annotations

import io
import json
import math
import struct
import sys
import wave
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from mlgitops.errors import InputError
from mlgitops.tracking.points import from_number

_PNG_COLOURS = {1: 0, 3: 2, 4: 6}  # channels to the colour type of PNG's header (ISO/IEC 15948, 11.2.2)
_FIGURES = ("png", "svg", "pdf", "jpg", "jpeg")


@dataclass(frozen=True, slots=True)
class Encoded:
    """The content of a file, and the ending that its name gets when it has none of ``endings``."""

    data: bytes
    endings: tuple[str, ...]

    def path(self, name: str, step: int | None = None) -> str:
        """Return the file's name: with its ending, and the step before it.

        Raises:
            InputError: the name is empty.
        """
        if not PurePosixPath(name).name:
            raise InputError("the name is empty; expected one such as plots/loss")
        ending = PurePosixPath(name).suffix.removeprefix(".").lower()
        if ending in self.endings:
            name = name[: -len(ending) - 1]
        else:
            ending = self.endings[0]
        return f"{name}.{ending}" if step is None else f"{name}-step{step}.{ending}"


def text(value: str, ending: str) -> Encoded:
    """Encode a text; any ending that the name has is kept."""
    return Encoded(str(value).encode("utf-8", "surrogatepass"), (ending, *_TEXTS))


_TEXTS = ("txt", "md", "html", "htm", "csv", "tsv", "json", "jsonl", "yaml", "yml", "toml", "log", "xml", "py", "sql")


def json_text(value: object) -> Encoded:
    """Encode a value as JSON."""
    try:
        encoded = json.dumps(plain(value), indent=1, ensure_ascii=False)
    except RecursionError as error:
        raise InputError("the value contains itself, or is nested too deep for JSON") from error
    return Encoded(encoded.encode("utf-8", "surrogatepass") + b"\n", ("json",))


def plain(value: object) -> Any:
    """Return a value as JSON can write it; what it has not is text."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return from_number(value)
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    if callable(tolist := getattr(value, "tolist", None)):  # arrays and their numbers
        return plain(tolist())
    return str(value)


def figure(value: Any, name: str) -> Encoded:
    """Encode a figure of matplotlib, or whatever saves itself like one, or of plotly."""
    wanted = PurePosixPath(name).suffix.removeprefix(".").lower()
    if hasattr(value, "to_html") and hasattr(value, "to_json"):
        if wanted == "json":
            return Encoded(value.to_json().encode(), ("json",))
        # The page draws itself with the script in it: it is looked at where no network is.
        return Encoded(value.to_html(include_plotlyjs=True).encode(), ("html",))
    if not hasattr(value, "savefig"):  # an axes, or what a plot of pandas returns
        value = getattr(value, "figure", None)
    if not hasattr(value, "savefig"):
        raise InputError("log_figure takes a figure of matplotlib or plotly")
    ending = wanted if wanted in _FIGURES else "png"
    drawn = io.BytesIO()
    value.savefig(drawn, format=ending, bbox_inches="tight")
    return Encoded(drawn.getvalue(), (ending,))


def image(value: Any) -> Encoded:
    """Encode an image as PNG."""
    if hasattr(value, "save") and hasattr(value, "mode"):  # PIL
        saved = io.BytesIO()
        try:
            value.save(saved, format="PNG")
        except OSError as error:  # what PIL says of colours that PNG has not
            raise InputError(f"PNG cannot keep the image: {error}; convert it, as by image.convert('RGB')") from error
        return Encoded(saved.getvalue(), ("png",))
    array = _array(value, "log_image takes a PIL image or an array")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in _PNG_COLOURS or not array.size:
        raise InputError(
            f"an image of shape {array.shape} is none; expected height x width, or height x width x 1, 3 or 4"
        )
    if array.dtype.kind in "fb":
        array = array.astype("float64")
        if not math.isfinite(float(array.sum())):
            raise InputError("the image holds NaN or infinity; expected fractions from 0 to 1")
        array = (array.clip(0.0, 1.0) * 255.0).round()
    elif array.dtype.kind not in "iu":
        raise InputError(f"an image of {array.dtype} is none; expected whole numbers, fractions or booleans")
    return Encoded(_png(array.clip(0, 255).astype("uint8")), ("png",))


def audio(value: Any, rate: int) -> Encoded:
    """Encode sound as 16-bit WAV."""
    array = _array(value, "log_audio takes an array")
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or not 1 <= array.shape[1] <= 16 or not _is_rate(rate):
        raise InputError(
            f"sound of shape {array.shape} at {rate!r} hertz is none; expected samples, or samples x channels"
        )
    if array.dtype.kind == "f":
        if not math.isfinite(float(array.sum(dtype="float64"))):
            raise InputError("the sound holds NaN or infinity; expected fractions from -1 to 1")
        signal = (array.clip(-1.0, 1.0) * 32767.0).round()
    elif array.dtype.str[1:] in ("i1", "i2", "u1"):
        signal = array
    else:
        raise InputError(f"sound of {array.dtype} is none; expected fractions from -1 to 1, or 16-bit numbers")
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(array.shape[1])
        file.setsampwidth(2)
        file.setframerate(int(rate))
        file.writeframes(signal.astype("<i2").tobytes())
    return Encoded(written.getvalue(), ("wav",))


def _is_rate(rate: Any) -> bool:
    return (isinstance(rate, float) or hasattr(rate, "__index__")) and 1 <= rate < 1 << 31


def _array(value: Any, expected: str) -> Any:
    """Return a numpy array of something that is one or can become one (a tensor on the processor)."""
    if callable(detach := getattr(value, "detach", None)):
        value = detach().cpu()
    numpy = sys.modules.get("numpy")
    if numpy is None or not (hasattr(value, "__array__") or isinstance(value, list | tuple)):
        raise InputError(f"{expected}; a {type(value).__module__}.{type(value).__qualname__} is neither")
    return numpy.asarray(value)


def _png(array: Any) -> bytes:
    """Return an array of bytes, height x width x channels, as PNG (ISO/IEC 15948)."""
    height, width, channels = array.shape
    rows = b"".join(b"\0" + row.tobytes() for row in array)  # 0: the filter "none"
    header = struct.pack(">IIBBBBB", width, height, 8, _PNG_COLOURS[channels], 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows, 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
