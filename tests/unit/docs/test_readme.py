"""What the README shows of a mistake is what the product says."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

from worlds.tutorial import Terminal, follow

ROOT = Path(__file__).parents[3]


def test_the_broken_file_is_told_as_the_readme_shows(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "examples" / "repo-layout", tmp_path / "registry")
    _, _, section = (ROOT / "README.md").read_text("utf-8").partition("\n## Make a mistake\n")
    section, _, _ = section.partition("\n## ")
    assert "did you mean" in section
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    with Terminal(tmp_path / "registry", {"PATH": path, "MLGITOPS_CACHE_DIR": str(tmp_path / "cache")}) as terminal:
        follow(section, terminal)
