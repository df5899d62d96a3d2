"""Requests that wait for the model, joined into batches by rows and split again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One request: inputs that fit the signature, the outputs it wants, and where its answer goes."""

    inputs: Arrays
    outputs: tuple[str, ...]
    answer: asyncio.Future[Arrays] = field(repr=False)

    @property
    def rows(self) -> int:
        """How many rows it asks for."""
        return max((len(array) for array in self.inputs.values()), default=0)

    @property
    def kind(self) -> object:
        """What two calls must have in common to be one batch: everything but the number of rows."""
        shapes = tuple((name, array.dtype.str, array.shape[1:]) for name, array in self.inputs.items())
        return self.outputs, shapes


def take(waiting: list[Call], *, rows: int, joinable: bool) -> list[Call]:
    """Remove and return what goes to the model next: the oldest call and those behind it that can join it.

    Calls whose caller has given up are dropped.
    """
    waiting[:] = [call for call in waiting if not call.answer.done()]
    if not waiting:
        return []
    batch = [waiting.pop(0)]
    total = batch[0].rows
    while joinable and waiting and waiting[0].kind == batch[0].kind and total + waiting[0].rows <= rows:
        total += waiting[0].rows
        batch.append(waiting.pop(0))
    return batch


def join(batch: Sequence[Call]) -> Arrays:
    """Return the inputs of all calls, one below the other."""
    if len(batch) == 1:
        return batch[0].inputs
    return {name: np.concatenate([call.inputs[name] for call in batch]) for name in batch[0].inputs}


def split(outputs: Mapping[str, np.ndarray], batch: Sequence[Call]) -> list[Arrays] | None:
    """Return each call's part of the answer; None when it does not have a row for every row."""
    if len(batch) == 1:
        return [dict(outputs)]
    ends = np.cumsum([call.rows for call in batch]).tolist()
    if any(len(array) != ends[-1] for array in outputs.values()):
        return None
    parts = {name: np.split(array, ends[:-1]) for name, array in outputs.items()}
    return [{name: parts[name][index] for name in parts} for index in range(len(batch))]
