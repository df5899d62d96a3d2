"""Autologging that is off again after each test, and errors of it that are the test's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import saver
from unit.tracking.conftest import Script, root, script

__all__ = ["Script", "root", "script"]

Runs = Callable[[], dict[str, tracking.RunRecord]]


@pytest.fixture(autouse=True)
def autolog_is_off_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("MLGITOPS_STRICT", "1")
    yield
    mlgitops.autolog(disable=True)
    saver.close()


@pytest.fixture
def runs(root: Path) -> Runs:
    """Return the runs that were made so far, by their names."""

    def read() -> dict[str, tracking.RunRecord]:
        return {record.name: record for record in tracking.list_runs(root)}

    return read
