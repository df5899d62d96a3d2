from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import xgboost
from onnx import TensorProto, helper
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlgitops import digest, packages
from mlgitops.errors import InputError
from mlgitops.packages import TensorSpec

pytestmark = pytest.mark.slow


def graph(node: Any, **options: Any) -> onnx.ModelProto:
    """Return a model of one node from x to y, each FP32 of any number of rows of 2."""
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", 2]) for name in ("x", "y")]
    made = helper.make_graph([node], "g", tensors[:1], tensors[1:], **options)
    opsets = [helper.make_opsetid(domain, 17) for domain in {"", node.domain}]
    return helper.make_model(made, opset_imports=opsets, ir_version=8)


@pytest.mark.parametrize(
    "model",
    [
        LogisticRegression(max_iter=1000),
        LinearRegression(),
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), LogisticRegression()),
    ],
    ids=lambda model: type(model).__name__,
)
def test_an_estimator_as_onnx_answers_as_itself(model: Any, iris: Any, flowers: Any, tmp_path: Path) -> None:
    for name, rows in (("array", iris[0]), ("frame", flowers[0])):
        fitted = model.fit(rows, iris[1])
        package = packages.save(fitted, tmp_path / name, input_example=rows, format="onnx")
        inputs = {"input": rows} if name == "array" else {column: rows[column].to_numpy() for column in rows}
        answer = packages.load(package.folder).infer(inputs)
        for output in package.signature.outputs:
            expected = getattr(fitted, output.name)(rows)
            assert answer[output.name].shape == expected.shape
            np.testing.assert_allclose(answer[output.name], expected, rtol=1e-4, atol=1e-5)


def test_an_estimator_as_onnx_has_one_digest_and_keeps_its_classes(iris: Any, tmp_path: Path) -> None:
    names = np.array(["setosa", "versicolor", "virginica"])
    model = LogisticRegression(max_iter=1000).fit(iris[0], names[iris[1]])
    first, second = (packages.save(model, tmp_path / name, format="onnx") for name in "ab")
    loaded = packages.load(first.folder)
    assert first.digest == second.digest
    assert loaded.classes.tolist() == names.tolist()
    assert loaded.infer({"input": iris[0][:1]})["predict"].tolist() == ["setosa"]


def test_an_onnx_model_brings_its_own_signature(folder: Path) -> None:
    package = packages.save(graph(helper.make_node("Relu", ["x"], ["y"])), folder)
    assert package.format == "onnx"
    assert package.signature.inputs == (TensorSpec("x", "FP32", (-1, 2)),)
    answer = packages.load(folder).infer({"x": np.array([[-1.0, 2.0]], dtype="float32")})
    assert answer["y"].tolist() == [[0.0, 2.0]]


def test_onnx_operators_of_others_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"uses operators of com\.example"):
        packages.save(graph(helper.make_node("Launch", ["x"], ["y"], domain="com.example")), folder)


def test_onnx_tensors_in_other_files_are_refused_when_loading_too(folder: Path) -> None:
    packages.save(graph(helper.make_node("Relu", ["x"], ["y"])), folder)
    outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../../etc/passwd")
    model = graph(helper.make_node("Add", ["x", "w"], ["y"]), initializer=[outside])
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    digest.seal(folder)
    with pytest.raises(InputError, match="keeps tensors in other files"):
        packages.load(folder)


def test_onnx_tensors_in_other_files_are_refused_inside_a_function_too(folder: Path) -> None:
    packages.save(graph(helper.make_node("Relu", ["x"], ["y"])), folder)
    outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=onnx.TensorProto.EXTERNAL)
    outside.external_data.add(key="location", value="../../../etc/passwd")
    model = graph(helper.make_node("Relu", ["x"], ["y"]))
    opsets = [helper.make_opsetid("", model.opset_import[0].version)]
    hidden = helper.make_function(
        "", "Hidden", ["x"], ["y"], [helper.make_node("Constant", [], ["y"], value=outside)], opsets
    )
    model.functions.append(hidden)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    digest.seal(folder)
    with pytest.raises(InputError, match="keeps tensors in other files"):
        packages.load(folder)


def test_bytes_that_are_no_onnx_model_are_refused(folder: Path) -> None:
    packages.save(graph(helper.make_node("Relu", ["x"], ["y"])), folder)
    (folder / "model.onnx").write_bytes(b"not a model")
    digest.seal(folder)
    with pytest.raises(InputError, match=r"model\.onnx"):
        packages.load(folder)


@pytest.mark.parametrize("kind", [xgboost.XGBClassifier, xgboost.XGBRegressor])
def test_an_xgboost_estimator_answers_as_itself_and_has_one_digest(kind: Any, iris: Any, tmp_path: Path) -> None:
    model = kind(n_estimators=3).fit(*iris)
    first, second = (packages.save(model, tmp_path / name, input_example=iris[0]) for name in "ab")
    assert first.digest == second.digest
    assert (first.format, first.safety) == ("xgboost", "data")
    answer = packages.load(first.folder).infer({"input": iris[0]})
    for name, values in answer.items():
        np.testing.assert_array_equal(values, getattr(model, name)(iris[0]))


def test_a_booster_answers_by_the_names_of_its_columns(flowers: Any, folder: Path) -> None:
    table, species = flowers
    booster = xgboost.train({"max_depth": 2}, xgboost.DMatrix(table, species), 3)
    packages.save(booster, folder)
    answer = packages.load(folder).infer({name: table[name].to_numpy() for name in table.columns})
    np.testing.assert_allclose(answer["predict"], booster.predict(xgboost.DMatrix(table)), rtol=1e-6)


def test_an_xgboost_estimator_that_is_not_fitted_is_refused(folder: Path) -> None:
    with pytest.raises(InputError, match="XGBClassifier is not fitted; call fit first"):
        packages.save(xgboost.XGBClassifier(), folder)


def test_an_xgboost_package_cannot_name_a_class_of_its_own(iris: Any, folder: Path) -> None:
    packages.save(xgboost.XGBRegressor(n_estimators=2).fit(*iris), folder)
    described = (folder / "MLmodel").read_text().replace("class: XGBRegressor", "class: DMatrix")
    (folder / "MLmodel").write_text(described)
    digest.seal(folder)
    with pytest.raises(InputError, match="names the class 'DMatrix'; expected one of: Booster"):
        packages.load(folder)
