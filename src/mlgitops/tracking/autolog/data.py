"""The training data of a fit: its digests, some of its rows, its first rows."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from mlgitops.errors import InputError
from mlgitops.tracking.autolog.fits import LIFT, Fit

_TEXTS_PER_SECOND = 0.5e6  # a careful guess; bytes are measured
_MEASURED_BYTES = 1 << 20
_BEFORE = 0.1  # seconds that digesting may take before a fit: half of the least budget
_EXAMPLE_ROWS = 5


class Pending:
    """Digests of a fit's data: taken before it, since a fit may overwrite its data; large data after it."""

    def __init__(self, fit: Fit, parts: Mapping[str, Any]) -> None:
        self._parts = {name: part for name, part in parts.items() if part is not None}
        self._seconds = sum(_digest_seconds(part) for part in self._parts.values())
        if not fit.options.log_datasets:
            self._parts = {}
        elif self._parts and (self._seconds <= _BEFORE or fit.options.full):
            self._log(fit)

    def after(self, fit: Fit) -> None:
        """Digest what was too large before the fit, when there is time for it now."""
        if not self._parts:
            return
        if self._seconds <= fit.budget.left:
            self._log(fit)
        else:
            fit.note("dataset", f"left out: digesting it would take about {self._seconds:.1f} s; {LIFT}")

    def _log(self, fit: Fit) -> None:
        data = self._parts.get("X") if len(self._parts) == 1 else self._parts
        self._parts = {}
        try:
            fit.run.log_dataset(_plain(data), name="training", context="training")
        except InputError as error:
            fit.note("dataset", f"left out: {error}")


def count(rows: Any) -> int | None:
    """Return how many rows data has, None when it does not tell."""
    shape = getattr(rows, "shape", None)
    if shape:
        return int(shape[0])
    try:
        return len(rows)
    except TypeError:
        return None


def take(part: Any, number: int, total: int) -> Any:
    """Return so many rows of data, spread evenly over all of it; data that is no rows stays as it is."""
    if part is None or number >= total or count(part) != total:
        return part
    places = np.linspace(0, total - 1, number).astype(np.intp)
    if hasattr(part, "iloc"):
        return part.iloc[places]
    if hasattr(part, "shape"):
        return (part.tocsr() if hasattr(part, "tocsr") else part)[places]
    return [part[place] for place in places]


def head(rows: Any) -> Any:
    """Return the first rows as an example of a model's input; None when they are of no use as one."""
    total = count(rows)
    if not total:
        return None
    if hasattr(rows, "iloc"):
        return rows.iloc[:_EXAMPLE_ROWS]
    first = (rows.tocsr() if hasattr(rows, "tocsr") else rows)[:_EXAMPLE_ROWS]
    return first.toarray() if hasattr(first, "toarray") else np.asarray(first)


def _digest_seconds(part: Any) -> float:
    size = getattr(part, "size", None)
    values = int(size) if isinstance(size, int | np.integer) else count(part) or 0
    kinds: list[Any] = list(part.dtypes) if hasattr(part, "columns") else [getattr(part, "dtype", None)]
    widths = [kind.itemsize for kind in kinds if isinstance(kind, np.dtype) and not kind.hasobject]
    if not widths or len(widths) < len(kinds):
        return values / _TEXTS_PER_SECOND
    return float(values * max(widths) / _bytes_per_second())


@functools.cache
def _bytes_per_second() -> float:
    """Return how fast this machine digests, which differs by a factor of ten."""
    content = bytes(_MEASURED_BYTES)
    began = time.perf_counter()
    hashlib.sha256(content).digest()
    return _MEASURED_BYTES / (time.perf_counter() - began)


def _plain(data: Any) -> Any:
    """Return a sparse matrix as the arrays that it consists of; all other data as it is."""
    if isinstance(data, Mapping):
        return {name: _plain(part) for name, part in data.items()}
    if hasattr(data, "tocsr"):
        matrix = data.tocsr()
        lengths = np.diff(matrix.indptr)  # first, since they are as many as there are rows
        return {"lengths": lengths, "indices": matrix.indices, "data": matrix.data, "columns": matrix.shape[1]}
    return data
