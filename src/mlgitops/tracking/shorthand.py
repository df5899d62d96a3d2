"""What a training script calls: each function does what the method of the active run does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mlgitops.tracking.session import current

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.records import Dataset, LoggedModel


def log_metric(
    name: str, value: float, step: int | None = None, context: Mapping[str, object] | str | None = None
) -> None:
    """Write one point of a metric; never raises. See ``Run.log_metric``."""
    current().log_metric(name, value, step, context)


def log_metrics(
    metrics: Mapping[str, float], step: int | None = None, context: Mapping[str, object] | str | None = None
) -> None:
    """Write one point of each of several metrics, at once; never raises."""
    current().log_metrics(metrics, step, context)


def log_param(name: str, value: object) -> None:
    """Write a parameter; never raises."""
    current().log_param(name, value)


def log_params(params: Mapping[str, object]) -> None:
    """Write several parameters; never raises."""
    current().log_params(params)


def set_tag(name: str, value: object) -> None:
    """Write a tag; never raises."""
    current().set_tag(name, value)


def set_tags(tags: Mapping[str, object]) -> None:
    """Write several tags; never raises."""
    current().set_tags(tags)


def log_figure(figure: object, name: str = "figure", step: int | None = None) -> None:
    """Keep a figure of matplotlib or plotly. See ``Run.log_figure``."""
    current().log_figure(figure, name, step)


def log_image(image: object, name: str = "image", step: int | None = None) -> None:
    """Keep an image of PIL, or an array, as PNG. See ``Run.log_image``."""
    current().log_image(image, name, step)


def log_table(table: object, name: str = "table", step: int | None = None) -> None:
    """Keep a table as Parquet or lines of JSON. See ``Run.log_table``."""
    current().log_table(table, name, step)


def log_text(text: str, name: str = "text", step: int | None = None) -> None:
    """Keep a text. See ``Run.log_text``."""
    current().log_text(text, name, step)


def log_html(html: str, name: str = "page", step: int | None = None) -> None:
    """Keep a page of HTML. See ``Run.log_html``."""
    current().log_html(html, name, step)


def log_dict(value: object, name: str = "dict", step: int | None = None) -> None:
    """Keep a value as JSON. See ``Run.log_dict``."""
    current().log_dict(value, name, step)


def log_audio(samples: object, rate: int, name: str = "audio", step: int | None = None) -> None:
    """Keep sound as WAV. See ``Run.log_audio``."""
    current().log_audio(samples, rate, name, step)


def log_artifact(path: str | os.PathLike[str], name: str | None = None) -> Path:
    """Copy a file or folder into the record. See ``Run.log_artifact``."""
    return current().log_artifact(path, name)


def log_dataset(data: object, name: str | None = None, context: str | None = None, wait: bool = False) -> Dataset:
    """Write which data the run used. See ``Run.log_dataset``."""
    return current().log_dataset(data, name, context, wait)


def log_model(model: Any, name: str = "model", **options: Any) -> LoggedModel:
    """Save a model as a package of the run. See ``Run.log_model``."""
    return current().log_model(model, name, **options)
