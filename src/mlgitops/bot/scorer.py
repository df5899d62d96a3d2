"""The sandboxed child of an evaluation: loads models, predicts, returns per-row losses.

It is started as ``python -I -m mlgitops.bot.scorer`` by ``mlgitops.bot.sandbox`` with an
empty environment; it has neither key nor token, and before it touches a model it cuts its own
network (where the kernel lets it) and limits its memory, files and processor time.
Request and answer are JSON on standard input and output.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from mlgitops.packages import LoadedModel

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000  # linux/sched.h


def confine(memory_bytes: int, cpu_seconds: int) -> bool:
    """Limit this process; return whether its network is cut too."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    unshare = getattr(libc, "unshare", None)
    if unshare is None:
        return False
    return bool(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 or unshare(CLONE_NEWNET) == 0)


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Read a CSV (one line of names first) or Parquet file as columns."""
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path, use_threads=False)
    else:
        table = pyarrow.csv.read_csv(path, read_options=pyarrow.csv.ReadOptions(use_threads=False))
    return {name: table[name].to_numpy() for name in table.column_names}


def inputs_for(model: LoadedModel, features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Arrange feature columns as a model's signature wants them: by name, or as one matrix."""
    import numpy as np

    wanted = model.signature.inputs
    if len(wanted) == 1 and wanted[0].name not in features:
        return {wanted[0].name: np.column_stack(list(features.values()))}
    missing = [spec.name for spec in wanted if spec.name not in features]
    if missing:
        raise ValueError(f"the data set has no column {', '.join(missing)}; it has: {', '.join(features)}")
    return {spec.name: features[spec.name] for spec in wanted}


def losses(model: LoadedModel, features: dict[str, np.ndarray], target: np.ndarray) -> dict[str, list[float]]:
    """Return what a model did on every row, a column a kind of loss."""
    import numpy as np

    answers = model.infer(inputs_for(model, features))
    predicted = np.asarray(answers.get("predict", next(iter(answers.values())))).reshape(-1)
    if len(predicted) != len(target):
        raise ValueError(f"{len(predicted)} predictions for {len(target)} rows")
    probabilities = answers.get("predict_proba")
    if probabilities is None and np.issubdtype(predicted.dtype, np.floating):
        errors = predicted.astype(float) - target.astype(float)
        return {"absolute_error": np.abs(errors).tolist(), "squared_error": (errors**2).tolist()}
    columns = {"correct": (predicted.astype(str) == target.astype(str)).astype(float).tolist()}
    if probabilities is not None:
        classes = np.asarray(model.classes).astype(str)
        place = {label: index for index, label in enumerate(classes)}
        chosen = [
            row[place[label]] if label in place else 0.0
            for row, label in zip(probabilities, target.astype(str), strict=True)
        ]
        columns["log_loss"] = (-np.log(np.clip(chosen, 1e-15, 1.0))).tolist()
    return columns


def score(request: dict[str, Any]) -> dict[str, Any]:
    """Score every package of a request on its data set."""
    from mlgitops import packages

    table = read_table(Path(request["dataset"]))
    name = request["target"]
    if name not in table:
        raise ValueError(f"the data set has no target column {name!r}; it has: {', '.join(table)}")
    target = table.pop(name)
    answer = {}
    for role, package in request["packages"].items():
        model = packages.load(
            Path(package["folder"]),
            digest=package["digest"],
            trusted_types=package["trustedTypes"],
            allow_code=package["allowCode"],
        )
        answer[role] = losses(model, table, target)
    return {"rows": len(target), "columns": answer}


def main() -> None:
    """Answer one request; an error is an answer too, so that the parent can tell it from a crash."""
    answer_to = os.dup(1)
    request = json.load(sys.stdin)
    os.dup2(2, 1)  # whatever a library prints must not mix with the answer
    isolated = confine(request["memoryBytes"], request["cpuSeconds"])
    try:
        answer = {"networkCut": isolated, **score(request)}
    except Exception as error:  # a model may raise anything; the parent words it
        answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
    with os.fdopen(answer_to, "w") as pipe:
        json.dump(answer, pipe)


if __name__ == "__main__":
    main()
