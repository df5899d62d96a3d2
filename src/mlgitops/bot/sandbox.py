"""Starts the scorer: the parent's side of the wall between models and keys."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mlgitops.errors import CheckFailedError, OutsideError

MEMORY = 8 << 30  # bytes of address space; mapped libraries count too
CPU_SECONDS = 600
WALL_SECONDS = 900


@dataclass(frozen=True, slots=True)
class Candidate:
    """A package to score: its verified folder and what the policy trusts it with."""

    folder: Path
    digest: str
    trusted_types: tuple[str, ...] = ()
    allow_code: bool = False


@dataclass(frozen=True, slots=True)
class Scores:
    """Per-row columns by role (``challenger``, ``champion``), all of the same length."""

    rows: int
    columns: Mapping[str, Mapping[str, list[float]]]
    network_cut: bool


def score(candidates: Mapping[str, Candidate], dataset: Path, target: str) -> Scores:
    """Score packages on a data set in a process that has nothing worth stealing.

    Raises:
        CheckFailedError: a model could not be loaded or did not predict; the message says why.
        OutsideError: the process died or took too long.
    """
    request = {
        "packages": {
            role: {
                "folder": str(candidate.folder),
                "digest": candidate.digest,
                "trustedTypes": list(candidate.trusted_types),
                "allowCode": candidate.allow_code,
            }
            for role, candidate in candidates.items()
        },
        "dataset": str(dataset),
        "target": target,
        "memoryBytes": MEMORY,
        "cpuSeconds": CPU_SECONDS,
    }
    environment = {"PATH": os.defpath, "OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
    try:
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
    return read_answer(ended.stdout, set(candidates))


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
        return Scores(rows, columns, bool(answer["networkCut"]))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckFailedError(f"the evaluation's answer is not one: {error!r}") from error
