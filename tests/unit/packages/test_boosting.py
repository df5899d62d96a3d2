"""LightGBM and CatBoost: packages answer as the models that they were saved from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest

from mlgitops import digest, packages
from mlgitops.errors import InputError

pytestmark = pytest.mark.slow

NAMES = np.array(["setosa", "versicolor", "virginica"])
QUIET = {"iterations": 4, "verbose": False, "allow_writing_files": False}


def lightgbm_model(kind: str, rows: Any, species: Any) -> Any:
    return getattr(lightgbm, kind)(n_estimators=4, min_child_samples=5, verbose=-1).fit(rows, species)


def catboost_model(kind: str, rows: Any, species: Any) -> Any:
    return getattr(catboost, kind)(**QUIET).fit(rows, species)


@pytest.mark.parametrize("target", ["three classes", "two classes", "names", "numbers"])
@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
def test_an_estimator_answers_as_itself_and_has_one_digest(
    library: str, target: str, iris: Any, flowers: Any, tmp_path: Path
) -> None:
    species = {
        "three classes": iris[1],
        "two classes": iris[1] > 1,
        "names": NAMES[iris[1]],
        "numbers": iris[0][:, 3],
    }[target]
    kind = "Regressor" if target == "numbers" else "Classifier"
    make, prefix = (lightgbm_model, "LGBM") if library == "lightgbm" else (catboost_model, "CatBoost")
    for name, rows in (("array", iris[0]), ("frame", flowers[0])):
        model = make(f"{prefix}{kind}", rows, species)
        first, second = (packages.save(model, tmp_path / name / copy, input_example=rows) for copy in "ab")
        assert first.digest == second.digest
        assert (first.format, first.safety) == (library, "data")
        inputs = {"input": rows} if name == "array" else {column: rows[column].to_numpy() for column in rows}
        loaded = packages.load(first.folder)
        answer = loaded.infer(inputs)
        assert set(answer) == ({"predict"} if target == "numbers" else {"predict", "predict_proba"})
        for output, values in answer.items():
            np.testing.assert_array_equal(values, getattr(model, output)(rows))
        if target != "numbers":
            assert loaded.classes.tolist() == model.classes_.tolist()


def test_without_an_example_the_columns_are_the_models_own(flowers: Any, iris: Any, tmp_path: Path) -> None:
    table, species = flowers
    booster = lightgbm.train({"verbose": -1}, lightgbm.Dataset(table, species), 3)
    plain = lightgbm.train({"verbose": -1}, lightgbm.Dataset(*iris), 3)
    saved = packages.save(booster, tmp_path / "named")
    assert [spec.name for spec in saved.signature.inputs] == list(table.columns)
    assert packages.save(plain, tmp_path / "plain").signature.inputs[0].shape == (-1, 4)
    answer = packages.load(saved.folder).infer({name: table[name].to_numpy() for name in table.columns})
    np.testing.assert_array_equal(answer["predict"], booster.predict(table))
    cat = packages.save(catboost_model("CatBoostRegressor", *iris), tmp_path / "catboost")
    assert cat.signature.inputs[0].shape == (-1, 4)


def test_a_lightgbm_estimator_with_an_objective_of_its_own_is_refused(iris: Any, folder: Path) -> None:
    def objective(truth: Any, answer: Any) -> Any:
        return answer - truth, np.ones_like(answer)

    model = lightgbm.LGBMClassifier(n_estimators=3, objective=objective, verbose=-1).fit(iris[0], iris[1] > 1)
    with pytest.raises(InputError, match=r"LGBMClassifier|cannot predict"):
        packages.save(model, folder, input_example=iris[0])


@pytest.mark.parametrize(
    "model", [lightgbm.LGBMClassifier(), catboost.CatBoostClassifier()], ids=["lightgbm", "catboost"]
)
def test_an_estimator_that_is_not_fitted_is_refused(model: Any, folder: Path) -> None:
    with pytest.raises(InputError, match="is not fitted; call fit first"):
        packages.save(model, folder)


@pytest.mark.parametrize("library", ["lightgbm", "catboost"])
def test_a_package_can_neither_name_a_class_of_its_own_nor_hold_other_bytes(
    library: str, iris: Any, folder: Path
) -> None:
    make, kind = (lightgbm_model, "LGBMRegressor") if library == "lightgbm" else (catboost_model, "CatBoostRegressor")
    package = packages.save(make(kind, *iris), folder)
    described = (folder / "MLmodel").read_text()
    (folder / "MLmodel").write_text(described.replace(f"class: {kind}", "class: Pool"))
    digest.seal(folder)
    with pytest.raises(InputError, match="names the class 'Pool'; expected one of: "):
        packages.load(folder)
    (folder / "MLmodel").write_text(described)
    package.data.write_bytes(b"no model at all")
    digest.seal(folder)
    with pytest.raises(InputError, match="cannot be loaded"):
        packages.load(folder)
