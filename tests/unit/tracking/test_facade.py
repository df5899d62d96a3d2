from __future__ import annotations

import subprocess
import sys

import pytest

import mlgitops


def in_a_new_process(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_importing_loads_what_writes_a_run_and_no_other_room() -> None:
    source = "import sys, mlgitops; print(*sorted({name.split('.')[1] for name in sys.modules if '.' in name and "
    source += "name.startswith('mlgitops.')}))"
    assert in_a_new_process(source) == "lazy tracking"


def test_starting_a_run_and_logging_imports_nothing() -> None:
    source = (
        "import os, sys, tempfile; os.environ['MLGITOPS_DIR'] = tempfile.mkdtemp()\n"
        "import mlgitops\n"
        "before = set(sys.modules)\n"
        "run = mlgitops.start_run()\n"
        "mlgitops.log_metric('loss', 1.0)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    assert in_a_new_process(source) == "[]"


def test_starting_a_run_loads_the_standard_library_only() -> None:
    source = (
        "import os, sys, tempfile; os.environ['MLGITOPS_DIR'] = tempfile.mkdtemp()\n"
        "import mlgitops\n"
        "with mlgitops.start_run():\n"
        "    mlgitops.log_metric('loss', 1.0)\n"
        "tops = {name.split('.')[0] for name in sys.modules}\n"
        "print(sorted(tops - sys.stdlib_module_names - {'__main__', 'mlgitops'} - set(sys.builtin_module_names)))\n"
    )
    left = in_a_new_process(source)
    assert [name for name in eval(left) if not name.startswith(("_", "sitecustomize"))] == []


def test_every_public_name_is_there_and_listed() -> None:
    for name in mlgitops.__all__:
        assert getattr(mlgitops, name) is not None
        assert name in dir(mlgitops)
    assert mlgitops.__version__


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'start_rum'"):
        mlgitops.start_rum  # noqa: B018
