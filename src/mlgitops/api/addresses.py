"""One grammar for naming things, the same everywhere a person names one.

iris            a model            runs:/ID          a run
iris:3          a version          runs:/ID/NAME     a model that a run logged
iris@production what a stage names ./folder, a/b     a path (contains "/" or starts with ".")
models:/iris/3  models:/iris@production  models:/iris/production  models:/iris
"""

from __future__ import annotations

from dataclasses import dataclass

from mlgitops.api import names
from mlgitops.errors import InputError

_FORMS = "MODEL, MODEL:VERSION, MODEL@STAGE, runs:/ID[/NAME], models:/MODEL[/VERSION], or a path with a slash"


@dataclass(frozen=True, slots=True)
class ModelAddress:
    """A model, one of its versions, or what one of its stages names."""

    model: str
    version: str = ""
    stage: str = ""

    def __str__(self) -> str:
        if self.version:
            return f"{self.model}:{self.version}"
        return f"{self.model}@{self.stage}" if self.stage else self.model


@dataclass(frozen=True, slots=True)
class RunAddress:
    """A run, or one model that it logged."""

    run: str
    name: str = ""

    def __str__(self) -> str:
        return f"runs:/{self.run}" + (f"/{self.name}" if self.name else "")


@dataclass(frozen=True, slots=True)
class PathAddress:
    """A file or folder."""

    path: str

    def __str__(self) -> str:
        return self.path


Address = ModelAddress | RunAddress | PathAddress


def parse(text: str) -> Address:
    """Read an address.

    Raises:
        InputError: it has none of the forms; the message lists them.
    """
    if text.startswith("runs:/"):
        return _run(text)
    if text.startswith("models:/"):
        return _model(_native(text.removeprefix("models:/")), text)
    if "/" in text or text.startswith("."):
        return PathAddress(text)
    return _model(text, text)


def _run(text: str) -> RunAddress:
    run, _, name = text.removeprefix("runs:/").strip("/").partition("/")
    if not run:
        raise InputError(f"{text!r} names no run; expected runs:/ID or runs:/ID/NAME")
    return RunAddress(run, name)


def _native(rest: str) -> str:
    """Turn what follows MLflow's ``models:/`` into our own form."""
    model, slash, last = rest.strip("/").partition("/")
    if not slash or last == "latest":
        return model
    return f"{model}:{last}" if names.is_version(last) else f"{model}@{last.lower()}"


def _model(native: str, text: str) -> ModelAddress:
    if "@" in native:
        model, _, stage = native.partition("@")
        address, valid = ModelAddress(model, stage=stage), names.is_name(stage)
    elif ":" in native:
        model, _, version = native.partition(":")
        address, valid = ModelAddress(model, version=version), names.is_version(version)
    else:
        address, valid = ModelAddress(native), True
    if not (valid and names.is_name(address.model)):
        raise InputError(f"{text!r} is not an address; expected {_FORMS}")
    return address
