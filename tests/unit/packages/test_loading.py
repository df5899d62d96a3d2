from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mlgitops import digest, packages
from mlgitops.errors import InputError, IntegrityError, MissingExtraError, NotFoundError
from mlgitops.packages import loading
from mlgitops.packages.flavors import keras_backend


@pytest.fixture
def package(classifier: Any, iris: Any, folder: Path) -> packages.Package:
    return packages.save(classifier, folder, input_example=iris[0])


def test_a_loaded_model_answers_as_the_estimator_did(package: packages.Package, classifier: Any, iris: Any) -> None:
    model = packages.load(package.folder, digest=package.digest)
    answer = model.infer({"input": iris[0]})
    np.testing.assert_array_equal(answer["predict"], classifier.predict(iris[0]))
    np.testing.assert_array_equal(answer["predict_proba"], classifier.predict_proba(iris[0]))
    assert model.classes.tolist() == [0, 1, 2]


def test_only_the_wanted_outputs_are_computed(package: packages.Package, iris: Any) -> None:
    answer = packages.load(package.folder).infer({"input": iris[0]}, ["predict_proba"])
    assert set(answer) == {"predict_proba"}


def test_a_lean_load_answers_the_same(package: packages.Package, iris: Any) -> None:
    full, lean = packages.load(package.folder), packages.load(package.folder, lean=True)
    np.testing.assert_array_equal(full.infer({"input": iris[0]})["predict"], lean.infer({"input": iris[0]})["predict"])


def test_another_digest_is_refused_with_both(package: packages.Package) -> None:
    wrong = "sha256:" + "0" * 64
    with pytest.raises(IntegrityError) as refused:
        packages.load(package.folder, digest=wrong)
    assert (refused.value.expected, refused.value.found) == (wrong, package.digest)


@pytest.mark.parametrize("name", ["model.skops", "MLmodel", "requirements.txt"])
def test_one_changed_byte_is_noticed(package: packages.Package, name: str) -> None:
    path = package.folder / name
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(IntegrityError):
        packages.load(package.folder, digest=package.digest)


def test_an_added_file_is_noticed(package: packages.Package) -> None:
    (package.folder / "sitecustomize.py").write_text("print('hello')")
    with pytest.raises(IntegrityError):
        packages.load(package.folder)


def test_a_folder_that_is_no_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="is no model package: it has no MLmodel"):
        packages.inspect(tmp_path)


def test_an_mlmodel_file_of_others_is_refused(package: packages.Package) -> None:
    described = yaml.safe_load((package.folder / "MLmodel").read_text())
    del described["flavors"]["mlgitops"]
    (package.folder / "MLmodel").write_text(yaml.safe_dump(described))
    digest.seal(package.folder)
    with pytest.raises(InputError, match="does not describe a package of mlgitops"):
        packages.inspect(package.folder)


def test_an_mlmodel_file_cannot_make_objects(package: packages.Package) -> None:
    (package.folder / "MLmodel").write_text("flavors: !!python/object/apply:os.system ['true']\n")
    digest.seal(package.folder)
    with pytest.raises(InputError, match="MLmodel"):
        packages.inspect(package.folder)


def test_a_format_that_runs_code_needs_permission(package: packages.Package, monkeypatch: pytest.MonkeyPatch) -> None:
    code = packages.Format("code", "model.skops", "sklearn", ())
    monkeypatch.setitem(packages.FORMATS, "skops", code)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"allow it in both the ModelVersion and the PromotionPolicy"):
        packages.load(package.folder)
    assert packages.load(package.folder, allow_code=True).native is not None


def test_integers_stand_for_floats_but_floats_not_for_integers(package: packages.Package, iris: Any) -> None:
    model = packages.load(package.folder)
    assert len(model.infer({"input": np.ones((2, 4), dtype="int64")})["predict"]) == 2
    assert len(model.infer({"input": np.ones((2, 4), dtype="float32")})["predict"]) == 2
    with pytest.raises(InputError, match="input 'input' holds complex128 values; expected FP64"):
        model.infer({"input": np.ones((2, 4), dtype="complex128")})


@pytest.mark.parametrize("shape", [(4,), (2, 3), (1, 2, 4)])
def test_another_shape_is_refused_with_the_expected_one(package: packages.Package, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"expected \[-1, 4\]"):
        packages.load(package.folder).infer({"input": np.ones(shape)})


def test_other_names_of_inputs_are_refused(package: packages.Package) -> None:
    with pytest.raises(InputError, match="the model takes the inputs input; found: x"):
        packages.load(package.folder).infer({"x": np.ones((1, 4))})


def test_an_unknown_output_is_refused_with_the_known_ones(package: packages.Package, iris: Any) -> None:
    with pytest.raises(InputError, match="has no output margin; it has: predict, predict_proba"):
        packages.load(package.folder).infer({"input": iris[0]}, ["margin"])


@pytest.mark.parametrize("name", ["keras", "torch"])
def test_a_framework_that_no_extra_brings_is_asked_for_by_its_own_name(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=rf"{name} is not installed; run: pip install {name}$"):
        loading.flavor(name)


def test_keras_gets_a_backend_that_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path / "packages")
    for name in ("keras", "tensorflow", "torch"):
        (tmp_path / "packages" / name).mkdir(parents=True)
        (tmp_path / "packages" / name / "__init__.py").touch()
    found = []
    for preferred, configured in (("tensorflow", None), ("numpy", None), ("torch", "tensorflow"), ("torch", "jax")):
        (tmp_path / "keras.json").write_text(json.dumps({"backend": configured}))
        keras_backend.choose(preferred)
        found.append(os.environ.pop("KERAS_BACKEND", None))
    assert found == ["tensorflow", "torch", None, "torch"]


def test_a_package_of_another_format_than_was_allowed_is_refused(package: packages.Package) -> None:
    assert packages.load(package.folder, expected="skops").package.format == "skops"
    with pytest.raises(InputError, match="of the format skops; its ModelVersion says torch"):
        packages.load(package.folder, expected="torch", allow_code=True)
