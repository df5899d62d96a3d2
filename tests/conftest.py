"""What every test gets: nothing of the person who runs it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# No test has a clock. CI judges a change, not today's luck: there the same examples each time, elsewhere new ones.
settings.register_profile("person", deadline=None)
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("quick", deadline=None, max_examples=25)
settings.load_profile("ci" if os.environ.get("CI") else "person")


def pytest_configure(config: pytest.Config) -> None:
    """Try fewer examples where slow tests are left out."""
    if config.getoption("markexpr") == "not slow":
        settings.load_profile("quick")


@pytest.fixture(autouse=True)
def nothing_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Point every user-level setting at a fresh folder; caches of builds stay shared."""
    home = tmp_path_factory.mktemp("home")
    for variable in list(os.environ):
        if variable.startswith("MLGITOPS_") and variable != "MLGITOPS_CACHE_DIR":
            monkeypatch.delenv(variable)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "A. Tester")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tester@example.com")
    return home


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file of slow tests where those are left out: frameworks take seconds to import, in each worker."""
    if config.getoption("markexpr") != "not slow" or collection_path.suffix != ".py":
        return None
    return "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8") or None
