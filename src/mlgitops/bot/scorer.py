"""The sandboxed child of an evaluation: loads one model, predicts, returns per-row losses.

``mlgitops.bot.sandbox`` starts one for each model, as ``python -I -m mlgitops.bot.scorer`` with an
empty environment; request and answer are JSON on standard input and output. It runs as the user who
evaluates. Before it touches a model it limits its memory, files and processor time, and, where the
kernel lets it make namespaces, it cuts its network, puts nothing over the folders that hold keys, and
gives up every right that could undo that. From a namespace of its own no other process of the user
can be looked into either.

Where the kernel does not let it, the answer says so and the signed statement with it: then a model's
code could read what its user may read but for the parent's memory and environment, which the parent
closes, and could send it away. So a package that may run code (``allowCode``) is refused there; the
others are parsed and never executed. What always remains is the reading of other files of the user
that nobody listed: evaluate as a user who has only the signing key.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from mlgitops.packages import LoadedModel

CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWNET = 0x00020000, 0x10000000, 0x40000000  # linux/sched.h
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000  # linux/mount.h
PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h
CAPABILITIES_V3 = 0x20080522  # linux/capability.h


@dataclass(frozen=True, slots=True)
class Confined:
    """What the kernel granted."""

    network_cut: bool
    secrets_hidden: bool


def confine(memory_bytes: int, cpu_seconds: int, hidden: Sequence[str] = ()) -> Confined:
    """Limit this process and shut it off, as far as the kernel lets it.

    Args:
        memory_bytes: address space that it may have.
        cpu_seconds: processor time that it may take.
        hidden: files and folders that it must not see; what is not there needs no hiding.
    """
    # Python finds the place of temporary files by writing one; PyTorch asks for it, and writes none.
    tempfile.gettempdir()
    libc = ctypes.CDLL(None, use_errno=True)
    unshare, mount = getattr(libc, "unshare", None), getattr(libc, "mount", None)
    network = secrets = False
    if unshare is not None and mount is not None:
        user, group = os.getuid(), os.getgid()
        if unshare(CLONE_NEWUSER) == 0:
            _keep_identity(user, group)
        network = unshare(CLONE_NEWNET) == 0
        secrets = unshare(CLONE_NEWNS) == 0 and _hide(mount, hidden)
        secrets = _give_up_rights(libc) and secrets
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    return Confined(network, secrets)


def _keep_identity(user: int, group: int) -> None:
    """Be the same user inside of the user namespace (``man 7 user_namespaces``)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def _hide(mount: Any, hidden: Sequence[str]) -> bool:
    """Put an empty folder, or an empty file, over each path in this process's own view of the disks."""
    if mount(None, b"/", None, MS_REC | MS_PRIVATE, None) != 0:
        return False
    done = True
    for path in hidden:
        place = Path(path).resolve()
        if place.is_dir():
            done &= mount(b"tmpfs", bytes(place), b"tmpfs", 0, b"size=4k,mode=0500") == 0
        elif place.exists():
            done &= mount(b"/dev/null", bytes(place), None, MS_BIND, None) == 0
    return done


def _give_up_rights(libc: ctypes.CDLL) -> bool:
    """Drop all capabilities for good: mounts of a namespace that one has no rights in stay as they are."""
    header = (ctypes.c_uint32 * 2)(CAPABILITIES_V3, 0)
    none = (ctypes.c_uint32 * 6)()
    dropped = libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and libc.capset(header, none) == 0
    return bool(dropped)


def count_rows(path: Path) -> int:
    """Return the number of rows of a CSV or Parquet file without keeping them."""
    import pyarrow.csv
    import pyarrow.parquet

    if path.suffix == ".parquet":
        return int(pyarrow.parquet.read_metadata(path).num_rows)
    with pyarrow.csv.open_csv(path, read_options=pyarrow.csv.ReadOptions(use_threads=False)) as reader:
        return sum(batch.num_rows for batch in reader)


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
    predicted = np.asarray(answers.get("predict", next(iter(answers.values()))))
    probabilities = answers.get("predict_proba")
    if (
        probabilities is None
        and predicted.ndim == 2
        and predicted.shape[1] > 1
        and np.issubdtype(target.dtype, np.integer)
    ):
        return _losses_of_scores(predicted, target)
    predicted = predicted.reshape(-1)
    if len(predicted) != len(target):
        raise ValueError(f"{len(predicted)} predictions for {len(target)} rows")
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


def _losses_of_scores(scores: np.ndarray, target: np.ndarray) -> dict[str, list[float]]:
    """Return the losses of a network that answers a score for each of the classes 0, 1, 2, …."""
    import numpy as np

    if len(scores) != len(target):
        raise ValueError(f"{len(scores)} predictions for {len(target)} rows")
    columns = {"correct": (scores.argmax(axis=1) == target).astype(float).tolist()}
    are_probabilities = (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1, atol=1e-3)
    if are_probabilities:
        known = (target >= 0) & (target < scores.shape[1])
        chosen = np.where(known, scores[np.arange(len(target)), np.where(known, target, 0)], 0.0).astype(float)
        columns["log_loss"] = (-np.log(np.clip(chosen, 1e-15, 1.0))).tolist()
    return columns


def score(request: dict[str, Any], confined: Confined) -> dict[str, Any]:
    """Score the package of a request on its data set."""
    from mlgitops import packages

    if request["allowCode"] and not confined.network_cut:
        raise PermissionError(
            "the package may run code (allowCode), and this machine does not let the evaluation cut its network; "
            "evaluate where user namespaces are allowed"
        )
    table = read_table(Path(request["dataset"]))
    name = request["target"]
    if name not in table:
        raise ValueError(f"the data set has no target column {name!r}; it has: {', '.join(table)}")
    target = table.pop(name)
    model = packages.load(
        Path(request["folder"]),
        digest=request["digest"],
        trusted_types=request["trustedTypes"],
        allow_code=request["allowCode"],
        expected=request["format"],
        lean=True,  # this process does nothing else
    )
    return {"rows": len(target), "columns": {request["role"]: losses(model, table, target)}}


def main() -> None:
    """Answer one request; an error is an answer too, so that the parent can tell it from a crash."""
    answer_to = os.dup(1)
    request = json.load(sys.stdin)
    os.dup2(2, 1)  # whatever a library prints must not mix with the answer
    confined = confine(request["memoryBytes"], request["cpuSeconds"], request["hidden"])
    try:
        answer: dict[str, Any] = {"networkCut": confined.network_cut, "secretsHidden": confined.secrets_hidden}
        answer |= score(request, confined)
    except Exception as error:  # a model may raise anything; the parent words it
        answer = {"error": f"{type(error).__name__}: {error}"[:2000]}
    with os.fdopen(answer_to, "w") as pipe:
        json.dump(answer, pipe)


if __name__ == "__main__":
    main()
