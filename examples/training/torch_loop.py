"""Plain PyTorch: the loop is yours, so a few calls in it say what happened."""

import torch

from mlgitops.tracking.autolog.torch import Loop

torch.manual_seed(0)
rows = torch.randn(256, 4)
target = rows.sum(dim=1, keepdim=True)
model = torch.nn.Sequential(torch.nn.Linear(4, 16), torch.nn.ReLU(), torch.nn.Linear(16, 1))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
with Loop(model, optimizer) as loop:
    for _ in range(5):
        for batch in range(0, len(rows), 32):
            loss = torch.nn.functional.mse_loss(model(rows[batch : batch + 32]), target[batch : batch + 32])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loop.step(loss=loss)
        loop.epoch()
