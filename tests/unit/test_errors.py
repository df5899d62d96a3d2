"""The error tree: what each class promises the reader."""

from __future__ import annotations

import inspect
import sys

import pytest

from mlgitops import errors
from mlgitops.errors import IntegrityError, InvalidError, MissingExtraError, MlgitopsError, Problem, require


def test_every_error_has_the_one_root_and_a_documented_exit_code() -> None:
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, Exception)]
    assert len(classes) >= 8
    assert all(issubclass(c, MlgitopsError) and c.exit_code in (1, 2, 3) for c in classes)


def test_a_problem_names_file_line_and_field() -> None:
    problem = Problem("models/iris/stages/production.yaml", 6, "spec.version", '"9" names no ModelVersion; known: 1, 2')
    assert str(problem) == 'models/iris/stages/production.yaml:6: spec.version "9" names no ModelVersion; known: 1, 2'


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("a.yaml", 0, "", "is not YAML"), "a.yaml is not YAML"),
        (Problem("a.yaml", 3, "", "is not YAML"), "a.yaml:3 is not YAML"),
        (Problem("a.yaml", 0, "spec", "is missing"), "a.yaml: spec is missing"),
    ],
)
def test_a_problem_leaves_out_what_it_does_not_know(problem: Problem, expected: str) -> None:
    assert str(problem) == expected


def test_five_mistakes_are_seen_as_five() -> None:
    error = InvalidError(Problem("a.yaml", n, f"spec.f{n}", "is wrong") for n in range(1, 6))
    assert len(str(error).splitlines()) == 5
    assert [p.line for p in error.problems] == [1, 2, 3, 4, 5]


def test_an_integrity_error_says_expected_and_found() -> None:
    error = IntegrityError("model.skops", expected="sha256:aa", found="sha256:bb")
    assert "expected digest sha256:aa" in str(error)
    assert "found sha256:bb" in str(error)


def test_a_missing_extra_is_one_line_that_names_the_pip_command() -> None:
    with pytest.raises(MissingExtraError) as caught:
        require("a_module_that_nobody_wrote", "s3")
    assert str(caught.value) == "a_module_that_nobody_wrote is not installed; run: pip install 'mlgitops[s3]'"


def test_what_a_module_of_ours_needs_is_asked_for_by_its_own_name(monkeypatch) -> None:
    module = "mlgitops.packages.flavors.conversion"
    monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(MissingExtraError, match=r"^skl2onnx is not installed; run: pip install 'mlgitops\[onnx\]'$"):
        require(module, "onnx")


def test_a_module_of_ours_that_is_not_there_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError):
        require("mlgitops.nowhere", "onnx")


def test_an_import_that_fails_deeper_is_not_blamed_on_the_extra(tmp_path, monkeypatch) -> None:
    (tmp_path / "half_installed.py").write_text("import something_below_it\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="something_below_it"):
        require("half_installed", "s3")
