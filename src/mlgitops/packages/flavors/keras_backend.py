"""Which of its backends Keras shall use where nobody said: one that is installed.

Keras takes TensorFlow and fails without. A model is the same with all of them.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from mlgitops.errors import InputError

# Backend → the names under which its package is installed.
BACKENDS: Final[Mapping[str, tuple[str, ...]]] = {
    "jax": ("jax",),
    "torch": ("torch",),
    "tensorflow": ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos"),
}


def choose(preferred: object = None) -> None:
    """Set ``KERAS_BACKEND`` where nobody chose a backend that is installed; before Keras is imported.

    Raises:
        InputError: no backend is installed.
    """
    if "keras" in sys.modules or "KERAS_BACKEND" in os.environ or importlib.util.find_spec("keras") is None:
        return
    installed = [name for name in BACKENDS if importlib.util.find_spec(name)]
    if not installed:
        raise InputError("Keras has no backend here; run: pip install jax (or torch, or tensorflow)")
    if _configured() not in installed:
        os.environ["KERAS_BACKEND"] = str(preferred) if preferred in installed else installed[0]


def _configured() -> object:
    """Return what Keras' configuration file says, which Keras itself writes when there is none."""
    home = Path(os.environ.get("KERAS_HOME") or Path("~/.keras").expanduser())
    try:
        return json.loads((home / "keras.json").read_bytes()).get("backend")
    except (OSError, ValueError, AttributeError):
        return None


def distribution(backend: str) -> str:
    """Return the name under which a backend's package is installed.

    Raises:
        InputError: it is none of those that can be served.
    """
    for name in BACKENDS.get(backend, ()):
        try:
            version(name)
        except PackageNotFoundError:
            continue
        return name
    raise InputError(f"Keras runs on {backend!r} here; expected one of: {', '.join(BACKENDS)}")
