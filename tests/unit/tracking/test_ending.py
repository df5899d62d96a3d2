"""What a person reads when a training script ends."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPT = """
import mlgitops, numpy as np
from sklearn.linear_model import LinearRegression
X = np.arange(6.0).reshape(3, 2)
with mlgitops.start_run():
    mlgitops.log_model(LinearRegression().fit(X, X.sum(axis=1)), name="line", input_example=X)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / ".gitignore").write_text(".mlgitops/\n")
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "Train"]):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)
    return tmp_path


def told(project: Path) -> str:
    done = subprocess.run([sys.executable, "train.py"], cwd=project, capture_output=True, text=True, check=True)
    return done.stderr


def test_a_run_with_a_model_ends_with_the_next_command(project: Path) -> None:
    last = told(project).splitlines()[-1]
    assert last.startswith("mlgitops: next: mlgitops propose 01")


def test_a_dirty_source_is_said_at_once_and_not_at_the_last_gate(project: Path) -> None:
    assert "warning" not in told(project)
    (project / "helpers.py").write_text("SCALE = 2\n")
    assert "warning: trained from uncommitted changes, which a last stage refuses" in told(project)


def test_a_source_that_no_commit_holds_is_said_too(project: Path) -> None:
    shutil.rmtree(project / ".git")
    assert "warning: trained from no known commit, which a last stage refuses" in told(project)
