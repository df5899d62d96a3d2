"""What a run says that a version repeats, and what it keeps to itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from statsmodels.regression.linear_model import OLS

import mlgitops
from mlgitops import tracking
from mlgitops.bot import propose
from mlgitops.bot.proposal import from_run
from mlgitops.tracking.remote import push

X = np.arange(6.0).reshape(3, 2)


def test_a_version_claims_what_is_of_the_model_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    (tmp_path / "train.csv").write_text("1\n")
    with mlgitops.start_run() as run:
        mlgitops.log_metrics({"loss": 0.5, "system/cpu_percent": 99.0, "bad": float("nan")})
        mlgitops.log_metric("loss", 0.25, context="val")
        mlgitops.log_dataset(tmp_path / "train.csv")
        run._line("dataset", '{"name": "unread", "pending": true}')
        mlgitops.log_model(LinearRegression().fit(X, X.sum(axis=1)), name="line", input_example=X)
    record = tracking.read(run.folder)
    version = from_run(record, record.models[0], push(record, (tmp_path / "store").as_uri()), "line")
    assert [(metric.name, metric.value) for metric in version.spec.metrics] == [
        ("loss", "0.5"),
        ("loss{subset=val}", "0.25"),
    ]
    assert [data.name for data in version.spec.datasets] == ["train.csv"]


@pytest.mark.parametrize("library", ["sklearn", "statsmodels"])
def test_a_version_asks_for_the_allowance_that_its_format_needs(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    target = np.array([1.0, 5.1, 9.0])
    fitted = LinearRegression().fit(X, target) if library == "sklearn" else OLS(target, X).fit()
    with mlgitops.start_run() as run:
        mlgitops.log_model(fitted, name="line", input_example=X)
    record = tracking.read(run.folder)
    version = from_run(record, record.models[0], push(record, (tmp_path / "store").as_uri()), "line")
    assert version.spec.artifact.allow_code is (library == "statsmodels")
    assert ("runs code" in propose._body(version)) is (library == "statsmodels")
