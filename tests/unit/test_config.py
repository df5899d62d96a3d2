"""Where settings come from, and which one wins."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mlgitops import config
from mlgitops.errors import InputError


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    (tmp_path / "mlgitops.toml").write_text('[store]\nurl = "s3://models"\n')
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    found = config.load(deep)
    assert found.get("store.url") == "s3://models"
    assert found.root == tmp_path


def test_the_environment_wins(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "mlgitops.toml").write_text('[store]\nurl = "s3://models"\n')
    monkeypatch.setenv("MLGITOPS_STORE_URL", "file:///elsewhere")
    assert config.load(tmp_path).get("store.url") == "file:///elsewhere"


def test_a_pyproject_table_serves_when_there_is_no_file_of_ours(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.mlgitops.store]\nurl = "file:///m"\n')
    assert config.load(tmp_path).get("store.url") == "file:///m"


def test_a_pyproject_without_our_table_does_not_stop_the_search(tmp_path: Path) -> None:
    (tmp_path / "mlgitops.toml").write_text('[store]\nurl = "file:///up"\n')
    inner = tmp_path / "project"
    inner.mkdir()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    assert config.load(inner).get("store.url") == "file:///up"


def test_a_missing_setting_says_where_to_set_it() -> None:
    with pytest.raises(InputError) as caught:
        config.Config().require("store.url")
    assert str(caught.value) == "store.url is not set; set MLGITOPS_STORE_URL, or url under [store] in mlgitops.toml"


def test_a_broken_file_is_named_with_the_place(tmp_path: Path) -> None:
    (tmp_path / "mlgitops.toml").write_text("[store\n")
    with pytest.raises(InputError, match=r"mlgitops\.toml: .*line 1"):
        config.load(tmp_path)


@pytest.mark.parametrize(
    ("variable", "function", "expected"),
    [
        ("MLGITOPS_CACHE_DIR", config.cache_dir, "chosen"),
        ("XDG_CACHE_HOME", config.cache_dir, "chosen/mlgitops"),
        ("XDG_STATE_HOME", config.state_dir, "chosen/mlgitops"),
        ("XDG_CONFIG_HOME", config.config_dir, "chosen/mlgitops"),
    ],
)
def test_folders_follow_the_environment(variable, function, expected, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("MLGITOPS_CACHE_DIR", raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "chosen"))
    assert function() == tmp_path / expected


def test_a_user_without_a_name_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    assert config.user() == "unknown"
