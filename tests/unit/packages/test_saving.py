from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression

from mlgitops import digest, packages
from mlgitops.errors import InputError

pytestmark = pytest.mark.slow

SAVE_A_FOREST = """
import sys
from pathlib import Path
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from mlgitops import packages
model = RandomForestClassifier(5, random_state=0, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
model.fit(*load_iris(return_X_y=True))
print(packages.save(model, Path(sys.argv[1])).digest)
"""


def test_saving_one_estimator_twice_gives_one_digest(classifier: Any, iris: Any, tmp_path: Path) -> None:
    first = packages.save(classifier, tmp_path / "a", input_example=iris[0])
    second = packages.save(classifier, tmp_path / "b", input_example=iris[0])
    assert first.digest == second.digest


@pytest.mark.parametrize("kind", [RandomForestClassifier, GradientBoostingClassifier])
def test_training_twice_with_one_seed_gives_one_digest(kind: Any, iris: Any, tmp_path: Path) -> None:
    models = [kind(n_estimators=5, random_state=0).fit(*iris) for _ in range(2)]
    digests = {packages.save(model, tmp_path / str(index)).digest for index, model in enumerate(models)}
    assert len(digests) == 1


def test_another_process_gives_the_same_digest(tmp_path: Path) -> None:
    digests = set()
    for seed in ("1", "2"):
        command = [sys.executable, "-c", SAVE_A_FOREST, str(tmp_path / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        digests.add(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)
    assert len(digests) == 1


def test_another_estimator_gives_another_digest(classifier: Any, iris: Any, tmp_path: Path) -> None:
    other = LogisticRegression(max_iter=1000, C=0.5).fit(*iris)
    first = packages.save(classifier, tmp_path / "a")
    assert packages.save(other, tmp_path / "b").digest != first.digest


def test_a_package_is_sealed_by_its_manifest(classifier: Any, folder: Path) -> None:
    package = packages.save(classifier, folder)
    manifest = digest.verify(folder, package.digest)
    assert {entry.path for entry in manifest.files} == {"MLmodel", "model.skops", "requirements.txt"}
    assert package.size == sum(path.stat().st_size for path in folder.iterdir() if path.name != digest.MANIFEST)


def test_inspect_says_what_save_said(classifier: Any, iris: Any, folder: Path) -> None:
    assert packages.save(classifier, folder, input_example=iris[0]) == packages.inspect(folder)


def test_requirements_name_exact_versions(classifier: Any, folder: Path) -> None:
    package = packages.save(classifier, folder)
    lines = (folder / "requirements.txt").read_text().splitlines()
    assert f"scikit-learn=={version('scikit-learn')}" in lines
    assert package.packages["scikit-learn"] == version("scikit-learn")
    assert package.requirements_digest == digest.of_file(folder / "requirements.txt")


def test_mlflow_finds_its_keys_in_the_mlmodel_file(classifier: Any, flowers: Any, folder: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(*flowers)
    packages.save(model, folder, input_example=flowers[0])
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert described["flavors"]["sklearn"]["pickled_model"] == "model.skops"
    assert described["flavors"]["sklearn"]["serialization_format"] == "skops"
    assert described["flavors"]["python_function"]["loader_module"] == "mlflow.sklearn"
    columns = json.loads(described["signature"]["inputs"])
    assert columns[0] == {"type": "double", "name": "sepal_length", "required": True}
    assert described["saved_input_example_info"]["artifact_path"] == "input_example.json"


def test_the_mlmodel_file_names_no_time_and_no_run(classifier: Any, folder: Path) -> None:
    packages.save(classifier, folder)
    described = yaml.safe_load((folder / "MLmodel").read_text())
    assert set(described) == {"flavors", "signature"}


def test_only_a_few_rows_of_the_example_are_kept(classifier: Any, iris: Any, folder: Path) -> None:
    packages.save(classifier, folder, input_example=iris[0])
    kept = json.loads((folder / "input_example.json").read_text())
    assert kept == {"inputs": iris[0][:5].tolist()}


def test_an_example_with_nan_is_kept_as_json(folder: Path) -> None:
    rows = np.array([[1.0, np.nan], [2.0, 3.0]])
    from sklearn.ensemble import HistGradientBoostingRegressor

    packages.save(HistGradientBoostingRegressor().fit(rows, [1.0, 2.0]), folder, input_example=rows)
    assert json.loads((folder / "input_example.json").read_text()) == {"inputs": [[1.0, None], [2.0, 3.0]]}


def test_a_folder_with_something_in_it_is_refused(classifier: Any, folder: Path) -> None:
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        packages.save(classifier, folder)


def test_an_object_that_is_no_model_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(InputError, match=r"builtins\.dict cannot be saved; expected a scikit-learn estimator"):
        packages.save({"weights": []}, folder)


def test_an_unknown_format_is_refused_with_the_known_ones(classifier: Any, folder: Path) -> None:
    with pytest.raises(InputError, match="'pickle' is unknown; known: skops, onnx, xgboost, lightgbm, catboost"):
        packages.save(classifier, folder, format="pickle")


def test_an_estimator_that_is_not_fitted_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="LinearRegression does not say what it takes; fit it"):
        packages.save(LinearRegression(), folder)


def test_an_example_that_the_model_cannot_predict_is_refused(classifier: Any, iris: Any, folder: Path) -> None:
    with pytest.raises(InputError, match="LogisticRegression cannot predict the input example"):
        packages.save(classifier, folder, input_example=iris[0][:, :2])
