"""Names of objects, and the labels and annotations that mean something to us."""

from __future__ import annotations

import re

from mlgitops.errors import InputError

NAME_LENGTH = 40
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_VERSION = re.compile(r"[1-9][0-9]{0,8}")

REQUESTED_AT = "mlgitops.dev/requestedAt"
FLUX_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
# Commands are states: each names the revision it is for and means nothing for another.
ABORT = "mlgitops.dev/abort"
ADVANCE = "mlgitops.dev/advance"
PAUSE = "mlgitops.dev/pause"
RETRY = "mlgitops.dev/retry"
SOURCE_LABEL = "mlgitops.dev/source"


def is_name(text: str) -> bool:
    """Say whether a text may name a model, stage, deployment, runtime or policy."""
    return len(text) <= NAME_LENGTH and _NAME.fullmatch(text) is not None


def is_version(text: str) -> bool:
    """Say whether a text is a version: a whole number from 1 without leading zeros."""
    return _VERSION.fullmatch(text) is not None


def from_foreign(text: str) -> str:
    """Return the name that a foreign one maps to: ``RandomForestModel`` to ``random-forest-model``.

    Raises:
        InputError: nothing of it can stand in a name.
    """
    if is_name(text):
        return text
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", text)
    name = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-").lstrip("0123456789-")[:NAME_LENGTH].rstrip("-")
    if not is_name(name):
        raise InputError(
            f"{text!r} cannot be made a name of lower-case letters, digits and dashes; give one with --model"
        )
    return name


def model_version(model: str, version: str | int) -> str:
    """Return the name of a ModelVersion."""
    return f"{model}.{version}"


def model_stage(model: str, stage: str) -> str:
    """Return the name of a ModelStage."""
    return f"{model}.{stage}"


def split(name: str) -> tuple[str, str]:
    """Take the name of a ModelVersion or ModelStage apart: the model, and the version or stage.

    Raises:
        InputError: it has no dot.
    """
    model, dot, rest = name.partition(".")
    if not (model and dot and rest):
        raise InputError(f"{name!r} is not <model>.<version> or <model>.<stage>")
    return model, rest
