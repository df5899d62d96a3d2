"""Autologging that is off again after each test, and errors of it that are the test's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import mlgitops
from mlgitops import digest, tracking
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


def only(root: Path) -> tracking.RunRecord:
    """Return the one run that was made."""
    (record,) = tracking.list_runs(root)
    return record


def wait_until(condition: Callable[[], Any]) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + 180  # the process that saves gives way to all others
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def assert_sealed(record: tracking.RunRecord) -> None:
    """Hold a record and its models to their digests."""
    sealed = digest.Manifest.from_bytes((record.folder / digest.MANIFEST).read_bytes())
    assert all(digest.of_file(record.folder / entry.path) == entry.digest for entry in sealed.files)
    for model in record.models:
        digest.verify(record.folder / model.path, model.digest)
