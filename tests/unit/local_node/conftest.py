"""Shared by the process node's tests."""

from __future__ import annotations

import pytest

from mlgitops.local.node import container as container_module


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for a pause that only the cluster outside needs."""
    monkeypatch.setattr(container_module, "_FIRST_PAUSE", 0.05)
    monkeypatch.setattr(container_module, "_TRY_AGAIN", 0.05)
    monkeypatch.setattr(container_module, "_LEAVE_TRAFFIC", 0.01)
