"""The façade is for users: no room of ours goes through it (docs/design/0001)."""

from __future__ import annotations

import ast
from pathlib import Path

import mlgitops

SOURCES = Path(mlgitops.__file__).parent
OF_USERS = {SOURCES / "__init__.py", SOURCES / "demo" / "train.py"}  # the façade, and the demo's training script


def is_room(name: str) -> bool:
    return (SOURCES / name).is_dir() or (SOURCES / f"{name}.py").is_file()


def through_the_facade(path: Path) -> list[str]:
    """What a module imports of ``mlgitops`` itself."""
    found = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name == "mlgitops"]
        if isinstance(node, ast.ImportFrom) and node.module == "mlgitops":
            found += [alias.name for alias in node.names if not is_room(alias.name)]
    return found


def test_no_module_of_ours_imports_the_facade() -> None:
    modules = set(SOURCES.rglob("*.py")) - OF_USERS
    assert len(modules) > 200
    assert {str(path.relative_to(SOURCES)): found for path in modules if (found := through_the_facade(path))} == {}


def test_an_import_of_the_facade_would_be_seen(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("import mlgitops\nfrom mlgitops import start_run, kube\n")
    assert through_the_facade(module) == ["mlgitops", "start_run"]
