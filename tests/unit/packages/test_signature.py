from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlgitops import packages
from mlgitops.errors import InputError
from mlgitops.packages import Signature, TensorSpec


def test_an_array_is_one_input_with_a_free_first_dimension(classifier: Any, iris: Any, folder: Path) -> None:
    package = packages.save(classifier, folder, input_example=iris[0])
    assert package.signature.inputs == (TensorSpec("input", "FP64", (-1, 4)),)


def test_a_data_frame_is_an_input_a_column_with_its_own_datatype(flowers: Any, folder: Path) -> None:
    table = flowers[0].astype({"petal_width": "float32"})
    package = packages.save(LogisticRegression(max_iter=1000).fit(table, flowers[1]), folder, input_example=table)
    assert [(spec.name, spec.datatype) for spec in package.signature.inputs] == [
        ("sepal_length", "FP64"),
        ("sepal_width", "FP64"),
        ("petal_length", "FP64"),
        ("petal_width", "FP32"),
    ]


@pytest.mark.parametrize(
    "example",
    [
        {"a": [1.0, 2.0], "b": [3, 4]},
        [{"a": 1.0, "b": 3}, {"a": 2.0, "b": 4}],
    ],
)
def test_mappings_and_records_are_tables(example: Any, folder: Path) -> None:
    model = LinearRegression().fit([[1.0, 3], [2.0, 4]], [0.0, 1.0])
    package = packages.save(model, folder, input_example=example)
    assert package.signature.inputs == (TensorSpec("a", "FP64", (-1,)), TensorSpec("b", "INT64", (-1,)))


def test_lists_of_rows_are_an_array(folder: Path) -> None:
    model = LinearRegression().fit([[1.0, 3.0], [2.0, 4.0]], [0.0, 1.0])
    package = packages.save(model, folder, input_example=[[1.0, 3.0]])
    assert package.signature.inputs == (TensorSpec("input", "FP64", (-1, 2)),)


def test_a_classifier_declares_its_classes_and_their_probabilities(classifier: Any, iris: Any, folder: Path) -> None:
    package = packages.save(classifier, folder, input_example=iris[0])
    assert package.signature.outputs == (
        TensorSpec("predict", "INT64", (-1,)),
        TensorSpec("predict_proba", "FP64", (-1, 3)),
    )


def test_a_transformer_declares_what_it_transforms_to(iris: Any, folder: Path) -> None:
    package = packages.save(StandardScaler().fit(iris[0]), folder)
    assert package.signature.outputs == (TensorSpec("transform", "FP64", (-1, 4)),)


def test_without_an_example_the_fitted_columns_are_taken(flowers: Any, folder: Path) -> None:
    package = packages.save(LogisticRegression(max_iter=1000).fit(*flowers), folder)
    assert [spec.name for spec in package.signature.inputs] == list(flowers[0].columns)


def test_columns_of_an_example_are_put_in_the_order_of_the_model(flowers: Any, folder: Path) -> None:
    model = LogisticRegression(max_iter=1000).fit(*flowers)
    shuffled = {name: flowers[0][name].to_numpy() for name in reversed(flowers[0].columns)}
    package = packages.save(model, folder, input_example=shuffled)
    assert [spec.name for spec in package.signature.inputs] == list(flowers[0].columns)


def test_a_model_of_named_columns_takes_a_frame_and_one_of_numbers_does_not(flowers: Any, tmp_path: Path) -> None:
    table = flowers[0].assign(garden=["north", "south"] * 75)
    mixed = make_pipeline(
        make_column_transformer((OneHotEncoder(), ["garden"]), remainder="passthrough"),
        LogisticRegression(max_iter=1000),
    ).fit(table, flowers[1])
    package = packages.save(mixed, tmp_path / "mixed", input_example=table)
    plain = packages.save(LogisticRegression(max_iter=1000).fit(*flowers), tmp_path / "plain", input_example=flowers[0])
    assert package.signature.inputs[-1] == TensorSpec("garden", "BYTES", (-1,))
    assert package.settings["arrangement"] == "frame"
    assert "pandas" in package.packages
    assert plain.settings["arrangement"] == "matrix"
    columns = {name: table[name].to_numpy() for name in table.columns}
    answer = packages.load(package.folder).infer(columns)
    np.testing.assert_array_equal(answer["predict"], mixed.predict(table))


def test_a_list_of_texts_is_one_input(folder: Path) -> None:
    texts = ["a good day", "a bad day", "good", "bad"]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, [1, 0, 1, 0])
    package = packages.save(model, folder, input_example=texts)
    assert package.signature.inputs == (TensorSpec("input", "BYTES", (-1,)),)
    answer = packages.load(folder).infer({"input": np.array(["good"], dtype=object)})
    assert answer["predict"].tolist() == [1]


def test_dates_are_refused_by_column(folder: Path) -> None:
    table = pd.DataFrame({"day": pd.to_datetime(["2026-01-01", "2026-01-02"]), "x": [1.0, 2.0]})
    with pytest.raises(InputError, match="day holds"):
        packages.save(LinearRegression().fit(table[["x"]].to_numpy(), [1.0, 2.0]), folder, input_example=table)


def test_a_ragged_example_is_refused(classifier: Any, folder: Path) -> None:
    with pytest.raises(InputError, match="ragged"):
        packages.save(classifier, folder, input_example=[[1.0, 2.0], [1.0]])


def test_an_unknown_datatype_is_refused() -> None:
    with pytest.raises(InputError, match="datatype 'FP80'; expected one of: BOOL"):
        TensorSpec("x", "FP80", (-1,))


def test_a_signature_survives_json() -> None:
    signature = Signature((TensorSpec("a", "BYTES", (-1, 2)),), (TensorSpec("b", "FP32", (-1,)),))
    assert Signature.from_json(signature.to_json()) == signature


@pytest.mark.parametrize("data", [None, {}, {"inputs": [{"name": "a"}], "outputs": []}, {"inputs": 3, "outputs": 4}])
def test_what_is_no_signature_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="not a signature"):
        Signature.from_json(data)
