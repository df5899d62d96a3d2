"""scikit-learn estimators, kept by skops: data and names of types, never code.

A name of a type is followed only when it is on our list, reviewed and shipped, or when
the caller trusts it. The list covers every public estimator of scikit-learn.
"""

from __future__ import annotations

import functools
import importlib.resources
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from skops import io as skops_io

from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages.flavors import archive
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.estimators import EstimatorRunner, describe
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature

# What skops raises, without promising it, for an archive that somebody else made or changed.
_UNREADABLE: Final = (
    zipfile.BadZipFile,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


@functools.cache
def shipped_types() -> frozenset[str]:
    """Return the types that every package may use."""
    text = importlib.resources.files("mlgitops.packages").joinpath("trusted", "skops.txt").read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def required_types(data: bytes) -> tuple[str, ...]:
    """Return the types that an archive uses and that are neither skops' nor on our list."""
    return tuple(sorted(set(skops_io.get_untrusted_types(data=data)) - shipped_types()))


def write(
    model: Any, file: Path, example: Any | None, signature: Signature | None, trusted_types: Sequence[str]
) -> Written:
    """Write an estimator.

    Raises:
        InputError: it needs types that nobody trusts yet, cannot be written, or does not answer for the example.
    """
    found, arrangement = describe(model, example, signature)
    try:
        data = archive.normalise(skops_io.dumps(model))
    except TypeError as error:  # skops' UnsupportedTypeException is one
        raise InputError(f"{type(model).__name__} cannot be kept by skops: {error}") from error
    used = set(skops_io.get_untrusted_types(data=data))  # walks the whole archive, so once
    required = tuple(sorted(used - shipped_types()))
    _refuse(required, trusted_types, "the model")
    write_atomic(file, data)
    flavors = {
        "sklearn": {
            "pickled_model": file.name,
            "serialization_format": "skops",
            "skops_trusted_types": sorted(used),
            "sklearn_version": version("scikit-learn"),
            "code": None,
        },
        "python_function": {"loader_module": "mlflow.sklearn", "model_path": file.name, "predict_fn": "predict"},
    }
    extra = ("pandas",) if arrangement == "frame" else ()
    return Written(found, {"arrangement": arrangement}, flavors, required, extra)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:
    """Load an estimator.

    Raises:
        InputError: it uses a type that is neither on our list nor trusted by the caller.
    """
    data = package.data.read_bytes()
    try:
        _refuse(required_types(data), trusted_types, str(package.folder))
        native = skops_io.loads(data, trusted=sorted(shipped_types() | set(trusted_types)))
    except _UNREADABLE as error:
        raise InputError(f"{package.data} cannot be read: {type(error).__name__}: {error}") from error
    run = EstimatorRunner(native, package.signature.inputs, package.settings["arrangement"])
    return Opened(native, run, getattr(native, "classes_", None))


def _refuse(required: Sequence[str], trusted: Sequence[str], what: str) -> None:
    unknown = sorted(set(required) - set(trusted))
    if not unknown:
        return
    local = [name for name in unknown if name.startswith("__main__.")]
    if local:
        raise InputError(
            f"{what} uses {', '.join(local)}, defined in a script; move it into a module that can be imported"
        )
    listed = ", ".join(unknown)
    raise InputError(
        f"{what} uses types that are not trusted: {listed}. If they are yours, review them, add this line to the "
        f"PromotionPolicy, and pass trusted_types= with the same names:\n  spec.formats.trustedTypes: [{listed}]"
    )
