"""Whether ``mlgitops.toml`` says what this release understands: a misspelt setting would otherwise be none."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator
from typing import Any, Final

from mlgitops.config import FILE
from mlgitops.errors import Problem
from mlgitops.registry.documents import Path, dotted
from mlgitops.registry.structure import Finding, Raw, compile_schema

_TEXT: Final[Raw] = {"type": "string"}
_TEXTS: Final[Raw] = {"type": "array", "items": _TEXT}


def _table(**settings: Raw) -> Raw:
    return {"type": "object", "properties": settings}


# Every setting that code of ours asks for; who asks for a new one adds it here. Data sets have names of their own.
_KNOWN: Final = _table(
    layout={"type": "integer", "minimum": 1, "maximum": 1},
    actor=_TEXT,
    registry=_table(name=_TEXT, url=_TEXT, branch=_TEXT),
    store=_table(url=_TEXT),
    forge=_table(kind={"type": "string", "enum": ["local"]}),
    defaults=_table(stages=_TEXTS, owners=_TEXTS, policy=_TEXT),
    local=_table(mirror=_TEXT, binaries=_TEXT),
    signing=_table(key=_TEXT),
)
_DATASETS: Final = "datasets"
_ADDRESS: Final = _table(uri=_TEXT, target=_TEXT)

_BAD_PLACE: Final = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")
_KEY: Final = r"""(?:[A-Za-z0-9_-]+|"[^"\\]*"|'[^']*')"""
_KEYS: Final = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER: Final = re.compile(rf"\s*\[\s*({_KEYS})\s*\]")
_SETTING: Final = re.compile(rf"\s*({_KEYS})\s*=")


def problems(data: bytes) -> list[Problem]:
    """Return what is wrong with the text of an ``mlgitops.toml``, with the line where it can be told."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        return [Problem(FILE, data[: error.start].count(b"\n") + 1, "", "is not UTF-8; save it in that encoding")]
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _BAD_PLACE.search(str(error))
        line = int(place[1] or text.count("\n") + 1) if place else 0
        return [Problem(FILE, line, "", f"is not TOML: {_BAD_PLACE.sub('', str(error))}")]
    lines = _lines(text)
    return [Problem(FILE, _line(lines, path), dotted(path), message) for path, message in _findings(values)]


def _findings(values: dict[str, Any]) -> Iterator[Finding]:
    found: list[Finding] = []
    datasets = values.pop(_DATASETS, {})
    known = (*_KNOWN["properties"], _DATASETS)
    for name in [name for name in values if name not in known]:
        near = difflib.get_close_matches(name, known, n=1)
        what = "table" if isinstance(values.pop(name), dict) else "setting"
        hint = f'did you mean "{near[0]}"?' if near else f"known here: {', '.join(known)}"
        found.append(((name,), f"is no {what} of ours; {hint}"))
    compile_schema(_KNOWN)(values, (), found)
    yield from found
    yield from _of_datasets(datasets)


def _of_datasets(datasets: Any) -> Iterator[Finding]:
    if not isinstance(datasets, dict):
        yield (_DATASETS,), f'must be a table of names and addresses, such as holdout = "s3://…", not {datasets!r}'
        return
    check = compile_schema(_ADDRESS)
    for name, address in datasets.items():
        found: list[Finding] = []
        if isinstance(address, dict):
            check(address, (_DATASETS, name), found)
            if "uri" not in address:
                found.append(((_DATASETS, name, "uri"), "is missing: where the data set lies"))
        elif not isinstance(address, str):
            found.append(((_DATASETS, name), f'must be an address, or {{uri = "…", target = "…"}}, not {address!r}'))
        yield from found


def _line(lines: dict[Path, int], path: Path) -> int:
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 0)


def _lines(text: str) -> dict[Path, int]:
    """Return where tables and keys stand first; what a text of several lines holds may add some that are none."""
    lines: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            path = table = _path(header[1])
        elif setting := _SETTING.match(line):
            path = (*table, *_path(setting[1]))
        else:
            continue
        for length in range(1, len(path) + 1):
            lines.setdefault(path[:length], number)
    return lines


def _path(keys: str) -> Path:
    return tuple(key.strip("\"'") for key in re.findall(_KEY, keys))
