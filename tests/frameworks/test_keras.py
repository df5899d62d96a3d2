"""Keras on JAX: the same weights with and without, and what the record says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import mlgitops
from mlgitops import tracking

Record = tracking.RunRecord
pytestmark = pytest.mark.filterwarnings("default")  # the framework's own

ROWS = np.random.default_rng(0).normal(size=(96, 3)).astype("float32")
LABELS = (ROWS.sum(axis=1) > 0).astype("int32")


def train(epochs: int = 3, **options: Any) -> tuple[list[np.ndarray], dict[str, list[float]]]:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(4), keras.layers.Dropout(0.2), keras.layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.1), loss, metrics=["accuracy"])
    history = model.fit(ROWS, LABELS, epochs=epochs, batch_size=16, validation_split=0.25, verbose=0, **options)
    return model.get_weights(), history.history


def test_keras_learns_the_same_weights_and_logs_each_epoch(only_run: Callable[[], Record]) -> None:
    weights, history = train()
    mlgitops.autolog()
    callbacks = [keras.callbacks.EarlyStopping(patience=5)]
    same, again = train(callbacks=callbacks)
    assert all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    assert again == history
    assert len(callbacks) == 1
    record = only_run()
    assert (record.params["patience"], record.params["monitor"]) == (5, "val_loss")
    assert "stopped_epoch" not in record.metrics
    assert record.params["opt_learning_rate"] == pytest.approx(0.1)
    assert {"epochs": 3, "batch_size": 16, "shuffle": True, "optimizer_name": "SGD"}.items() <= record.params.items()
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert (record.metrics[name].count, record.metrics[name].last) == (3, history[name][-1])
    assert record.datasets[0].rows == 96
    assert "Dense" in (record.folder / "artifacts" / "model_summary.txt").read_text()


def test_an_early_stop_tells_where_it_was_and_what_it_went_back_to(only_run: Callable[[], Record]) -> None:
    def stopping() -> keras.callbacks.EarlyStopping:
        return keras.callbacks.EarlyStopping("val_loss", min_delta=10.0, patience=2, restore_best_weights=True)

    weights, history = train(epochs=9, callbacks=[stopping()])
    mlgitops.autolog()
    same, again = train(epochs=9, callbacks=[stopping()])
    assert all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    assert again == history
    metrics = only_run().metrics
    stopped, restored = int(metrics["stopped_epoch"].last), int(metrics["restored_epoch"].last)
    assert (stopped, restored) == (2, 0)
    assert (metrics["loss"].step, metrics["loss"].last) == (stopped + 1, history["loss"][restored])


@pytest.mark.parametrize(("name", "weights_only"), [("{epoch}.keras", False), ("best.weights.h5", True)])
def test_the_best_checkpoint_is_kept_with_its_score_and_epoch(
    name: str, weights_only: bool, tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    def checkpoint(folder: str) -> keras.callbacks.ModelCheckpoint:
        return keras.callbacks.ModelCheckpoint(
            tmp_path / folder / name, mode="max", save_best_only=True, save_weights_only=weights_only
        )

    weights, history = train(callbacks=[checkpoint("without")])
    mlgitops.autolog()
    same, again = train(callbacks=checkpoint("with"))
    assert all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    assert again == history
    best = int(np.argmax(history["val_loss"]))
    file = name.format(epoch=best + 1)
    kept = only_run().folder / "artifacts" / "checkpoints"
    assert (kept / file).read_bytes() == (tmp_path / "with" / file).read_bytes()
    told = {"file": file, "monitor": "val_loss", "mode": "max", "score": history["val_loss"][best], "epoch": best}
    assert json.loads((kept / "best.json").read_text()) == told


def test_batches_are_logged_on_request_and_change_nothing(only_run: Callable[[], Record]) -> None:
    weights, history = train()
    mlgitops.autolog(log_every_n_steps=2)
    same, again = train()
    assert all(np.array_equal(one, other) for one, other in zip(weights, same, strict=True))
    assert again == history
    record = only_run()
    # An epoch has five batches, the last of which are measured over all of it.
    assert [point.step for point in tracking.read_points(record.folder, "batch_loss")] == [2, 4, 6, 8, 10, 12, 14]
    assert [point.value for point in tracking.read_points(record.folder, "loss")] == history["loss"]
    assert record.metrics["batch_accuracy"].count == 7
    by_step = {point.step: point.value for point in tracking.read_points(record.folder, "batch_loss")}
    assert by_step[10] == pytest.approx(history["loss"][1])


def test_an_error_of_a_fit_ends_its_run_as_failed(root: Any) -> None:
    mlgitops.autolog()
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match=r"."):
        model.fit(ROWS, LABELS[:5], verbose=0)
    (record,) = tracking.list_runs(root)
    assert record.status == "failed"


def test_the_example_leaves_a_record(run_example: Callable[[str], Record]) -> None:
    record = run_example("keras_classifier.py")
    assert (record.name, record.metrics["val_accuracy"].count) == ("signs", 3)
