"""Changes of single fields that leave comments, key order and every other byte alone."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from mlgitops.api import codec
from mlgitops.api.model import Hold, Lifecycle, Run, Source
from mlgitops.errors import InputError, InvalidError, Problem
from mlgitops.registry import documents

_WIDTH: Final = 1 << 20


def set_version(data: bytes, version: str) -> bytes:
    """Return a ModelStage's file with another ``spec.version``; nothing else differs.

    Raises:
        InvalidError: the file is not a sound document with ``spec.version``.
    """
    document = documents.read("the stage's file", data)
    spec = document.raw.get("spec")
    if not isinstance(spec, dict) or "version" not in spec:
        raise InvalidError([Problem(document.file, 1, "spec.version", "is missing; it is the line to change")])
    return _in_line(data, document.line(("spec", "version")), version) or _rewritten(data, {"version": version})


def set_hold(data: bytes, hold: Hold | None) -> bytes:
    """Return a ModelStage's file with this hold, or without one.

    Raises:
        InvalidError: the file is not a sound document.
    """
    documents.read("the stage's file", data)
    return _rewritten(data, {"hold": None if hold is None else _hold(hold)})


def set_lifecycle(data: bytes, lifecycle: Lifecycle) -> bytes:
    """Return a ModelVersion's file with this lifecycle.

    Raises:
        InvalidError: the file is not a sound document.
    """
    documents.read("the version's file", data)
    return _rewritten(data, {"lifecycle": _quoted({"state": lifecycle.state, "reason": lifecycle.reason})})


def set_source(data: bytes, source: Source, run: Run) -> bytes:
    """Return a ModelVersion's file with this source and the run that was trained from it.

    Raises:
        InvalidError: the file is not a sound document.
    """
    documents.read("the version's file", data)
    return _rewritten(data, {"run": _whole(run), "source": _whole(source)})


def _whole(value: Run | Source) -> dict[str, Any]:
    fields: dict[str, Any] = codec.encode(value)
    return {key: DoubleQuotedScalarString(item) if isinstance(item, str) else item for key, item in fields.items()}


def _hold(hold: Hold) -> dict[str, str]:
    if hold.until is not None:
        datetime.fromisoformat(hold.until)
    return _quoted({"reason": hold.reason, "by": hold.by, "until": hold.until})


def _quoted(texts: dict[str, str | None]) -> dict[str, str]:
    # Quoted, so that neither a colon in a reason nor a time means anything to a reader of YAML.
    return {key: DoubleQuotedScalarString(text) for key, text in texts.items() if text is not None}


def _in_line(data: bytes, number: int, version: str) -> bytes | None:
    """Replace the value in its own line, the common case; None when the line is not of that form."""
    lines = data.splitlines(keepends=True)
    head, colon, rest = lines[number - 1].partition(b"version:")
    if not colon or head.strip():
        return None
    value, hash_sign, comment = rest.partition(b" #")
    ending = rest[len(rest.rstrip()) :]
    text = value.rstrip()
    if text.strip()[:1] not in (b'"', b"'") or text.strip()[-1:] != text.strip()[:1]:
        return None
    after = value[len(text) :] + hash_sign + comment if hash_sign else ending
    lines[number - 1] = head + colon + b' "' + version.encode() + b'"' + after
    return b"".join(lines)


def _rewritten(data: bytes, fields: dict[str, Any]) -> bytes:
    text = data.decode("utf-8-sig")
    yaml: Any = YAML()
    yaml.preserve_quotes = True
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=2, offset=0)
    yaml.line_break = "\r\n" if "\r\n" in text else "\n"
    document = yaml.load(text)
    spec = document.get("spec") if isinstance(document, CommentedMap) else None
    if not isinstance(spec, CommentedMap):
        raise InputError("the file has no spec; write it anew")
    for key, value in fields.items():
        if value is None:
            spec.pop(key, None)
        elif isinstance(value, dict) and isinstance(spec.get(key), CommentedMap):
            _refill(spec[key], value)
        else:
            spec[key] = DoubleQuotedScalarString(value) if isinstance(value, str) else value
    out = io.BytesIO()
    yaml.dump(document, out)
    return out.getvalue()


def _refill(old: CommentedMap, new: dict[str, Any]) -> None:
    """Change a mapping where it stands; what is a comment after its end stays, whichever key goes."""
    end = old.ca.items.pop(list(old)[-1], None) if old else None
    for key in [key for key in old if key not in new]:
        del old[key]
    old.update(new)
    if end is not None and old:
        old.ca.items[list(old)[-1]] = end
