"""Keras models as packages: what they answer, one digest, and what a hostile file cannot do."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

import mlgitops
from mlgitops import digest, packages, tracking
from mlgitops.errors import InputError
from mlgitops.packages.flavors import zips

pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

ROWS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
Members = dict[str, bytes]


def classifier() -> Any:
    keras.utils.set_random_seed(3)
    layers = [
        keras.Input((3,), name="rows"),
        keras.layers.Dense(4, "relu", name="hidden"),
        keras.layers.Dropout(0.2, name="dropped"),
        keras.layers.Dense(2, "softmax", name="signs"),
    ]
    model = keras.Sequential(layers, name="signs")
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(ROWS, np.array([0, 1, 0, 1, 0, 1]), verbose=0)
    return model


def two_towers(form: type) -> Any:
    left, right = keras.Input((3,), name="left"), keras.Input((2,), name="right")
    shared = keras.layers.Dense(2, activation=keras.activations.gelu, kernel_regularizer="l2")
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    joined = shared(right) * 2 + keras.ops.sin(inner(left))
    sequence = keras.layers.LSTM(3)(keras.layers.Reshape((2, 1))(shared(joined)))
    if form is dict:
        return keras.Model({"left": left, "right": right}, {"near": joined, "far": sequence})
    return keras.Model([left, right], [joined, sequence])


@pytest.fixture(scope="module")
def model() -> Any:
    return classifier()


@pytest.fixture
def package(model: Any, tmp_path: Path) -> packages.Package:
    return packages.save(model, tmp_path / "package", input_example=ROWS)


def rewritten(package: packages.Package, change: Callable[[Members], bytes | None]) -> Path:
    """Return the folder of a package with other members in its archive, and a manifest that agrees."""
    with zipfile.ZipFile(package.data) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    package.data.write_bytes(change(members) or zips.packed(members))
    digest.seal(package.folder)
    return package.folder


def refused(folder: Path, match: str) -> None:
    with pytest.raises(InputError, match=match):
        packages.load(folder, allow_code=True)  # no allowance opens a format that has no code


def test_a_package_answers_as_the_model_for_any_number_of_rows(model: Any, package: packages.Package) -> None:
    assert (package.format, package.safety) == ("keras", "confined")
    assert [(spec.name, spec.datatype, spec.shape) for spec in package.signature.inputs] == [("input", "FP32", (-1, 3))]
    loaded = packages.load(package.folder, digest=package.digest)
    for rows in (1, 3, 5):
        answer = loaded.infer({"input": ROWS[:rows].astype("float64")})["predict"]
        np.testing.assert_allclose(answer, model.predict(ROWS[:rows], verbose=0), rtol=1e-5)
    with pytest.raises(InputError, match="no rows"):
        loaded.infer({"input": ROWS[:0]})


@pytest.mark.parametrize("form", [dict, list])
def test_several_inputs_and_outputs_go_by_their_names(form: type, tmp_path: Path) -> None:
    model = two_towers(form)
    rows = {"left": ROWS, "right": ROWS[:, :2]}
    package = packages.save(model, tmp_path / "package", input_example=rows)
    assert [spec.name for spec in package.signature.inputs] == ["left", "right"]
    answer = packages.load(package.folder).infer(rows)
    expected = model.predict(rows if form is dict else list(rows.values()), verbose=0)
    expected = expected if form is dict else dict(zip(model.output_names, expected, strict=True))
    assert set(answer) == set(expected)
    for name in expected:
        np.testing.assert_allclose(answer[name], expected[name], rtol=1e-5, atol=1e-6)


def test_columns_of_an_example_become_inputs(model: Any, tmp_path: Path) -> None:
    table = {name: ROWS[:, index] for index, name in enumerate("abc")}
    package = packages.save(model, tmp_path / "package", input_example=table)
    assert [spec.name for spec in package.signature.inputs] == ["a", "b", "c"]
    answer = packages.load(package.folder).infer(table)["predict"]
    np.testing.assert_allclose(answer, model.predict(ROWS, verbose=0), rtol=1e-5)
    with pytest.raises(InputError, match="2 columns"):
        packages.save(model, tmp_path / "other", input_example={"a": ROWS[:, 0], "b": ROWS[:, 1]})


def test_half_precision_is_answered_in_single(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((3,), dtype="float32"), keras.layers.Dense(2, dtype="bfloat16")])
    package = packages.save(model, tmp_path / "package", input_example=ROWS)
    assert package.signature.outputs[0].datatype == "FP32"
    answer = packages.load(package.folder).infer({"input": ROWS})["predict"]
    assert answer.dtype == np.float32
    np.testing.assert_array_equal(answer, model.predict(ROWS, verbose=0).astype("float32"))


SAVING = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_keras_packages import classifier
from mlgitops import packages
print(packages.save(classifier(), Path(sys.argv[1])).digest)
"""


def test_one_model_has_one_digest_in_this_process_and_in_another(tmp_path: Path) -> None:
    model = classifier()
    digests = {packages.save(model, tmp_path / name).digest for name in "ab"}
    digests.add(packages.save(classifier(), tmp_path / "c").digest)
    command = [sys.executable, "-c", SAVING, str(tmp_path / "there"), str(Path(__file__).parent)]
    there = subprocess.run(command, env=dict(os.environ), capture_output=True, text=True, timeout=100, check=True)
    assert digests == {there.stdout.split()[-1]}


def test_saving_leaves_the_model_as_it_was(model: Any, tmp_path: Path) -> None:
    def state() -> Any:
        return sorted(vars(model)), [np.array(weight) for weight in model.variables], model.get_config()

    before = state()
    packages.save(model, tmp_path / "package", input_example=ROWS)
    after = state()
    assert before[0] == after[0]
    assert all(np.array_equal(one, other) for one, other in zip(before[1], after[1], strict=True))
    assert json.dumps(before[2]) == json.dumps(after[2])


def test_what_only_training_needs_is_not_kept(package: packages.Package) -> None:
    with zipfile.ZipFile(package.data) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
        assert "optimizer" not in weights
        assert b"compile_config" not in archive.read("config.json")


@keras.saving.register_keras_serializable("ours")
class Doubled(keras.layers.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Own(keras.Model):
    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("layer", "match"),
    [
        (lambda: keras.layers.Lambda(lambda x: x), "Lambda"),
        (lambda: Doubled(), "Doubled.*which is code"),
        (lambda: keras.layers.LSTM(2, stateful=True), "keeps a state"),
    ],
)
def test_what_a_package_cannot_hold_is_refused_when_it_is_saved(layer: Any, match: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input(batch_shape=(2, 4, 3)), layer()])
    with pytest.raises(InputError, match=match):
        packages.save(model, tmp_path / "package")


def test_a_model_that_does_not_say_what_it_takes_is_refused(tmp_path: Path) -> None:
    for model in (Own(), keras.Sequential([keras.layers.Dense(2)])):
        with pytest.raises(InputError, match="does not say what it takes"):
            packages.save(model, tmp_path / "package")


def test_a_lambda_layer_is_refused_and_never_run(package: packages.Package, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    hostile = keras.Sequential(
        [keras.Input((3,)), keras.layers.Lambda(eval("lambda x: (open(path, 'w'), x)[1]", {"path": str(proof)}))]
    )
    proof.unlink(missing_ok=True)
    hostile.save(tmp_path / "hostile.keras")
    with zipfile.ZipFile(tmp_path / "hostile.keras") as archive:
        config = archive.read("config.json")
    proof.unlink(missing_ok=True)
    keras.config.enable_unsafe_deserialization()  # even where the process turned safe mode off
    try:
        refused(rewritten(package, lambda members: members.update({"config.json": config})), "Lambda")
    finally:
        keras.src.backend.common.global_state.set_global_attribute("safe_mode_saving", None)
    assert not proof.exists()


@pytest.mark.parametrize(
    ("class_name", "module", "config"),
    [
        ("function", "os", "system"),
        ("function", "builtins", "eval"),
        ("function", "keras.utils", "get_file"),
        ("function", "keras.config", "enable_unsafe_deserialization"),
        ("function", "keras.activations", "deserialize"),
        ("function", "keras.saving", "load_model"),
        ("Popen", "subprocess", {"args": "true"}),
        ("TFSMLayer", "keras.layers", {"filepath": "/tmp/other"}),
        ("Lambda", "keras.src.layers.core.lambda_layer", {}),
        ("Lambda", "keras.layers", {}),
        ("TorchModuleWrapper", "keras.layers", {}),
        ("Dense", None, {"units": 2}),
        ("__lambda__", None, {"value": ["a", None, None]}),
        ("__typespec__", None, []),
        ("FileEditor", "keras.saving", {}),
        (["Dense"], None, {}),
        ("Dense", ["keras.layers"], {}),
        ("function", "builtins", ["relu"]),
        ("Import", "keras.src.ops.numpy", {}),
    ],
)
def test_what_is_no_layer_of_keras_is_refused_before_it_is_looked_up(
    class_name: Any, module: Any, config: Any, package: packages.Package
) -> None:
    def change(members: Members) -> None:
        described = json.loads(members["config.json"])
        entry = {"class_name": class_name, "module": module, "config": config, "registered_name": None}
        described["config"]["layers"][1]["config"]["activation"] = entry
        members["config.json"] = json.dumps(described).encode()

    refused(rewritten(package, change), "which is code")


def test_a_registered_class_cannot_stand_in_for_a_layer(package: packages.Package) -> None:
    def change(members: Members) -> None:
        described = json.loads(members["config.json"])
        described["config"]["layers"][1]["registered_name"] = "ours>Doubled"
        members["config.json"] = json.dumps(described).encode()

    refused(rewritten(package, change), "which is code")


def test_a_vocabulary_is_read_from_no_file(package: packages.Package) -> None:
    def change(members: Members) -> None:
        described = json.loads(members["config.json"])
        described["config"]["layers"][1]["config"]["vocabulary"] = "/etc/passwd"
        members["config.json"] = json.dumps(described).encode()

    refused(rewritten(package, change), "vocabulary")


def compressed(members: Members) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**members, "model.weights.h5": bytes(1 << 26)}.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def twice(members: Members) -> bytes:
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(buffer, "w") as archive:
        for name, content in [*members.items(), ("config.json", b"{}")]:
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (compressed, "compressed"),
        (twice, "two members"),
        (lambda members: b"no archive", "zip archive"),
        (lambda members: members.update({"../../proof": b"x"}), "no plain name"),
        (lambda members: members.update({"/tmp/proof": b"x"}), "no plain name"),
        (lambda members: members.update({"assets/proof": b"x"}), "expected a model of Keras"),
        (lambda members: members.pop("model.weights.h5") and None, "expected a model of Keras"),
        (lambda members: members.update({"config.json": b"[" * 100_000}), "cannot be read"),
        (lambda members: members.update({"config.json": b"\xff"}), "cannot be read"),
        (lambda members: members.update({"model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(99)}), "cannot be read"),
    ],
)
def test_an_archive_of_another_shape_is_refused(change: Any, match: str, package: packages.Package) -> None:
    refused(rewritten(package, change), match)


def link(weights: h5py.File) -> None:
    weights["layers/dense/vars/0"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(weights: h5py.File) -> None:
    weights["layers/dense/vars/0"] = h5py.SoftLink("/layers")


def external(weights: h5py.File) -> None:
    weights.create_dataset("layers/dense/vars/0", (3, 4), "f4", external=[("/etc/passwd", 0, 48)])


def virtual(weights: h5py.File) -> None:
    layout = h5py.VirtualLayout((3, 4), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (3, 4))
    weights.create_virtual_dataset("layers/dense/vars/0", layout)


def bomb(weights: h5py.File) -> None:
    weights.create_dataset("layers/dense/vars/0", (1 << 40,), "f4", chunks=(1 << 10,))


def filtered(weights: h5py.File) -> None:
    weights.create_dataset("layers/dense/vars/0", data=np.zeros((3, 4), "f4"), compression="gzip")


def texts(weights: h5py.File) -> None:
    weights.create_dataset("layers/dense/vars/0", data=["a"], dtype=h5py.string_dtype())


def loop(weights: h5py.File) -> None:
    weights["layers/dense/vars/0"] = weights["layers"]


@pytest.mark.parametrize("spoil", [link, soft, external, virtual, bomb, filtered, texts, loop])
def test_weights_that_are_no_plain_arrays_are_refused(spoil: Any, package: packages.Package) -> None:
    def change(members: Members) -> None:
        buffer = io.BytesIO(members["model.weights.h5"])
        with h5py.File(buffer, "r+") as weights:
            del weights["layers/dense/vars/0"]
            spoil(weights)
        members["model.weights.h5"] = buffer.getvalue()

    refused(rewritten(package, change), "lie elsewhere|no plain array|more weights|two places")


def test_weights_of_another_model_are_refused(package: packages.Package) -> None:
    def change(members: Members) -> None:
        described = json.loads(members["config.json"])
        described["config"]["layers"][1]["config"]["units"] = 9
        members["config.json"] = json.dumps(described).encode()

    refused(rewritten(package, change), "cannot be loaded")


def test_autologging_keeps_the_model(root: Path) -> None:
    mlgitops.autolog(full=True)
    model = classifier()
    (record,) = tracking.list_runs(root)
    (logged,) = record.models
    assert (logged.name, logged.format) == ("model", "keras")
    answer = packages.load(record.folder / logged.path, digest=logged.digest).infer({"input": ROWS})["predict"]
    np.testing.assert_allclose(answer, model.predict(ROWS, verbose=0), rtol=1e-5)
    assert (record.folder / logged.path / "input_example.json").exists()


def test_autologging_says_that_a_model_of_ones_own_class_is_left_out(
    root: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mlgitops.autolog()
    model = keras.Sequential([keras.Input((3,)), Doubled(), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(ROWS, ROWS[:, 0], verbose=0)
    (record,) = tracking.list_runs(root)
    assert record.models == ()
    assert "Doubled" in record.tags["autolog.model"]
    assert "has no model" in capfd.readouterr().err
