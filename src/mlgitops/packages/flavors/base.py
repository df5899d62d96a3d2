"""What every format gives to the package around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mlgitops.packages.signature import Signature

if TYPE_CHECKING:
    import numpy as np

# Named input arrays and the wanted output names to named output arrays.
Runner = Callable[["Mapping[str, np.ndarray]", Sequence[str]], "dict[str, np.ndarray]"]


@dataclass(frozen=True, slots=True)
class Written:
    """What is to be said about a model that was just written.

    ``settings`` is what loading needs, ``mlflow`` the flavors that MLflow reads.
    """

    signature: Signature
    settings: Mapping[str, Any]
    mlflow: Mapping[str, Any]
    required_types: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Opened:
    """A model in memory: the framework's own object, how to run it, and a classifier's classes."""

    native: Any
    run: Runner
    classes: Any = field(default=None)
