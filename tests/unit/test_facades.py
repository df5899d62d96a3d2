"""Rooms whose names are fetched when they are first used."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest


@pytest.mark.parametrize("room", ["mlgitops.api", "mlgitops.git", "mlgitops.registry"])
def test_every_name_that_a_room_offers_is_there_and_no_other(room: str) -> None:
    found = import_module(room)
    for name in found.__all__:
        assert getattr(found, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'unheard_of'"):
        _ = found.unheard_of


@pytest.mark.parametrize("call", ["registry.examine", "registry.stage"])
def test_a_question_about_little_imports_little(call: str) -> None:
    source = f"import sys; from mlgitops import registry; {call}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True).stdout.split()
    assert "mlgitops.registry" in loaded
    assert {"mlgitops.api.deployment", "multiprocessing", "ruamel.yaml"}.isdisjoint(loaded)
