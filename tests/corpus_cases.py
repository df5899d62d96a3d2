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


def mutations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every sound object of the corpus with one thing done to one of its values, each with its name."""
    for path in sorted(FOLDER.glob("*.yaml")):
        sound = documents.read(path.name, path.read_bytes()).raw["object"]
        for place in _places(sound, ()):
            for word, value in (("a number", 7), ("a text", "x y"), ("a list", [{}]), ("a mapping", {"x": 1})):
                yield f"{path.stem}: {word} at {documents.dotted(place)}", _with(sound, place, value)
            yield f"{path.stem}: without {documents.dotted(place)}", _with(sound, place, None)
            yield f"{path.stem}: a field beside {documents.dotted(place)}", _with(sound, (*place[:-1], "besides"), "x")


def _places(value: Any, path: documents.Path) -> Iterator[documents.Path]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        # What an object is decides who judges it.
        if path or key not in ("apiVersion", "kind"):
            yield (*path, key)
            yield from _places(item, (*path, key))


def _with(value: Any, place: documents.Path, new: Any) -> Any:
    found = copy.copy(value)
    key, *rest = place
    if rest:
        found[key] = _with(found[key], tuple(rest), new)
    elif new is None:
        del found[key]
    elif isinstance(found, list):
        found = [*found[:key], new, *found[key + 1 :]] if isinstance(key, int) else [*found, new]
    else:
        found[key] = new
    return found
