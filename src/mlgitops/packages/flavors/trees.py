"""What the formats of gradient-boosted trees share: which classes a package may come from, and what a Booster answers.

A Booster is the framework's bare model; an estimator wraps one behind scikit-learn's interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from mlgitops.errors import InputError
from mlgitops.packages import arrays
from mlgitops.packages.flavors.base import Runner
from mlgitops.packages.flavors.estimators import describe
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature, TensorSpec

T = TypeVar("T")


def class_of(model: Any, known: Mapping[str, Any], format_: str) -> str:
    """Return the name of a model's class.

    Raises:
        InputError: it is none of those that the format can save; a subclass is none.
    """
    name = type(model).__name__
    if known.get(name) is not type(model):
        raise InputError(f"a {name} cannot be saved as {format_}; expected one of: {', '.join(known)}")
    return name


def named_class(package: Package, known: Mapping[str, Any]) -> str:
    """Return the class that a package names.

    Raises:
        InputError: it is none of those that the format can load.
    """
    name = str(package.settings.get("class"))
    if name not in known:
        raise InputError(f"{package.folder} names the class {name!r}; expected one of: {', '.join(known)}")
    return name


def loaded(package: Package, load: Callable[[bytes], T], refusal: type[Exception]) -> T:
    """Return what the framework makes of a package's file.

    Raises:
        InputError: the framework cannot read it.
    """
    try:
        return load(package.data.read_bytes())
    except (refusal, ValueError, TypeError) as error:
        raise InputError(f"{package.data} cannot be loaded: {str(error).splitlines()[0]}") from error


def booster_of(model: Any, look: Callable[[Any], T]) -> T:
    """Return an estimator's Booster.

    Raises:
        InputError: it is not fitted.
    """
    try:
        return look(model)
    except Exception as error:  # scikit-learn's NotFittedError, without importing scikit-learn for its name
        raise InputError(f"{type(model).__name__} is not fitted; call fit first") from error


def describe_estimator(model: Any, example: Any | None, given: Signature | None, format_: str) -> Signature:
    """Return an estimator's signature.

    Raises:
        InputError: it does not answer for the example, or takes columns that are no numbers.
    """
    found, arrangement = describe(model, example, given)
    if arrangement != "matrix":
        name = type(model).__name__
        raise InputError(f"{name} needs a data frame with categories; encode them as numbers to save it as {format_}")
    return found


def describe_booster(
    runner: Callable[[tuple[TensorSpec, ...]], Runner],
    blank: Callable[[], Mapping[str, np.ndarray]],
    example: Any | None,
    refusal: type[Exception],
) -> Signature:
    """Return a bare Booster's signature, found by asking it.

    Args:
        runner: how it is asked, given the inputs.
        blank: one row of zeros, for when there is no example.
        example: rows that it shall answer.
        refusal: what the framework raises.

    Raises:
        InputError: it does not answer for the example.
    """
    columns = blank() if example is None else arrays.from_example(example)
    inputs = tuple(arrays.spec_of(name, array) for name, array in columns.items())
    try:
        answers = runner(inputs)(columns, ("predict",))
    except (refusal, ValueError, TypeError) as error:
        raise InputError(f"the Booster cannot predict the input example: {error}") from error
    return Signature(inputs, (arrays.spec_of("predict", answers["predict"]),))
