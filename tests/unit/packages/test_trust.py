from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import FunctionTransformer

from mlgitops import digest, packages
from mlgitops.errors import InputError
from mlgitops.packages.flavors import skops
from unit.packages import all_estimators

pytestmark = pytest.mark.slow

# Public estimators that need an argument that scikit-learn's own tests do not make up.
NOT_FITTED = {"FrozenEstimator", "KernelCenterer", "SparseCoder"}


class Doubler(RegressorMixin, BaseEstimator):
    """An estimator of a user's."""

    def fit(self, x: Any, y: Any = None) -> Doubler:
        self.n_features_in_ = np.asarray(x).shape[1]
        return self

    def predict(self, x: Any) -> Any:
        return np.asarray(x)[:, 0] * 2


OWN = f"{Doubler.__module__}.Doubler"


def test_every_public_estimator_of_scikit_learn_is_covered_by_the_list() -> None:
    beyond = {}
    for name, instances in all_estimators.fitted():
        assert instances or name in NOT_FITTED, f"{name} could not be fitted"
        needed = all_estimators.needed_types(instances) - skops.shipped_types()
        if needed:
            beyond[name] = needed
    assert beyond == {}
    assert all_estimators.public_types() <= skops.shipped_types()


@pytest.mark.parametrize("name", ["builtins.eval", "os.system", "operator.methodcaller", "builtins.getattr"])
def test_the_list_names_nothing_that_runs_code(name: str) -> None:
    assert name not in skops.shipped_types()
    assert all(entry.split(".")[0] in {"sklearn", "numpy", "scipy"} for entry in skops.shipped_types())


def test_a_random_forest_needs_no_further_trust(iris: Any, folder: Path) -> None:
    package = packages.save(RandomForestClassifier(3).fit(*iris), folder)
    assert package.required_types == ()
    packages.load(folder)


def test_a_type_of_ones_own_is_refused_with_the_line_for_the_policy(iris: Any, folder: Path) -> None:
    with pytest.raises(InputError) as refused:
        packages.save(Doubler().fit(iris[0]), folder)
    assert f"spec.formats.trustedTypes: [{OWN}]" in str(refused.value)


def test_a_trusted_type_is_recorded_and_asked_for_again_when_loading(iris: Any, folder: Path) -> None:
    package = packages.save(Doubler().fit(iris[0]), folder, input_example=iris[0], trusted_types=[OWN])
    assert package.required_types == (OWN,)
    with pytest.raises(InputError, match="types that are not trusted"):
        packages.load(folder)
    model = packages.load(folder, trusted_types=[OWN])
    assert model.infer({"input": iris[0][:1]})["predict"].tolist() == [10.2]


def test_a_function_in_a_pipeline_is_a_type_to_be_trusted_too(iris: Any, folder: Path) -> None:
    model = FunctionTransformer(np.cumsum).fit(iris[0])
    with pytest.raises(InputError, match=r"spec\.formats\.trustedTypes: \["):
        packages.save(model, folder, input_example=iris[0])


def test_a_package_that_names_a_dangerous_type_is_refused_before_anything_is_made(
    classifier: Any, folder: Path, tmp_path: Path
) -> None:
    packages.save(classifier, folder)
    proof = tmp_path / "proof"
    schema = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "content": {"module_path": "os", "function": "system"},
        "protocol": 2,
        "argument": f"touch {proof}",
    }
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    digest.seal(folder)
    with pytest.raises(InputError):
        packages.load(folder)
    assert not proof.exists()


def test_a_pickle_is_never_read(classifier: Any, folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "proof",))

    packages.save(classifier, folder)
    (folder / "model.skops").write_bytes(pickle.dumps(Evil()))
    digest.seal(folder)
    with pytest.raises(InputError, match="cannot be read"):
        packages.load(folder)
    assert not (tmp_path / "proof").exists()


def test_arrays_with_pickled_objects_are_refused(classifier: Any, folder: Path) -> None:
    packages.save(classifier, folder)
    pickled = io.BytesIO()
    np.save(pickled, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(folder / "model.skops") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[next(name for name in members if name.endswith(".npy"))] = pickled.getvalue()
    with zipfile.ZipFile(folder / "model.skops", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    digest.seal(folder)
    with pytest.raises(InputError, match="cannot be"):
        packages.load(folder)
