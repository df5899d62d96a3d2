"""PyTorch, Lightning and Transformers: the same weights with and without, and what the record says."""

from __future__ import annotations

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
    expected = {"epochs": 3, "optimizer_name": "SGD", "lr": 0.05, "width": 2, "earlystopping_monitor": "val_loss"}
    assert expected.items() <= record.params.items()
    assert {name: record.metrics[name].count for name in ("train_loss", "val_loss")} == {"train_loss": 3, "val_loss": 3}
    assert record.metrics["val_loss"].last == float(after.callback_metrics["val_loss"])
    assert (record.folder / "artifacts" / "model_summary.txt").exists()


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
