"""ONNX models, given as they are or made from scikit-learn estimators, and run by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from mlgitops.errors import require
from mlgitops.files import write_atomic
from mlgitops.packages.flavors.base import Opened, Written
from mlgitops.packages.flavors.onnx_session import SessionRunner, session, signature_of
from mlgitops.packages.package import Package
from mlgitops.packages.signature import Signature


def write(
    model: Any,
    file: Path,
    example: Any | None,
    signature: Signature | None,
    trusted_types: Sequence[str],  # noqa: ARG001 - the format names no types
) -> Written:
    """Write an ONNX model, or a scikit-learn estimator converted to one.

    Raises:
        InputError: it cannot be converted, or needs operators or files beyond the model itself.
        MissingExtraError: the converter is not installed.
    """
    if isinstance(model, onnx.ModelProto):
        data = model.SerializeToString(deterministic=True)
        opened = session(data, str(file))
        found = signature or signature_of(opened)
        settings = {"matrix": False, "outputs": {spec.name: spec.name for spec in found.outputs}, "classes": None}
    else:
        converted = require("mlgitops.packages.flavors.conversion", "onnx").convert(model, example, signature)
        data, found = converted.data, converted.signature
        classes = np.asarray(model.classes_).tolist() if hasattr(model, "classes_") else None
        settings = {"matrix": converted.matrix, "outputs": dict(converted.names), "classes": classes}
    write_atomic(file, data)
    flavors = {
        "onnx": {
            "data": file.name,
            "onnx_version": version("onnx"),
            "providers": ["CPUExecutionProvider"],
            "code": None,
        },
        "python_function": {"loader_module": "mlflow.onnx", "data": file.name},
    }
    return Written(found, settings, flavors)


def open_package(package: Package, trusted_types: Sequence[str]) -> Opened:  # noqa: ARG001 - the format names no types
    """Load an ONNX model.

    Raises:
        InputError: it cannot be read, or needs operators or files beyond the model itself.
    """
    opened = session(package.data.read_bytes(), str(package.data))
    settings = package.settings
    run = SessionRunner(opened, package.signature, bool(settings["matrix"]), dict(settings["outputs"]))
    classes = settings.get("classes")
    return Opened(opened, run, None if classes is None else np.asarray(classes))
