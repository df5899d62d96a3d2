"""A pickled model: to make a twin of it, to guess what saving it takes, and to give it to another process."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickled model; the content of its arrays stays where it is (protocol 5, out of band)."""

    content: bytes
    buffers: Sequence[pickle.PickleBuffer]

    @property
    def arrays(self) -> int:
        """Bytes of the arrays."""
        return sum(buffer.raw().nbytes for buffer in self.buffers)

    @property
    def size(self) -> int:
        """Bytes of everything."""
        return len(self.content) + self.arrays
