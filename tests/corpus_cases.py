"""The corpus of objects that must be taken or refused, for everybody who judges objects."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops.registry import documents

FOLDER = Path(__file__).with_name("corpus")


@dataclass(frozen=True, slots=True)
class Case:
    """One object, what it was before (for updates), and why it is refused (empty: it is not)."""

    name: str
    raw: dict[str, Any]
    before: dict[str, Any] | None
    refused: str


def cases() -> Iterator[Case]:
    """Yield every case of the corpus."""
    for path in sorted(FOLDER.glob("*.yaml")):
        corpus = documents.read(path.name, path.read_bytes()).raw
        sound = corpus["object"]
        for part in ("cases", "updates"):
            for case in corpus.get(part, ()):
                yield Case(
                    f"{path.stem}: {case['name']}",
                    merged(sound, case["change"]),
                    sound if part == "updates" else None,
                    case.get("refused", ""),
                )


def merged(value: Any, change: Any) -> Any:
    """Return a value changed by a JSON merge patch (RFC 7396)."""
    if not isinstance(change, dict):
        return copy.deepcopy(change)
    found = copy.deepcopy(value) if isinstance(value, dict) else {}
    for key, item in change.items():
        if item is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), item)
    return found
