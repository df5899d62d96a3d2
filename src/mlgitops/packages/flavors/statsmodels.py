"""Results of statsmodels, kept as a pickle: a format that is code, and loaded only where that is allowed.

statsmodels has no other form for a fitted model; a formula is Python, too. What is pickled is
a twin without the rows that it was fitted on, where it predicts the same without them. A
formula keeps the columns that it names: statsmodels reads their categories and splines from them.
"""

from __future__ import annotations

import pickle
import pickletools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import statsmodels
from statsmodels.base.model import Results
from statsmodels.base.wrapper import ResultsWrapper

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages import arrays
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner, describe
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature

_PROTOCOL: Final = 5
_ROWS: Final = 5  # of an example of our own


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - a pickle may name any type
) -> Written:
    """Write the results of a fit.

    Raises:
        InputError: it is none, is of a time series, cannot be pickled, or does not answer for the example.
    """
    _check(model)
    whole = _copy(model)
    rows = _rows(whole, example)
    kept = _without_data(whole, rows)
    found, arrangement = describe(kept, rows, signature)
    write_atomic(file, _pickled(kept))
    flavors = {
        "statsmodels": {"data": file.name, "statsmodels_version": statsmodels.__version__, "code": None},
        "python_function": {"loader_module": "mlflow.statsmodels", "data": file.name},
    }
    beside = ("pandas", *(("patsy",) if _formula(kept) else ()))
    return Written(found, {"arrangement": arrangement}, flavors, packages=beside)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - a pickle may name any type
    """Load results; this runs whatever the file says, so ``packages.load`` asks for an allowance first.

    Raises:
        InputError: it cannot be read.
    """
    try:
        native = pickle.loads(package.data.read_bytes())  # noqa: S301 - allowed by version and policy
    except Exception as error:  # a pickle may raise anything
        raise InputError(f"{package.data} cannot be read: {type(error).__name__}: {error}") from error
    return Opened(native, EstimatorRunner(native, package.signature.inputs, package.settings["arrangement"]))


def _check(model: Any) -> None:
    kind = type(model)
    if not isinstance(model, ResultsWrapper | Results):
        raise InputError(f"a {kind.__name__} is no result of a fit; pass what fit() returns")
    if type(model.model).__module__.startswith("statsmodels.tsa."):
        raise InputError(f"a {kind.__name__} forecasts from times and not from rows, which no signature can say yet")
    own = {
        argument
        for _, argument, _ in pickletools.genops(_pickled(model))
        if isinstance(argument, str) and argument.partition(" ")[0] == "__main__"
    }
    if own:
        raise InputError(f"the {kind.__name__} uses a class of a script; move it into a module that can be imported")


def _pickled(model: Any) -> bytes:
    try:
        return pickle.dumps(model, _PROTOCOL)
    except Exception as error:  # pickling may raise anything
        raise InputError(f"the {type(model).__name__} cannot be pickled: {error}") from error


def _copy(model: Any) -> Any:
    """Return a twin, so that nothing that is asked changes the user's: results keep what they were asked once."""
    try:
        return pickle.loads(_pickled(model))  # noqa: S301 - pickled by this line
    except InputError:
        raise
    except Exception as error:  # such as a name in a formula that only a script knows
        raise InputError(f"the {type(model).__name__} cannot be read back: {type(error).__name__}: {error}") from error


def _formula(result: Any) -> str:
    found = getattr(result.model, "formula", None)
    return found if isinstance(found, str) else ""


def _rows(result: Any, example: Any | None) -> Any:
    """Return an example as the result takes it, made of the rows of the fit when there is none."""
    model, formula = result.model, _formula(result)
    if formula:
        return example if example is not None else _named(model.data.frame, formula.partition("~")[2]).head(_ROWS)
    own = getattr(model.data, "orig_exog", None)
    own = model.exog if own is None else own
    if own is None:
        raise InputError(f"the {type(result).__name__} was fitted without explanatory variables; nothing can be asked")
    if example is None:
        return own.head(_ROWS) if hasattr(own, "head") else np.asarray(own)[:_ROWS]
    columns = [str(name) for name in own.columns] if hasattr(own, "columns") else []
    given = arrays.from_example(example)
    if not columns or arrays.MATRIX in given:
        return example
    missing = [name for name in columns if name not in given]
    if missing:
        raise InputError(f"the input example has no column {', '.join(missing)}; it has: {', '.join(given)}")
    return arrays.frame(given, [arrays.spec_of(name, given[name]) for name in columns])


def _named(frame: Any, formula: str) -> Any:
    """Return the columns that a formula names, as variables or in quotes."""
    words = set(re.findall(r"[^\W\d]\w*", formula)) | set(re.findall(r"[\"']([^\"']+)[\"']", formula))
    return frame[[name for name in frame.columns if str(name) in words]]


def _forget(result: Any) -> None:
    """Take out what it was asked before, as far as statsmodels keeps that in one place."""
    vars(getattr(result, "_results", result))["_cache"] = {}


def _without_data(whole: Any, rows: Any) -> Any:
    """Return a twin without what it was fitted on, or the whole when it predicts only with that."""
    try:
        expected = arrays.dense(whole.predict(rows))
        lean = _copy(whole)
        lean.remove_data()
        _forget(lean)
        if _formula(lean):
            lean.model.data.frame = _named(whole.model.data.frame, _formula(lean))
        lean = _copy(lean)
        return lean if arrays.same(arrays.dense(lean.predict(rows)), expected) else whole
    except Exception:  # some results predict from their rows
        return whole
