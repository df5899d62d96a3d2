"""Fits every public estimator of scikit-learn, and prints what skops needs to load them.

    .venv/bin/python tests/unit/packages/all_estimators.py > src/mlgitops/packages/trusted/skops.txt

Read the difference before committing it: a type belongs on the list when constructing it
and setting its attributes runs nothing but arithmetic of scikit-learn, scipy or numpy.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn._loss import loss
from sklearn.feature_selection import _univariate_selection
from sklearn.gaussian_process import kernels
from sklearn.metrics import _dist_metrics
from sklearn.model_selection import _split
from sklearn.neighbors import _ball_tree, _kd_tree
from sklearn.neural_network import _stochastic_optimizers
from sklearn.utils import all_estimators
from sklearn.utils._test_common.instance_generator import _construct_instances
from skops import io as skops_io

SCORE_FUNCTIONS = {"chi2", "f_classif", "f_oneway", "f_regression", "r_regression"}

# skops refuses it whatever is trusted.
UNSUPPORTED = {"Birch"}

HEADER = """\
# Types that every skops package may use: those that the public estimators of scikit-learn
# are made of, fitted. One fully qualified name a line. Made by
#   python tests/unit/packages/all_estimators.py
# and reviewed by hand: constructing one of them, or setting its attributes, runs nothing
# but arithmetic of scikit-learn, scipy or numpy. Tree and TreePredictor hold indices that
# are not checked when they are used; models therefore run in a process of their own.
"""


def data_sets() -> Iterator[tuple[Any, ...]]:
    """Yield arguments for fit, the commonest first."""
    random = np.random.RandomState(0)
    rows = random.uniform(size=(40, 4))
    labels = np.arange(40) % 3
    yield rows, labels
    yield rows, rows[:, 0] + 0.1
    yield rows, np.arange(40) % 2
    yield rows, np.column_stack([labels, labels])
    yield rows, np.column_stack([rows[:, 0], rows[:, 1]])
    yield rows, rows[:, :2]
    yield rows[:, 0], rows[:, 1]
    yield ((rows > 0.5).astype(int), labels)
    yield (["one text", "another text", "two texts"],)
    yield ([{"a": 1.0, "b": "x"}, {"a": 2.0}],)
    yield ([["a", 1], ["b", 2]],)
    yield (rows,)
    yield (labels,)


def fitted() -> Iterator[tuple[str, list[Any]]]:
    """Yield each public estimator's name with the instances of it that could be fitted."""
    for name, kind in all_estimators():
        if name in UNSUPPORTED:
            continue
        instances = []
        for instance in _construct_instances_or_none(kind):
            for arguments in data_sets():
                try:
                    with warnings.catch_warnings():
                        warnings.simplefilter("ignore")
                        np.random.seed(0)  # for the estimators that nobody gave a random_state
                        instances.append(instance.fit(*arguments))
                    break
                except Exception:  # not the data for this one; the next may be
                    continue
        yield name, instances


def _construct_instances_or_none(kind: type) -> list[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return list(_construct_instances(kind))
    except Exception:  # scikit-learn has no idea either how to make one
        return []


def needed_types(instances: list[Any]) -> set[str]:
    """Return the types in estimators' archives, whether skops trusts them by itself or not."""
    return {name for one in instances for name in skops_io.get_untrusted_types(data=skops_io.dumps(one))}


def public_types() -> set[str]:
    """Return the public estimators themselves: skops trusts them, our server does not ask it to."""
    return {f"{kind.__module__}.{kind.__name__}" for _, kind in all_estimators()}


def _is_arithmetic_distance(found: Any) -> bool:
    # PyFunc distances call whatever function they are given.
    name = getattr(found, "__name__", "")
    return isinstance(found, type) and name.endswith(("32", "64")) and not name.startswith("PyFunc")


def siblings() -> set[str]:
    """Return what is chosen by an argument where the fitted estimators happened to choose another."""
    families = (
        (kernels, lambda found: isinstance(found, type) and issubclass(found, kernels.Kernel)),
        (_split, lambda found: isinstance(found, type) and found.__name__ in _split.__all__),
        (_univariate_selection, lambda found: getattr(found, "__name__", "") in SCORE_FUNCTIONS),
        (_dist_metrics, _is_arithmetic_distance),
        (_kd_tree, lambda found: isinstance(found, type) and found.__name__.startswith("KDTree")),
        (_ball_tree, lambda found: isinstance(found, type) and found.__name__.startswith("BallTree")),
        (_stochastic_optimizers, lambda found: isinstance(found, type) and found.__name__.endswith("Optimizer")),
        (loss, lambda found: isinstance(found, type) and issubclass(found, loss.BaseLoss)),
    )
    found = {
        f"{value.__module__}.{value.__name__}"
        for module, belongs in families
        for value in vars(module).values()
        if getattr(value, "__module__", None) == module.__name__ and belongs(value)
    }
    # Chosen by chance, when a split of the data leaves a single class.
    found.add("sklearn.multiclass._ConstantPredictor")
    return found | {f"sklearn.feature_selection._mutual_info.mutual_info_{kind}" for kind in ("classif", "regression")}


if __name__ == "__main__":
    everything = public_types() | siblings()
    for estimator, made in fitted():
        if not made:
            print(f"not fitted: {estimator}", file=sys.stderr)
        everything |= needed_types(made)
    print(HEADER + "\n".join(sorted(everything)))
