"""What the random generators of this process were seeded with, as far as they tell.

Python's own generator does not tell; ``PYTHONHASHSEED`` is what it reads of a seed. NumPy's
global generator shows its seed until it has drawn; PyTorch and TensorFlow remember theirs.
Nothing is imported: a library that nobody imported has drawn nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.run import Run

_UNSEEDED = 0x80000000  # the first word of a Mersenne Twister that was not seeded by one number
_UNTOUCHED = 624  # its position before the first draw


def log(run: Run) -> None:
    """Write the seeds that can be seen, by library; a library that fails costs its own seed and is told."""
    found = {}
    for name, look in (("python_hash", _hash), ("numpy", _numpy), ("torch", _torch), ("tensorflow", _tensorflow)):
        try:
            seed = look()
        except (AttributeError, LookupError, TypeError, ValueError):
            continue  # a version that tells it in another way, or that is still being imported
        except Exception as error:
            run.failed("seed", error, name)
            continue
        if seed is not None:
            found[name] = seed
    run.log_seeds(found)


def _hash() -> int | None:
    text = os.environ.get("PYTHONHASHSEED", "")
    return int(text) if text.isdigit() else None


def _numpy() -> int | None:
    if "numpy.random" not in sys.modules:
        return None
    state: Any = sys.modules["numpy.random"].get_state(legacy=False)
    if state["bit_generator"] != "MT19937" or state["state"]["pos"] != _UNTOUCHED:
        return None
    first = int(state["state"]["key"][0])
    return None if first == _UNSEEDED else first


def _torch() -> int | None:
    torch: Any = sys.modules.get("torch")
    return None if torch is None else int(torch.initial_seed())


def _tensorflow() -> int | None:
    context: Any = sys.modules.get("tensorflow.python.eager.context")
    seed = None if context is None else context.global_seed()
    return None if seed is None else int(seed)
