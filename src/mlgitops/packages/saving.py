"""From a model in memory to a package on disk."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml

from mlgitops import digest
from mlgitops.errors import InputError
from mlgitops.files import write_atomic
from mlgitops.packages.flavors.base import Written
from mlgitops.packages.formats import FORMATS, choose
from mlgitops.packages.loading import flavor
from mlgitops.packages.package import EXAMPLE, FLAVOR, MLMODEL, REQUIREMENTS, Package, inspect
from mlgitops.packages.signature import Signature

if TYPE_CHECKING:
    import numpy as np

# Enough to see what a request looks like; the data set itself stays where it is.
_EXAMPLE_ROWS: Final = 5


def save(
    model: Any,
    folder: Path,
    *,
    input_example: Any = None,
    signature: Signature | None = None,
    format: str | None = None,  # noqa: A002 - the word of the field
    name: str | None = None,
    trusted_types: Sequence[str] = (),
) -> Package:
    """Save a model as a package: a new folder; the same model, example and name give the same digest.

    Args:
        model: a fitted scikit-learn estimator, a model of XGBoost, LightGBM, CatBoost, Keras or PyTorch, a
            result of statsmodels, or an ONNX ``ModelProto``.
        folder: where; it must not exist or be empty.
        input_example: some rows as the model takes them: array, data frame, list, mapping of columns.
        signature: the tensors, when the example does not tell.
        format: one of ``packages.FORMATS``; chosen by the model's type when left out.
        name: what the model is called in its MLmodel file.
        trusted_types: types that a skops package may use beyond those that we ship as trusted.

    Raises:
        InputError: the model cannot be saved so, or not safely; the message says what to do.
        MissingExtraError: the format's framework is not installed.
    """
    chosen = format or choose(model)
    if chosen not in FORMATS:
        raise InputError(f"format {chosen!r} is unknown; known: {', '.join(FORMATS)}")
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty; save a package into a new folder")
    writer = flavor(chosen)
    folder.mkdir(parents=True, exist_ok=True)
    written: Written = writer.write(model, folder / FORMATS[chosen].file, input_example, signature, trusted_types)
    versions = {package: version(package) for package in (*FORMATS[chosen].packages, *written.packages)}
    example = _write_example(folder, input_example)
    requirements = "".join(f"{package}=={found}\n" for package, found in sorted(versions.items()))
    write_atomic(folder / REQUIREMENTS, requirements.encode())
    described = _describe(chosen, written, versions, name, example)
    write_atomic(folder / MLMODEL, yaml.safe_dump(described, sort_keys=True, allow_unicode=True).encode())
    digest.seal(folder)
    return inspect(folder)


def _describe(
    chosen: str, written: Written, versions: Mapping[str, str], name: str | None, example: Mapping[str, Any]
) -> dict[str, Any]:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    ours = {
        "format": chosen,
        "python": python,
        "packages": dict(versions),
        "signature": written.signature.to_json(),
        "required_types": list(written.required_types),
        "settings": dict(written.settings),
    }
    flavors = {key: dict(value) for key, value in written.mlflow.items()}
    if "python_function" in flavors:
        flavors["python_function"].update(python_version=python, env={"virtualenv": REQUIREMENTS})
    signature = {
        side: json.dumps(written.signature.to_mlflow(specs))
        for side, specs in (("inputs", written.signature.inputs), ("outputs", written.signature.outputs))
    }
    return {
        "flavors": {**flavors, FLAVOR: ours},
        "signature": {**signature, "params": None},
        **({"name": name} if name else {}),
        **({"saved_input_example_info": dict(example)} if example else {}),
    }


def _write_example(folder: Path, example: Any) -> dict[str, Any]:
    """Write the first rows as MLflow's scoring takes them, and return how to find and read them."""
    if example is None:
        return {}
    from mlgitops.packages import arrays

    rows = arrays.head(arrays.from_example(example), _EXAMPLE_ROWS)
    if set(rows) == {arrays.MATRIX}:
        content: dict[str, Any] = {"inputs": _plain(rows[arrays.MATRIX])}
        kind = {"type": "ndarray", "format": "tf-serving"}
    else:
        columns = [_plain(column) for column in rows.values()]
        content = {"columns": list(rows), "data": [list(row) for row in zip(*columns, strict=True)]}
        kind = {"type": "dataframe", "pandas_orient": "split"}
    write_atomic(folder / EXAMPLE, digest.canonical_json(content) + b"\n")
    return {"artifact_path": EXAMPLE, **kind}


def _plain(array: np.ndarray) -> Any:
    """Return an array as JSON can carry it: numbers that are none become null."""
    return _without_nan(array.tolist())


def _without_nan(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_nan(entry) for entry in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
