from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.stats.diagnostic import het_breuschpagan

import mlgitops
from mlgitops import packages
from unit.tracking.autolog.conftest import Runs

pytestmark = pytest.mark.slow

X = sm.add_constant(np.random.RandomState(0).normal(size=(60, 2)))
Y = X @ np.array([1.0, 2.0, 3.0]) + np.random.RandomState(1).normal(size=60)


def test_a_fit_logs_what_its_result_says_of_itself_and_changes_nothing(runs: Runs) -> None:
    def train() -> Any:
        return sm.OLS(Y, X).fit(cov_type="HC1")

    without = pickle.dumps(train())
    mlgitops.autolog("statsmodels", full=True)
    result = train()
    assert pickle.dumps(result) == without
    record = runs()["OLS"]
    assert record.params["cov_type"] == "HC1"
    assert record.params["method"] == "pinv"  # a default
    for name in ("rsquared", "aic", "llf", "ssr", "df_resid"):
        assert record.metrics[name].last == pytest.approx(getattr(result, name))
    assert "OLS Regression Results" in (record.folder / "artifacts" / "model_summary.txt").read_text()
    assert record.datasets[0].rows == 60
    (logged,) = record.models
    model = packages.load(record.folder / logged.path, digest=logged.digest, allow_code=True)
    np.testing.assert_allclose(model.infer({"input": X})["predict"], result.predict(X))


def test_a_formula_is_a_parameter(runs: Runs) -> None:
    mlgitops.autolog("statsmodels", full=True)
    smf.logit("good ~ a", pd.DataFrame({"good": (Y > 0).astype(int), "a": X[:, 1]})).fit(disp=False)
    assert runs()["Logit"].params["formula"] == "good ~ a"


def test_a_fit_inside_of_a_diagnostic_is_no_run(runs: Runs) -> None:
    result = sm.OLS(Y, X).fit()
    mlgitops.autolog("statsmodels", full=True)
    het_breuschpagan(result.resid, X)
    assert runs() == {}
