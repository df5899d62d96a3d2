from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from statsmodels.base.model import GenericLikelihoodModel
from statsmodels.tsa.arima.model import ARIMA

from mlgitops import digest, packages
from mlgitops.errors import InputError

pytestmark = pytest.mark.slow

RANDOM = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "y": RANDOM.normal(size=200),
        "a": RANDOM.uniform(1, 2, size=200),
        "kind": list("xyzzy") * 40,
        "odd name": RANDOM.normal(size=200),
        "person": [f"person-{number}" for number in range(200)],
    }
)
DESIGN = sm.add_constant(TABLE[["a"]])


def fits() -> dict[str, Any]:
    return {
        "columns": sm.OLS(TABLE["y"], DESIGN).fit(),
        "matrix": sm.OLS(TABLE["y"].to_numpy(), DESIGN.to_numpy()).fit(),
        "classes": sm.Logit((TABLE["y"] > 0).astype(int), DESIGN).fit(disp=False),
        "formula": smf.ols("y ~ a + C(kind)", TABLE).fit(),
        "functions": smf.glm("y ~ np.log(a) + Q('odd name')", TABLE).fit(),
        "splines": smf.ols("y ~ bs(a, df=4)", TABLE).fit(),
        "hazard": sm.PHReg(TABLE["y"].abs(), DESIGN[["a"]]),
    }


@pytest.mark.parametrize(
    ("name", "inputs"),
    [
        ("columns", ["const", "a"]),
        ("matrix", ["input"]),
        ("classes", ["const", "a"]),
        ("formula", ["a", "kind"]),
        ("functions", ["a", "odd name"]),
        ("splines", ["a"]),
    ],
)
def test_a_result_answers_as_itself_without_its_training_data(name: str, inputs: list[str], tmp_path: Path) -> None:
    result = fits()[name]
    before = pickle.dumps(result)
    first, second = (packages.save(result, tmp_path / copy) for copy in "ab")
    assert pickle.dumps(result) == before
    assert (first.format, first.safety, first.digest) == ("statsmodels", "code", second.digest)
    assert [spec.name for spec in first.signature.inputs] == inputs
    rows = TABLE if name in ("formula", "functions", "splines") else DESIGN
    given = {"input": rows.to_numpy()} if name == "matrix" else {column: rows[column].to_numpy() for column in inputs}
    answer = packages.load(first.folder, allow_code=True).infer(given)["predict"]
    np.testing.assert_allclose(answer, np.asarray(result.predict(rows if inputs != ["input"] else rows.to_numpy())))
    content = first.data.read_bytes()
    assert b"person-7" not in content
    assert first.size < len(before)


def test_columns_of_an_example_are_put_in_the_order_of_the_fit(folder: Path) -> None:
    package = packages.save(fits()["columns"], folder, input_example=DESIGN[["a", "const"]].head())
    assert [spec.name for spec in package.signature.inputs] == ["const", "a"]
    with pytest.raises(InputError, match="no column const"):
        packages.save(fits()["columns"], folder.with_name("other"), input_example=DESIGN[["a"]])


def test_a_result_and_its_pickle_have_one_digest(tmp_path: Path) -> None:
    result = fits()["formula"]
    again = pickle.loads(pickle.dumps(result))
    assert packages.save(result, tmp_path / "a").digest == packages.save(again, tmp_path / "b").digest


class Script(GenericLikelihoodModel):
    def nloglikeobs(self, params: Any) -> Any:
        return (self.endog - self.exog @ params) ** 2


Script.__module__ = "__main__"


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: sm.OLS(TABLE["y"], DESIGN), "no result of a fit"),
        (lambda: ARIMA(TABLE["y"].to_numpy(), order=(1, 0, 0)).fit(), "forecasts from times"),
        (lambda: fits()["hazard"].fit(), "cannot predict"),
    ],
)
def test_what_no_row_can_be_asked_of_is_refused(make: Any, match: str, folder: Path) -> None:
    with pytest.raises(InputError, match=match):
        packages.save(make(), folder)


def test_a_class_of_a_script_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import __main__

    monkeypatch.setattr(__main__, "Script", Script, raising=False)
    result = Script(TABLE["y"].to_numpy(), DESIGN.to_numpy()).fit(disp=False)
    with pytest.raises(InputError, match="class of a script"):
        packages.save(result, folder)


@pytest.mark.parametrize("format_", ["skops", "xgboost", "keras", "statsmodels"])
def test_a_pickle_is_never_opened_without_an_allowance(format_: str, folder: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "proof",))

    package = packages.save(fits()["columns"], folder)
    described = (folder / "MLmodel").read_text().replace("format: statsmodels", f"format: {format_}")
    (folder / "MLmodel").write_text(described)
    for name in {found.file for found in packages.FORMATS.values()}:
        (folder / name).write_bytes(pickle.dumps(Evil()))
    digest.seal(folder)
    assert packages.inspect(folder).format == format_
    with pytest.raises(InputError):
        packages.load(folder)
    assert not (tmp_path / "proof").exists()
    if format_ == package.format:
        packages.load(folder, allow_code=True)
        assert (tmp_path / "proof").exists()  # what the allowance is about


def test_a_file_that_is_no_pickle_is_refused(folder: Path) -> None:
    packages.save(fits()["columns"], folder)
    (folder / "model.pickle").write_bytes(b"no pickle")
    digest.seal(folder)
    with pytest.raises(InputError, match="cannot be read"):
        packages.load(folder, allow_code=True)
