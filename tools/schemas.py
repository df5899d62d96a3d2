"""Writes schemas/, here and in the example registry: the editors' JSON Schema of each kind, from crds/.

Usage: python tools/schemas.py

They are committed, so that an editor can use them from where the code is read; a unit test
compares them with what this would write.
"""

from __future__ import annotations

from pathlib import Path

from mlgitops.files import write_atomic
from mlgitops.registry import editor

ROOT = Path(__file__).parents[1]
PLACES = (ROOT, ROOT / "examples" / "repo-layout")


def main() -> None:
    """Write every schema and remove those of kinds that are gone."""
    wanted = editor.files()
    for place in PLACES:
        for path, text in wanted.items():
            write_atomic(place / path, text.encode())
        for path in (place / editor.FOLDER).glob("*.json"):
            if path.relative_to(place).as_posix() not in wanted:
                path.unlink()


if __name__ == "__main__":
    main()
