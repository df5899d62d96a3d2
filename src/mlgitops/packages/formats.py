"""The one table of formats: how far each can be trusted, what it is kept in and what it needs.

Safety classes: *data* can only describe a model, *confined* may hold code that its
loader keeps in bounds, *code* runs whatever the file says and is loaded only where a
ModelVersion and the policy both allow it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from mlgitops.errors import InputError

Safety = Literal["data", "confined", "code"]


@dataclass(frozen=True, slots=True)
class Format:
    """One format: its safety class, file in the package, extra to install and packages whose versions matter.

    ``extra`` is empty for a framework that is never one of ours: its builds differ by
    machine, and the user has chosen one.
    """

    safety: Safety
    file: str
    extra: str
    packages: tuple[str, ...]


FORMATS: Final[Mapping[str, Format]] = {
    "skops": Format("data", "model.skops", "sklearn", ("scikit-learn", "skops", "numpy", "scipy")),
    "onnx": Format("data", "model.onnx", "onnx", ("onnx", "onnxruntime", "numpy")),
    "xgboost": Format("data", "model.ubj", "xgboost", ("xgboost", "numpy")),
    "lightgbm": Format("data", "model.lgb", "lightgbm", ("lightgbm", "numpy")),
    "catboost": Format("data", "model.cbm", "catboost", ("catboost", "numpy")),
    "keras": Format("confined", "model.keras", "", ("h5py", "keras", "numpy")),
    "statsmodels": Format("code", "model.pickle", "", ("numpy", "scipy", "statsmodels")),
    "torch": Format("code", "model.pt2", "", ("numpy", "torch")),
}


def choose(model: Any) -> str:
    """Return the format that fits a model, told from the packages its classes come from.

    Raises:
        InputError: none fits; the message names the type and what can be saved.
    """
    roots = {base.__module__.partition(".")[0] for base in type(model).__mro__}
    # An estimator of a boosting library inherits from scikit-learn too, which comes last.
    for root, name in (
        ("xgboost", "xgboost"),
        ("lightgbm", "lightgbm"),
        ("catboost", "catboost"),
        ("onnx", "onnx"),
        ("sklearn", "skops"),
        ("keras", "keras"),
        ("statsmodels", "statsmodels"),
        ("torch", "torch"),  # one of Keras may be a module too
    ):
        if root in roots:
            return name
    kind = f"{type(model).__module__}.{type(model).__qualname__}"
    raise InputError(
        f"a {kind} cannot be saved; expected a scikit-learn estimator, "
        "a model of XGBoost, LightGBM, CatBoost, Keras or PyTorch, a result of statsmodels, or an ONNX ModelProto"
    )
