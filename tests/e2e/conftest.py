"""Whole registries to work on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from worlds.registry import World, make_world


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = make_world(tmp_path, monkeypatch)
    yield found
    found.remote.close()
