from __future__ import annotations

import importlib
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import mlgitops
from mlgitops.errors import InputError
from mlgitops.tracking.autolog import imports

FRAMEWORKS = "{'catboost', 'keras', 'lightgbm', 'lightning', 'optuna', 'sklearn', 'statsmodels', 'torch', 'xgboost'}"


def in_a_new_process(source: str) -> str:
    done = subprocess.run([sys.executable, "-W", "error", "-c", source], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_negative_number_of_steps_is_refused() -> None:
    with pytest.raises(InputError, match=r"log_every_n_steps is -1; expected 0"):
        mlgitops.autolog(log_every_n_steps=-1)


def test_turning_it_on_imports_no_framework() -> None:
    source = f"import sys, mlgitops; mlgitops.autolog(); print({FRAMEWORKS} & set(sys.modules), 'numpy' in sys.modules)"
    assert in_a_new_process(source) == "set() False"


@pytest.mark.slow
def test_a_framework_that_is_imported_later_is_found_and_looks_as_without_it() -> None:
    source = (
        "import sys, mlgitops; mlgitops.autolog()\n"
        "import sklearn.linear_model as module\n"
        "fit = module.LogisticRegression.fit\n"
        "print(hasattr(fit.__wrapped__, '__wrapped__'), 'exec_module' in vars(module.__loader__), module.__name__)\n"
    )
    assert in_a_new_process(source) == "True False sklearn.linear_model"


@pytest.mark.slow
def test_turning_it_off_takes_everything_out_again() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from xgboost import sklearn, training

    before = (LogisticRegression.fit, vars(Pipeline)["fit_predict"], training.train, list(sys.meta_path))
    mlgitops.autolog()
    during = (LogisticRegression.fit, vars(Pipeline)["fit_predict"], training.train, list(sys.meta_path))
    assert all(one is not other for one, other in zip(before, during, strict=True))
    assert sklearn.train is training.train
    mlgitops.autolog(disable=True)
    assert (LogisticRegression.fit, vars(Pipeline)["fit_predict"], training.train, list(sys.meta_path)) == before
    assert sklearn.train is training.train


@pytest.mark.slow
def test_turning_it_on_twice_is_turning_it_on_once() -> None:
    from sklearn.linear_model import LogisticRegression

    mlgitops.autolog("sklearn")
    fit = LogisticRegression.fit
    mlgitops.autolog("sklearn", log_models=False)
    assert LogisticRegression.fit is fit


@pytest.mark.slow
def test_a_wrapped_method_is_pickled_by_its_name() -> None:
    from sklearn.linear_model import LogisticRegression

    without = pickle.dumps(LogisticRegression.fit)
    mlgitops.autolog("sklearn")
    assert pickle.dumps(LogisticRegression.fit) == without
    assert pickle.loads(without) is LogisticRegression.fit


def test_a_framework_that_is_not_known_is_refused_by_name() -> None:
    with pytest.raises(InputError, match="autolog knows no framework sklaern; known: sklearn"):
        mlgitops.autolog("sklaern")


def test_modules_of_a_watched_package_are_told_after_they_ran_and_fail_as_they_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "watched_by_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "good.py").write_text("value = 1\n")
    (package / "bad.py").write_text("raise ImportError('as always')\n")
    monkeypatch.syspath_prepend(tmp_path)
    told = []
    imports.watch(package.name, lambda module: told.append((module.__name__, getattr(module, "value", None))))
    try:
        importlib.import_module(f"{package.name}.good")
        with pytest.raises(ImportError, match="as always"):
            importlib.import_module(f"{package.name}.bad")
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(f"{package.name}.none")
    finally:
        imports.unwatch(package.name)
    assert told == [(package.name, None), (f"{package.name}.good", 1)]
    assert not any(isinstance(finder, imports.Finder) for finder in sys.meta_path)
