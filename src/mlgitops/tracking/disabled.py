"""A run that records nothing: each call returns at once."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from mlgitops.tracking import places
from mlgitops.tracking.run import Run

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.records import Dataset, LoggedModel


class DisabledRun(Run):
    """Takes every call of a run and keeps nothing; ``folder`` is never made."""

    def __init__(self, name: str = "") -> None:
        super().__init__(places.root() / "runs" / places.new_run_id(), name=name)

    def log_metric(
        self, name: str, value: float, step: int | None = None, context: Mapping[str, object] | str | None = None
    ) -> None:
        """Do nothing."""

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        context: Mapping[str, object] | str | None = None,
    ) -> None:
        """Do nothing."""

    def log_param(self, name: str, value: object) -> None:
        """Do nothing."""

    def log_params(self, params: Mapping[str, object]) -> None:
        """Do nothing."""

    def set_tag(self, name: str, value: object) -> None:
        """Do nothing."""

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Do nothing."""

    def log_seeds(self, values: Mapping[str, int]) -> None:
        """Do nothing."""

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> Path:  # noqa: ARG002
        """Return the path that was given."""
        return Path(path)

    def log_dataset(
        self,
        data: object,  # noqa: ARG002
        name: str | None = None,
        context: str | None = None,
        wait: bool = False,  # noqa: ARG002
    ) -> Dataset:
        """Return a data set without a digest."""
        from mlgitops.tracking.records import Dataset

        return Dataset(name or "data", "", context)

    def log_model(self, model: Any, name: str = "model", **options: Any) -> LoggedModel:  # noqa: ARG002
        """Return a model without a path."""
        from mlgitops.tracking.records import LoggedModel

        return LoggedModel(name, "", "", "")

    def accompany(self, system_metrics: bool | float | None, push_every: float | None) -> None:
        """Do nothing."""

    def end(self, status: str = "finished", error: str = "") -> None:
        """End nothing."""
        from mlgitops.tracking import session

        self._status, self._error = status, error
        session.leave(self)

    def failed(self, what: str, error: Exception, name: object = "") -> None:
        """Nothing is written, so nothing can fail."""

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[str, ...]]:
        return DisabledRun, (self.name,)

    def _keep(self, kind: str, name: str, step: int | None, encode: Callable[[], Any]) -> None:
        pass
