"""No framework at all: a loop that logs what it measures."""

import math
import random

import mlgitops

random.seed(0)
with mlgitops.start_run("descent", experiment="plain"):
    learning_rate = 0.1
    mlgitops.log_params({"learning_rate": learning_rate, "epochs": 50})
    weight = random.uniform(-5, 5)
    for epoch in range(50):
        loss = (weight - 2) ** 2
        weight -= learning_rate * 2 * (weight - 2)
        mlgitops.log_metrics({"loss": loss, "weight": weight}, step=epoch)
    mlgitops.log_text(f"found {weight:.6f}, wanted 2, off by {math.fabs(weight - 2):.1e}\n", "result.txt")
