"""What a pod tells its containers, read from the environment once at start."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mlgitops.errors import InputError

MEBIBYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Settings:
    """What the server was told: which model to serve, where, and within which limits.

    Times are seconds, sizes bytes. ``queue`` is how many requests may wait for the
    model, ``batch_rows`` how many rows of them go to it at once. Port 0 is any free one.
    """

    model: str
    version: str
    digest: str
    folder: Path
    trusted_types: tuple[str, ...] = ()
    allow_code: bool = False
    bind: str = "0.0.0.0"  # noqa: S104 - a pod's own address; who may reach it is the NetworkPolicy's
    port: int = 8080
    metrics_port: int = 8081
    timeout: float = 30.0
    drain: float = 20.0
    max_body: int = 64 * MEBIBYTE
    queue: int = 1000
    batch_rows: int = 1024


_NUMBERS: Final[Mapping[str, tuple[str, type[int] | type[float]]]] = {
    "port": ("MLGITOPS_PORT", int),
    "metrics_port": ("MLGITOPS_METRICS_PORT", int),
    "timeout": ("MLGITOPS_REQUEST_TIMEOUT", float),
    "drain": ("MLGITOPS_DRAIN_TIMEOUT", float),
    "max_body": ("MLGITOPS_MAX_BODY", int),
    "queue": ("MLGITOPS_QUEUE", int),
    "batch_rows": ("MLGITOPS_BATCH_ROWS", int),
}


def read(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the server's settings.

    Raises:
        InputError: one is missing or malformed; the message names the variable.
    """
    optional: dict[str, Any] = {
        field: _number(environment[variable], variable, kind)
        for field, (variable, kind) in _NUMBERS.items()
        if environment.get(variable)
    }
    if environment.get("MLGITOPS_BIND"):
        optional["bind"] = environment["MLGITOPS_BIND"]
    return Settings(
        model=required(environment, "MLGITOPS_MODEL"),
        version=required(environment, "MLGITOPS_VERSION"),
        digest=required(environment, "MLGITOPS_DIGEST"),
        folder=Path(required(environment, "MLGITOPS_MODEL_DIR")),
        trusted_types=_names(environment, "MLGITOPS_TRUSTED_TYPES"),
        allow_code=environment.get("MLGITOPS_ALLOW_CODE", "").lower() == "true",
        **optional,
    )


def required(environment: Mapping[str, str], variable: str) -> str:
    """Return a variable that must be there.

    Raises:
        InputError: it is not set, or empty.
    """
    value = environment.get(variable)
    if not value:
        raise InputError(f"{variable} is not set; the pod of a ModelDeployment sets it")
    return value


def _number(text: str, variable: str, kind: type[int] | type[float]) -> int | float:
    try:
        value = kind(text)
    except ValueError:
        raise InputError(f"{variable} is {text!r}; expected a number") from None
    if not 0 <= value < float("inf"):
        raise InputError(f"{variable} is {text!r}; expected a number that is not negative")
    return value


def _names(environment: Mapping[str, str], variable: str) -> tuple[str, ...]:
    try:
        names = json.loads(environment.get(variable) or "[]")
    except ValueError:
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{variable} is not a JSON list of names")
    return tuple(names)
