from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops.errors import InputError
from mlgitops.operator.options import Options


def test_without_anything_the_defaults_hold() -> None:
    assert Options.from_command_line([]) == Options()


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_OPERATOR_NAMESPACE", "shop")
    monkeypatch.setenv("MLGITOPS_OPERATOR_WORKERS", "4")
    monkeypatch.setenv("MLGITOPS_OPERATOR_KUBECONFIG", "/k")
    assert Options.from_environment() == Options(namespace="shop", workers=4, kubeconfig=Path("/k"))


def test_a_flag_wins_over_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_OPERATOR_WORKERS", "4")
    monkeypatch.setenv("MLGITOPS_OPERATOR_LEASE", "operator")
    assert Options.from_command_line(["--workers", "8"]) == Options(workers=8, lease="operator")


@pytest.mark.parametrize("text", ["many", "-1", "1.5"])
def test_a_number_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLGITOPS_OPERATOR_PROBES_PORT", text)
    with pytest.raises(InputError, match=f"--probes-port must be a whole number, not '{text}'"):
        Options.from_environment()
