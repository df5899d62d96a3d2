"""Starts the scorer, once for each model: the parent's side of the wall between models and keys.

What the wall is made of, and where it is thinner, is in ``scorer``. The parent believes of an answer
only its shape: as many finite numbers as the data set has rows, and of a model only about itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlgitops.bot import scorer
from mlgitops.errors import CheckFailedError, OutsideError

MEMORY = 8 << 30  # bytes of address space; mapped libraries count too
CPU_SECONDS = 600
WALL_SECONDS = 900
PR_GET_DUMPABLE, PR_SET_DUMPABLE = 3, 4  # linux/prctl.h
# Below the home folder; the child has no business with any of them.
SECRETS = (".aws", ".azure", ".config", ".docker", ".git-credentials", ".gnupg", ".kube", ".netrc", ".pypirc", ".ssh")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package to score: its verified folder and what the policy trusts it with."""

    folder: Path
    digest: str
    trusted_types: tuple[str, ...] = ()
    allow_code: bool = False
    format: str = ""  # that its version names, for which code is allowed


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-row columns by role (``challenger``, ``champion``), all of the same length.

    ``network_cut`` and ``secrets_hidden`` say whether the kernel granted them to every process.
    """

    rows: int
    columns: Mapping[str, Mapping[str, list[float]]]
    network_cut: bool
    secrets_hidden: bool


def score(candidates: Mapping[str, Candidate], dataset: Path, target: str, hidden: Sequence[Path] = ()) -> Scores:
    """Score packages on a data set, each in a process of its own; the first candidate comes last.

    Args:
        candidates: the packages by role; what comes first is trusted least.
        dataset: a CSV or Parquet file.
        target: the column that holds the truth.
        hidden: files and folders that no package may see, besides the usual places of secrets.

    Raises:
        CheckFailedError: a model could not be loaded or did not predict; the message says why.
        OutsideError: the process died or took too long.
    """
    columns: dict[str, Mapping[str, list[float]]] = {}
    rows, cut, away = 0, True, True
    # A package that may run code could touch files on its way out, so the challenger goes last.
    for role in reversed(list(candidates)):
        found = _score(role, candidates[role], dataset, target, hidden)
        columns[role] = found.columns[role]
        rows, cut, away = found.rows, cut and found.network_cut, away and found.secrets_hidden
    return Scores(rows, {role: columns[role] for role in candidates}, cut, away)


def _score(role: str, candidate: Candidate, dataset: Path, target: str, hidden: Sequence[Path]) -> Scores:
    home = Path.home()
    request = {
        "role": role,
        "folder": str(candidate.folder),
        "digest": candidate.digest,
        "trustedTypes": list(candidate.trusted_types),
        "allowCode": candidate.allow_code,
        "format": candidate.format,
        "dataset": str(dataset),
        "target": target,
        "hidden": [str(path) for path in (*hidden, *(home / name for name in SECRETS))],
        "memoryBytes": MEMORY,
        "cpuSeconds": CPU_SECONDS,
    }
    environment = {"PATH": os.defpath, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    try:
        with _closed():
            ended = subprocess.run(
                [sys.executable, "-I", "-m", "mlgitops.bot.scorer"],
                input=json.dumps(request).encode(),
                capture_output=True,
                env=environment,
                timeout=WALL_SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired as error:
        raise OutsideError(f"the evaluation took more than {WALL_SECONDS} s and was stopped") from error
    if ended.returncode != 0:
        last = ended.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise OutsideError(f"the evaluation's process ended with {ended.returncode}: {' '.join(last)[:500]}")
    found = read_answer(ended.stdout, {role})
    rows = scorer.count_rows(dataset)
    if found.rows != rows:
        raise CheckFailedError(f"the evaluation answered for {found.rows} rows, the data set has {rows}")
    return found


@contextlib.contextmanager
def _closed() -> Iterator[None]:
    """Keep this process's memory and environment from others of its user (``man 2 PR_SET_DUMPABLE``)."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    before = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) if prctl else -1
    if prctl is None or before != 1:
        yield
        return
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
    try:
        yield
    finally:
        prctl(PR_SET_DUMPABLE, before, 0, 0, 0)


def read_answer(data: bytes, roles: set[str]) -> Scores:
    """Read what the child answered: it ran a model that may be hostile, so nothing about it is sure.

    Raises:
        CheckFailedError: the child reports an error, or its answer is not what was asked for.
    """
    try:
        answer = json.loads(data)
        if "error" in answer:
            raise CheckFailedError(f"the evaluation failed: {str(answer['error'])[:2000]}")
        rows, columns = int(answer["rows"]), dict(answer["columns"])
        if set(columns) != roles:
            raise CheckFailedError(f"the evaluation answered for {sorted(columns)}, expected {sorted(roles)}")
        for role, found in columns.items():
            for name, values in found.items():
                if len(values) != rows or not all(type(v) in (int, float) and math.isfinite(v) for v in values):
                    raise CheckFailedError(f"the evaluation's column {name} of the {role} is not {rows} finite numbers")
        return Scores(rows, columns, answer["networkCut"] is True, answer["secretsHidden"] is True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckFailedError(f"the evaluation's answer is not one: {error!r}") from error
