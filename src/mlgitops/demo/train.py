"""Train an iris classifier: a script as a data scientist has it, with mlgitops' lines added.

python train.py --C 0.1
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

import mlgitops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--C", type=float, default=1.0, help="inverse of the regularisation strength")
parser.add_argument("--data", type=Path, default=Path("train.csv"), help="columns of features, then the target")
args = parser.parse_args()

table = np.loadtxt(args.data, delimiter=",", skiprows=1)
X, y = table[:, :-1], table[:, -1].astype(int)

with mlgitops.start_run(experiment="iris"):
    mlgitops.log_params({"C": args.C, "solver": "lbfgs"})
    mlgitops.log_dataset(args.data, name="iris", context="training")
    model = LogisticRegression(C=args.C, max_iter=2000).fit(X, y)
    for fold, score in enumerate(cross_val_score(model, X, y, cv=5)):
        mlgitops.log_metric("fold_accuracy", float(score), step=fold)
    mlgitops.log_metric("accuracy", float(model.score(X, y)))
    mlgitops.log_model(model, name="iris", input_example=X[:3])
