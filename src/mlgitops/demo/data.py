"""The story's files: the training script, the iris data, the deployment, the questions."""

from __future__ import annotations

import textwrap
from importlib import resources
from pathlib import Path

from mlgitops.errors import NotFoundError

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
FLOWER = (5.1, 3.5, 1.4, 0.2)
QUESTION = {"inputs": [{"name": "input", "shape": [1, 4], "datatype": "FP64", "data": list(FLOWER)}]}
MLFLOW_QUESTION = {"inputs": [list(FLOWER)]}


def training_script() -> Path:
    """Return the script that the data scientist has."""
    return Path(str(resources.files("mlgitops.demo") / "train.py"))


def manifests() -> Path:
    """Return the folder of the operator's manifests: beside the source, or inside the wheel.

    Raises:
        NotFoundError: neither is there.
    """
    package = Path(str(resources.files("mlgitops")))
    for folder in (package / "operator" / "manifests", package.parents[1] / "manifests"):
        if folder.is_dir():
            return folder
    raise NotFoundError("the operator's manifests are missing; install mlgitops again")


def write_iris(training: Path, holdout: Path) -> None:
    """Split Fisher's iris (scikit-learn ships it) into 100 rows to train on and 50 that training never sees."""
    import numpy as np
    from sklearn.datasets import load_iris
    from sklearn.model_selection import train_test_split

    features, species = load_iris(return_X_y=True)
    rows = np.column_stack((features, species))
    train, held_out = train_test_split(rows, test_size=50, random_state=0, stratify=species)
    for path, part in ((training, train), (holdout, held_out)):
        path.parent.mkdir(parents=True, exist_ok=True)
        formats = ["%.1f"] * len(FEATURES) + ["%d"]
        np.savetxt(path, part, delimiter=",", fmt=formats, header=",".join((*FEATURES, "target")), comments="")


def deployment(name: str) -> str:
    """Return the ModelDeployment that follows production, by canary."""
    return textwrap.dedent(f"""\
        apiVersion: mlgitops.dev/v1alpha1
        kind: ModelDeployment
        metadata:
          name: {name}
        spec:
          modelRef:
            name: iris
          stage: production
          replicas: 1
          resources:
            requests: {{cpu: 100m, memory: 256Mi}}
            limits: {{memory: 1Gi}}
          rollout:
            strategy: Canary
            steps:
              - {{weight: 20, pause: 1s}}
              - {{weight: 50, pause: 1s}}
            keepPrevious: 1m
          route:
            parentRefs:
              - {{name: local, namespace: mlgitops-gateway}}
            path: /iris
        """)
