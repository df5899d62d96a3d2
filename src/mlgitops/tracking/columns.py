"""The digest of a table of Arrow, column by column, whatever pieces it lies in.

It covers each column's name, type, where it is empty, and its values. Texts of any of Arrow's
layouts are alike, and so are texts that are and are not kept by a dictionary. What lies below an
empty cell does not count.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from typing import Any

from mlgitops import digest as digests
from mlgitops.errors import InputError

_PIECE = 1 << 16  # rows of nested values that are Python objects at a time


def of_table(table: Any) -> str:
    """Return the digest of a table or record batch of Arrow."""
    names = [str(name) for name in table.schema.names]
    return digests.of_json({"columns": [[name, of_column(table.column(place))] for place, name in enumerate(names)]})


def of_polars(frame: Any) -> str:
    """Return the digest of a frame of polars, which is that of the same table of Arrow.

    Raises:
        InputError: pyarrow is not installed.
    """
    try:
        return of_table(frame.to_arrow())
    except ImportError as error:
        raise InputError("the digest of a frame of polars needs pyarrow; run: pip install pyarrow") from error


def of_column(column: Any) -> str:
    """Return the digest of a column: of its type, its empty cells and its values."""
    arrow: Any = sys.modules["pyarrow"]
    kind, empty, sizes, content = "", hashlib.sha256(), hashlib.sha256(), hashlib.sha256()
    pieces = column.chunks if hasattr(column, "chunks") else [column]
    for piece in pieces or [arrow.nulls(0, column.type)]:
        decoded = piece.dictionary_decode() if arrow.types.is_dictionary(piece.type) else piece
        kind = _kind(decoded.type, arrow)
        empty.update(decoded.is_null().to_numpy(zero_copy_only=False).astype("uint8").tobytes())
        for size, data in _content(decoded, kind, arrow):
            sizes.update(size)
            content.update(data)
    parts = [digest.hexdigest() for digest in (empty, sizes, content)]
    return digests.of_json({"type": kind, "rows": len(column), "parts": parts})


def _kind(found: Any, arrow: Any) -> str:
    """Return a type's name, the same for all layouts of text and of bytes."""
    types = arrow.types
    if types.is_string(found) or types.is_large_string(found) or str(found) == "string_view":
        return "string"
    if types.is_binary(found) or types.is_large_binary(found) or str(found) == "binary_view":
        return "binary"
    return str(found)


def _content(piece: Any, kind: str, arrow: Any) -> Iterator[tuple[bytes, Any]]:
    """Yield the sizes and the bytes of a piece's values."""
    types = arrow.types
    if kind in ("string", "binary"):
        yield _texts(piece.cast(arrow.large_string() if kind == "string" else arrow.large_binary()), arrow)
    elif types.is_boolean(piece.type) or types.is_integer(piece.type) or types.is_floating(piece.type):
        yield b"", _numbers(piece)
    elif types.is_temporal(piece.type) and piece.type.bit_width in (32, 64):
        yield b"", _numbers(piece.view(arrow.int32() if piece.type.bit_width == 32 else arrow.int64()))
    else:
        for start in range(0, len(piece), _PIECE):
            for value in piece.slice(start, _PIECE).to_pylist():
                text = repr(value).encode("utf-8", "surrogatepass")
                yield len(text).to_bytes(8, "little"), text


def _numbers(piece: Any) -> bytes:
    filled = piece.fill_null(False if str(piece.type) == "bool" else 0) if piece.null_count else piece
    array = filled.to_numpy(zero_copy_only=False)
    return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def _texts(piece: Any, arrow: Any) -> tuple[bytes, Any]:
    """Return the lengths of texts, and their bytes side by side."""
    numpy: Any = sys.modules["numpy"]
    filled = piece.fill_null("" if arrow.types.is_large_string(piece.type) else b"") if piece.null_count else piece
    _, places, data = filled.buffers()
    if places is None or not len(filled):
        return b"", b""
    offsets = numpy.frombuffer(places, "int64")[filled.offset : filled.offset + len(filled) + 1]
    lengths = numpy.diff(offsets).astype("<i8").tobytes()
    return lengths, memoryview(data)[offsets[0] : offsets[-1]] if data is not None else b""
