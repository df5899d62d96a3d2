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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that may take longest, so that no worker has one of them left when the others are done."""
    longest: dict[Path, float] = {}
    for item in items:
        mark = item.get_closest_marker("timeout")
        longest[item.path] = max(longest.get(item.path, 0), mark.args[0] if mark else 0)
    items.sort(key=lambda item: -longest[item.path])
