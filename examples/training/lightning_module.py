"""PyTorch Lightning: each epoch's metrics by a callback that is there while the trainer fits."""

import lightning.pytorch as pl
import torch
from torch.utils.data import DataLoader, TensorDataset

import mlgitops

mlgitops.autolog()


class Regression(pl.LightningModule):
    def __init__(self, width: int = 16, lr: float = 0.01) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layers = torch.nn.Sequential(torch.nn.Linear(4, width), torch.nn.ReLU(), torch.nn.Linear(width, 1))

    def training_step(self, batch: list[torch.Tensor], number: int) -> torch.Tensor:
        loss = torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1])
        self.log("train_loss", loss, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: list[torch.Tensor], number: int) -> None:
        self.log("val_loss", torch.nn.functional.mse_loss(self.layers(batch[0]), batch[1]))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.hparams["lr"])


pl.seed_everything(0, verbose=False)
rows = torch.randn(256, 4)
batches = DataLoader(TensorDataset(rows, rows.sum(dim=1, keepdim=True)), batch_size=32)
trainer = pl.Trainer(
    max_epochs=3, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False
)
trainer.fit(Regression(), batches, batches)
