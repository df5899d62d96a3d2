"""Importing scikit-learn, skops and others without what a server never uses.

Measured on two cores: 1.6 s become 1.1 s at every start of a pod. Two imports are left
out: pandas, which scikit-learn takes along when it is installed (0.25 s), and the whole of
scikit-learn, which skops walks through to learn the names of all estimators (0.25 s) and
which we do not need, because our own list has them.

Only for a process that does nothing but serve: skops trusts fewer types in it than it
says, and scikit-learn believes for good that pandas was not there while it was imported.

Keras, LightGBM and others take matplotlib along where it is installed, and it cannot be
imported where no file can be written, as in the sandbox of an evaluation.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any


def import_skops(*, pandas: bool) -> ModuleType:
    """Import the skops flavor; ``pandas`` says that the model takes data frames."""
    with contextlib.nullcontext() if pandas else hidden("pandas"):
        utils: Any = importlib.import_module("sklearn.utils")
        whole = utils.all_estimators
        utils.all_estimators = list
        try:
            return importlib.import_module("mlgitops.packages.flavors.skops")
        finally:
            utils.all_estimators = whole


@contextlib.contextmanager
def hidden(name: str) -> Iterator[None]:
    """Let imports of a package fail as if it were not installed, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    # None in sys.modules makes an import of the name fail as if it were not installed.
    sys.modules[name] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[name]
