"""PyTorch, Lightning and Transformers: the same weights with and without, and what the record says."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

import mlgitops
from mlgitops import tracking
from mlgitops.tracking.autolog import checkpoints

Record = tracking.RunRecord
pytestmark = pytest.mark.filterwarnings("default")  # the frameworks' own


class Line(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
        self.save_hyperparameters({"width": 2})

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], number: int) -> None:
        self.log("val_loss", torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.05)


def fit_a_line(folder: Path) -> tuple[pl.Trainer, Line, dict[str, Any]]:
    pl.seed_everything(3, verbose=False)
    rows = torch.randn(64, 2)
    batches = DataLoader(TensorDataset(rows, rows.sum(dim=1, keepdim=True)), batch_size=16, shuffle=True)
    stopping = pl.callbacks.EarlyStopping("val_loss", patience=4)
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=3,
        accelerator="cpu",
        logger=False,
        callbacks=[stopping],
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    line = Line()
    trainer.fit(line, batches, batches)
    trainer.save_checkpoint(folder / "last.ckpt")
    return trainer, line, torch.load(folder / "last.ckpt", weights_only=False)


def test_lightning_learns_the_same_weights_and_logs_each_epoch(tmp_path: Path, only_run: Callable[[], Record]) -> None:
    before, line, checkpoint = fit_a_line(tmp_path / "without")
    mlgitops.autolog()
    after, same, again = fit_a_line(tmp_path / "with")
    assert all(torch.equal(one, other) for one, other in zip(line.parameters(), same.parameters(), strict=True))
    assert list(again) == list(checkpoint)
    assert list(again["callbacks"]) != []
    assert [type(one) for one in after.callbacks] == [type(one) for one in before.callbacks]
    record = only_run()
    assert record.name == "Line"
    assert {"epochs": 3, "optimizer_name": "SGD", "lr": 0.05, "width": 2}.items() <= record.params.items()
    assert {"monitor": "val_loss", "mode": "min", "patience": 4, "min_delta": 0.0}.items() <= record.params.items()
    assert "stopped_epoch" not in record.metrics
    assert {name: record.metrics[name].count for name in ("train_loss", "val_loss")} == {"train_loss": 3, "val_loss": 3}
    assert record.metrics["val_loss"].last == float(after.callback_metrics["val_loss"])
    assert (record.folder / "artifacts" / "model_summary.txt").exists()


class Told(Line):
    """A line whose validation measures what it is told, and which has a loss for each step too."""

    def __init__(self, values: list[float], **hyperparameters: Any) -> None:
        super().__init__()
        self.values = values
        self.save_hyperparameters(hyperparameters)

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        loss = super().training_step(batch, number)
        self.log("both", loss, on_step=True, on_epoch=True)
        self.log("step_loss", loss, on_step=True, on_epoch=False)
        return loss

    def validation_step(self, batch: list[torch.Tensor], number: int) -> None:
        self.log("val_loss", torch.tensor(self.values[self.trainer.current_epoch]))

    def test_step(self, batch: list[torch.Tensor], number: int) -> None:
        self.log("test_loss", torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1]))


def fit_as_told(
    folder: Path, values: list[float], *callbacks: Any, every: int = 1, **hyperparameters: Any
) -> tuple[pl.Trainer, Told]:
    pl.seed_everything(3, verbose=False)
    trainer = pl.Trainer(
        default_root_dir=folder,
        max_epochs=len(values),
        accelerator="cpu",
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=any(isinstance(one, pl.callbacks.ModelCheckpoint) for one in callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        accumulate_grad_batches=every,
    )
    told = Told(values + values[-1:], **hyperparameters)
    trainer.fit(told, some_batches(), some_batches())
    return trainer, told


def some_batches() -> DataLoader[Any]:
    rows = torch.linspace(-1, 1, 128).reshape(64, 2)
    return DataLoader(TensorDataset(rows, rows.sum(dim=1, keepdim=True)), batch_size=16)


def test_an_early_stop_of_lightning_tells_how_it_was_set_where_it_came_and_what_was_best(
    tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    mlgitops.autolog()
    stopping = pl.callbacks.EarlyStopping("val_loss", patience=2, min_delta=0.01)
    fit_as_told(tmp_path, [3.0, 1.0, 2.0, 2.0, 2.0], stopping, patience=7, mode="min")
    record = only_run()
    # The module's own patience is another one, and keeps its name.
    assert {"monitor": "val_loss", "mode": "min", "min_delta": 0.01}.items() <= record.params.items()
    assert (record.params["patience"], record.params["earlystopping_patience"]) == (7, 2)
    told = {name: record.metrics[name].last for name in ("stopped_epoch", "restored_epoch", "best_score", "wait_count")}
    assert told == {"stopped_epoch": 3, "restored_epoch": 1, "best_score": 1.0, "wait_count": 2}


@pytest.mark.parametrize("of_training", [False, True])
def test_the_best_checkpoint_is_kept_with_its_score_and_epoch_and_no_other(
    of_training: bool, tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    mlgitops.autolog()
    keeping = pl.callbacks.ModelCheckpoint(
        tmp_path / "mine", "{epoch}", monitor="val_loss", save_top_k=2, save_on_train_epoch_end=of_training
    )
    fit_as_told(tmp_path, [3.0, 1.0, 2.0], keeping)
    kept = only_run().folder / "artifacts" / "checkpoints"
    assert sorted(path.name for path in kept.iterdir()) == ["best.json", "epoch=1.ckpt"]
    assert (kept / "epoch=1.ckpt").read_bytes() == (tmp_path / "mine" / "epoch=1.ckpt").read_bytes()
    assert json.loads((kept / "best.json").read_text()) == {
        "file": "epoch=1.ckpt",
        "monitor": "val_loss",
        "mode": "min",
        "score": 1.0,
        "epoch": 1,
    }


def test_a_checkpoint_that_takes_too_long_to_copy_is_left_out_and_told(
    tmp_path: Path, only_run: Callable[[], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "_BYTES_PER_SECOND", 1.0)
    mlgitops.autolog()
    fit_as_told(tmp_path, [1.0], pl.callbacks.ModelCheckpoint(tmp_path / "mine", monitor="val_loss"))
    record = only_run()
    assert not (record.folder / "artifacts" / "checkpoints").exists()
    assert "log_checkpoints=True" in record.tags["autolog.checkpoint"]


def test_the_last_checkpoint_is_no_best_one(tmp_path: Path, only_run: Callable[[], Record]) -> None:
    mlgitops.autolog()
    fit_as_told(tmp_path, [1.0], pl.callbacks.ModelCheckpoint(tmp_path / "mine"))
    assert not (only_run().folder / "artifacts" / "checkpoints").exists()


def test_what_a_trainer_tests_and_validates_later_is_logged_to_the_run_of_its_fit(
    tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    def losses(folder: str) -> tuple[Any, ...]:
        keeping = pl.callbacks.ModelCheckpoint(tmp_path / folder, monitor="val_loss")
        trainer, told = fit_as_told(tmp_path, [3.0, 1.0], keeping)
        tested, validated = trainer.test(told, some_batches(), verbose=False), trainer.validate(told, some_batches())
        another = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False)
        return tested, validated, another.test(told, some_batches()), trainer.test(None, some_batches(), "best")

    before = losses("without")
    mlgitops.autolog()
    assert losses("with") == before
    record = only_run()
    assert (record.metrics["test_loss"].count, record.metrics["test_loss"].last) == (3, before[0][0]["test_loss"])
    # What the fit measured under the same name stays as it was.
    assert (record.metrics["val_loss"].count, record.metrics["val_loss"].step) == (2, 1)
    assert record.metrics["val_loss{subset=validate}"].last == before[1][0]["val_loss"]


def test_a_trainer_that_tests_a_module_that_it_did_not_fit_says_nothing_of_its_run(
    tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    mlgitops.autolog()
    trainer, _ = fit_as_told(tmp_path, [1.0])
    trainer.test(Told([1.0, 1.0]), some_batches())
    assert "test_loss" not in only_run().metrics


def test_callbacks_can_be_sent_to_processes_that_a_strategy_spawns(
    tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    class Sending(pl.Callback):
        sent: list[str]

        def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
            others = [one for one in trainer.callbacks if one is not self]
            self.sent = [type(one).__qualname__ for one in pickle.loads(pickle.dumps(others))]

    mlgitops.autolog()
    sending = Sending()
    fit_as_told(tmp_path, [1.0], sending)
    assert sending.sent[-1].endswith("Epochs")
    assert only_run().metrics["val_loss"].count == 1


def test_steps_are_logged_on_request_and_change_nothing(tmp_path: Path, root: Path) -> None:
    _, before = fit_as_told(tmp_path, [3.0, 1.0], every=2)
    mlgitops.autolog()
    fit_as_told(tmp_path, [3.0, 1.0], every=2)
    mlgitops.autolog(log_every_n_steps=2)
    _, after = fit_as_told(tmp_path, [3.0, 1.0], every=2)
    assert all(torch.equal(one, other) for one, other in zip(before.parameters(), after.parameters(), strict=True))
    by_epochs, by_steps = sorted(tracking.list_runs(root), key=lambda record: record.started_at)
    # Four batches of an epoch are two steps.
    for name in ("step_loss", "both_step"):
        assert by_epochs.metrics[name].count == 2
        assert [point.step for point in tracking.read_points(by_steps.folder, name)] == [2, 4]
    for name in ("train_loss", "both", "both_epoch", "val_loss"):
        assert (by_steps.metrics[name].count, by_steps.metrics[name].step) == (2, 1)
        assert by_steps.metrics[name].last == by_epochs.metrics[name].last


def train_a_bert(folder: Path, **options: Any) -> tuple[Trainer, dict[str, torch.Tensor]]:
    set_seed(3)
    config = BertConfig(vocab_size=16, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    examples = [{"input_ids": row, "labels": int(row[0] > 7)} for row in torch.randint(1, 16, (32, 4))]
    arguments = TrainingArguments(
        str(folder),
        num_train_epochs=2,
        logging_steps=2,
        save_strategy="no",
        use_cpu=True,
        disable_tqdm=True,
        **{"report_to": "none", **options},
    )
    trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=examples)
    trainer.train()
    return trainer, {name: value.clone() for name, value in trainer.model.state_dict().items()}


@pytest.mark.parametrize("report_to", ["none", "mlgitops"])
def test_transformers_learns_the_same_weights_and_logs_what_the_trainer_logs(
    report_to: str, tmp_path: Path, only_run: Callable[[], Record]
) -> None:
    before, weights = train_a_bert(tmp_path / "without")
    mlgitops.autolog()
    after, same = train_a_bert(tmp_path / "with", report_to=report_to)
    assert all(torch.equal(weights[name], same[name]) for name in weights)
    if report_to == "none":
        kinds = [[type(one) for one in trainer.callback_handler.callbacks] for trainer in (before, after)]
        assert kinds[0] == kinds[1]
    record = only_run()
    assert record.name == "BertForSequenceClassification"
    assert {"hidden_size": 8, "num_train_epochs": 2, "learning_rate": 5e-05}.items() <= record.params.items()
    losses = [entry["loss"] for entry in after.state.log_history if "loss" in entry]
    assert (record.metrics["loss"].count, record.metrics["loss"].last) == (len(losses), losses[-1])
    assert record.metrics["loss"].step == after.state.global_step


@pytest.mark.parametrize(
    ("name", "metric", "count"),
    [("lightning_module.py", "val_loss", 3), ("transformers_tiny.py", "loss", 8), ("torch_loop.py", "loss", 5)],
)
def test_the_example_leaves_a_record(name: str, metric: str, count: int, run_example: Callable[[str], Record]) -> None:
    assert run_example(name).metrics[metric].count == count
