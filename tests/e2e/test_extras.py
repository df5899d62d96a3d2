"""Each extra, installed alone: what it is for works, and what it is not for asks for the right one."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
CACHE = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]

# What somebody who installs an extra does with it first.
PROBES = {
    "s3": "from mlgitops.artifacts import open_store; open_store('s3://bucket')",
    "sklearn": "from mlgitops.packages.loading import flavor; flavor('skops')",
    "onnx": "from mlgitops.packages.loading import flavor; flavor('onnx')",
    "xgboost": "from mlgitops.packages.loading import flavor; flavor('xgboost')",
    "lightgbm": "from mlgitops.packages.loading import flavor; flavor('lightgbm')",
    "catboost": "from mlgitops.packages.loading import flavor; flavor('catboost')",
    "query": "import mlgitops; mlgitops.search_runs().to_pandas()",
    "system": "import psutil, mlgitops.tracking.beside",
    "sign": "from mlgitops.evidence import Key; Key.generate()",
    "kube": "import mlgitops.kube.session",
    "local": "import mlgitops.local.supervisor, mlgitops.local.node.agent",
    "operator": "import mlgitops.operator.app, mlgitops.operator.chassis",
    "evaluate": "import mlgitops.bot.scorer, mlgitops.bot.evaluate as e; e.require('pyarrow', 'evaluate')",
    "serve": "import mlgitops.serving.app, mlgitops.serving.engine, mlgitops.serving.scoring",
}

# Does what the command line does with an error, probe after probe.
DRIVER = """
import json, sys
from mlgitops.cli.extras import extra_of
from mlgitops.cli.main import VERBS, LazyGroup
from mlgitops.errors import MissingExtraError

def answer(probe):
    try:
        exec(probe, {})
    except MissingExtraError as error:
        return str(error)
    except ModuleNotFoundError as error:
        return str(MissingExtraError(error.name, extra_of(error.name)))
    return "works"

for verb in VERBS:  # help needs no extra
    LazyGroup().get_command(None, verb)
print(json.dumps({extra: answer(probe) for extra, probe in json.loads(sys.argv[1]).items()}))
"""


def installed(folder: Path, extra: str) -> Path:
    """Make an environment with one extra, as locked; returns its Python."""
    wanted = f"{ROOT}[{extra}]" if extra else str(ROOT)
    environment = os.environ | {"UV_CACHE_DIR": CACHE}
    for arguments in (
        ("venv", "--quiet", "--python", sys.executable, str(folder)),
        ("pip", "install", "--quiet", "--python", str(folder), "-c", "requirements.lock", "-e", wanted),
    ):
        subprocess.run([UV, *arguments], cwd=ROOT, env=environment, check=True)
    return folder / "bin" / "python"


def test_every_extra_has_a_probe() -> None:
    assert set(PROBES) == set(EXTRAS) - {"all"}


@pytest.mark.parametrize("extra", ["", *PROBES])
def test_an_extra_alone_does_its_work_and_any_other_is_asked_for_in_one_line(tmp_path: Path, extra: str) -> None:
    python = installed(tmp_path / "env", extra)
    done = subprocess.run(
        [python, "-W", "error", "-c", DRIVER, json.dumps(PROBES)], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert not extra or answers[extra] == "works"
    for other, answer in answers.items():
        asked = re.fullmatch(r"\S+ is not installed; run: pip install 'mlgitops\[([a-z0-9]+)\]'", answer)
        assert answer == "works" or (asked and asked[1] in EXTRAS), (other, answer)
