"""The tutorial is true: every block of it is done, in a fresh home, on a real local cluster."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlgitops import config
from worlds.tutorial import Terminal, follow

ROOT = Path(__file__).parents[2]


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
    # The control plane is not built again for a fresh home.
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(config.cache_dir()))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    with Terminal(ROOT, os.environ) as found:
        try:
            yield found
        finally:
            # A failed step leaves the cluster up; one that is down already, or never was, says so and that is all.
            found.run("mlgitops local down --forget")


@pytest.mark.timeout(600)
def test_a_reader_who_types_the_tutorial_sees_what_it_shows(terminal: Terminal) -> None:
    follow((ROOT / "docs" / "tutorial.md").read_text("utf-8"), terminal)
