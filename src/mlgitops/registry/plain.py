"""YAML as tools and most people write it, read line by line: a key, a value, a dash, two spaces.

A registry has thousands of such documents, and most of their lines are alike, so what a
line means is remembered. Whatever else a document has in it (block scalars, anchors, tags,
comments after values, mistakes of any kind) is left to the careful reader in ``documents``;
a property test holds both to one answer.
"""

from __future__ import annotations

import functools
import re
from typing import Any, Final

from mlgitops.registry import scalars

# A word and a text of an unquoted value. What has a meaning of its own in YAML is not in them.
# What was taken is not given back: nothing that may follow could be in it.
_WORD: Final = r"(?:[\w./+@=,()%~-]++|:(?=[\w/]))"
_UNQUOTED: Final = rf"(?:[\w./+]|-(?=[\w.])){_WORD}*+(?: {_WORD}++)*+"
_QUOTED: Final = r""""[ !#-\[\]-~À-ÿ]*"|'[ -&(-~À-ÿ]*'"""
_ENTRY: Final = rf"(?:[\w./+]|-(?=[\w.]))[\w./+-]*|{_QUOTED}"
_FLOW: Final = rf"\[(?:(?:{_ENTRY})(?:, ?(?:{_ENTRY}))*)?\]|\{{\}}"
_LINE: Final = re.compile(
    rf"(?P<indent> *)(?P<dash>- )?"
    rf"(?:(?P<key>[A-Za-z_][\w./-]{{0,200}}):(?: (?P<value>{_UNQUOTED}|{_QUOTED}|{_FLOW}))?"
    rf"|(?P<item>{_UNQUOTED}|{_QUOTED}|{_FLOW}))",
    re.ASCII,
)
_ENTRIES: Final = re.compile(_ENTRY, re.ASCII)
_NOTHING: Final = re.compile(r" *(?:#[ -~À-ÿ]*)?")
_DEPTH: Final = 32
_LONGEST: Final = 500  # of what is remembered, so that this stays small
_SHARED: Final = (list, dict)
_STEP: Final = 2  # from a dash to what stands behind it

# Indent, whether a dash stands there, the key (None: an entry of a list), whether a value follows, the value.
Line = tuple[int, bool, str | None, bool, Any]


def read(text: str) -> dict[str, Any] | None:
    """Return the mapping that a text holds; None when something in it is not of the usual kind."""
    lines = text.split("\n")
    root: Any = None
    # What the last line filled, and the indent of its lines; those around it, the innermost last.
    where: Any = None
    depth = 0
    around: list[tuple[int, Any]] = []
    waiting: str | None = None  # a key of it whose value the next line may begin
    # One loop and local names: a registry has half a million lines.
    for written in lines[1:] if lines[0] == "---" else lines:
        line = _parsed(written) if len(written) <= _LONGEST else None
        if line is None:
            if _NOTHING.fullmatch(written):
                continue
            return None
        indent, dash, key, filled, value = line
        if waiting is not None and indent + dash > depth:
            around.append((depth, where))
            if len(around) > _DEPTH:
                return None
            made: Any = [] if dash else {}
            where[waiting] = made
            depth, where = indent, made
        elif where is None:
            root = where = [] if dash else {}
            depth = indent
        else:
            wanted = list if dash else dict
            while depth != indent or type(where) is not wanted:
                # A list may stand as deep as the key that it belongs to; the mapping's next key ends it.
                if depth < indent or (depth == indent and dash) or not around:
                    return None
                depth, where = around.pop()
        waiting = None
        if value.__class__ in _SHARED:
            value = value.copy()  # what a line means is remembered, and documents share nothing
        if dash:
            if key is None:
                where.append(value)
                continue
            entry: dict[str, Any] = {}
            where.append(entry)
            around.append((depth, where))
            depth, where = indent + _STEP, entry
        if key in where:
            return None
        where[key] = value
        if not filled:
            waiting = key
    return root if isinstance(root, dict) else None


@functools.lru_cache(maxsize=8192)
def _parsed(written: str) -> Line | None:
    found = _LINE.fullmatch(written)
    if found is None:
        return None
    indent, dash, key = len(found["indent"]), found["dash"] is not None, found["key"]
    text = found["item"] if key is None else found["value"]
    if key is None and not dash:
        return None
    value = None if text is None else _value(text)
    sound = all(map(scalars.fits_json, value if isinstance(value, list) else [value]))
    if not sound or (key is not None and not scalars.means_text(key)):
        return None
    return indent, dash, key, text is not None, value


def _value(text: str) -> Any:
    if text[0] in "\"'":
        return text[1:-1]
    if text[0] == "[":
        return [_value(entry) for entry in _ENTRIES.findall(text)]
    return {} if text[0] == "{" else scalars.meaning(text)
