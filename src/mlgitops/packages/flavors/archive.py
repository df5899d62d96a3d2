"""skops archives whose bytes follow from their content alone.

skops names members and nodes after memory addresses and random numbers and stamps
its zip with the time. Here nodes are numbered in the order of the schema, and only
where one object appears at several places; the members are packed as ``zips`` does.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections import Counter
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from mlgitops.packages.flavors import zips

_SCHEMA: Final = "schema.json"

# Nodes of values that cannot change: whether two of them are one object means nothing.
_VALUES: Final = {"JsonNode", "TypeNode"}


def normalise(data: bytes) -> bytes:
    """Return a skops archive with the same content and no trace of when and where it was written."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        schema = json.loads(archive.read(_SCHEMA))
        shared = _Shared(schema)
        schema = shared.rewrite(schema)
        members = {new: _content(archive.read(old), new) for old, new in shared.files.items()}
    members[_SCHEMA] = json.dumps(schema, separators=(",", ":"), ensure_ascii=False).encode()
    return zips.packed(members)


def _is_node(value: Any) -> bool:
    # The mapping inside a dictionary's node has keys of the user's; their values are never text.
    return isinstance(value, dict) and isinstance(value.get("__loader__"), str)


class _Shared:
    """Numbers for the nodes that appear at several places, and names for the files they refer to."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.files: dict[str, str] = {}
        self._numbers: dict[int, int] = {}
        self._seen: Counter[int | None] = Counter()
        self._count(schema)

    def _count(self, value: Any) -> None:
        if _is_node(value) and value["__loader__"] not in _VALUES:
            self._seen[value.get("__id__")] += 1
        for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            self._count(child)

    def rewrite(self, value: Any) -> Any:
        """Return a part of the schema in its new words."""
        if isinstance(value, list):
            return [self.rewrite(child) for child in value]
        if not isinstance(value, dict):
            return value
        if not _is_node(value):
            return {name: self.rewrite(child) for name, child in value.items()}
        node = {name: self.rewrite(child) for name, child in value.items() if name != "__id__"}
        if isinstance(value.get("file"), str):
            suffix = PurePosixPath(value["file"]).suffix
            node["file"] = self.files.setdefault(value["file"], f"{len(self.files)}{suffix}")
        if value["__loader__"] == "SetNode":
            node["content"] = _sorted(node["content"])
        if value["__loader__"] not in _VALUES and self._seen[value.get("__id__")] > 1:
            node["__id__"] = self._numbers.setdefault(value["__id__"], len(self._numbers) + 1)
        return node


def _sorted(elements: Any) -> Any:
    # The order of a set of strings is another one in every process.
    simple = isinstance(elements, list) and all(_is_node(e) and e["__loader__"] in _VALUES for e in elements)
    return sorted(elements, key=json.dumps) if simple else elements


def _content(data: bytes, name: str) -> bytes:
    """Return a member's content, without the stray memory between the fields of structured arrays."""
    if not name.endswith(".npy"):
        return data
    array = np.load(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)  # zeros_like leaves what lies between the fields as it was
    for field in array.dtype.names:
        clean[field] = array[field]
    buffer = io.BytesIO()
    np.save(buffer, clean, allow_pickle=False)
    return buffer.getvalue()
