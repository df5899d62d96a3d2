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
_WORD: Final = r"(?:[\w./+@=,()%~-]|:(?=[\w/]))"
_UNQUOTED: Final = rf"(?:[\w./+]|-(?=[\w.])){_WORD}*(?: {_WORD}+)*"
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
_STEP: Final = 2  # from a dash to what stands behind it

# Indent, whether a dash stands there, the key (None: an entry of a list), whether a value follows, the value.
Line = tuple[int, bool, str | None, bool, Any]


def read(text: str) -> dict[str, Any] | None:
    """Return the mapping that a text holds; None when something in it is not of the usual kind."""
    builder = _Builder()
    lines = text.split("\n")
    for written in lines[1:] if lines[0] == "---" else lines:
        line = _parsed(written) if len(written) <= _LONGEST else None
        if line is None and _NOTHING.fullmatch(written):
            continue
        if line is None or not builder.add(line):
            return None
    return builder.root if isinstance(builder.root, dict) else None


class _Builder:
    """Puts lines together by their indents."""

    def __init__(self) -> None:
        self.root: dict[str, Any] | list[Any] | None = None
        # What is being filled, the innermost last, each with the indent of its lines.
        self._open: list[tuple[int, Any]] = []
        # The mapping and the key whose value the next line may begin.
        self._waiting: tuple[dict[str, Any], str] | None = None

    def add(self, line: Line) -> bool:
        """Take the next line; False when it does not continue what there is."""
        indent, dash, key, filled, value = line
        if not self._reach(indent, dash):
            return False
        if type(value) is list:
            value = value.copy()  # what a line means is remembered, and documents share nothing
        where = self._open[-1][1]
        if dash:
            if key is None:
                where.append(value)
                return True
            entry: dict[str, Any] = {}
            where.append(entry)
            self._open.append((indent + _STEP, entry))
            where = entry
        if key in where:
            return False
        where[key] = value
        if not filled:
            self._waiting = where, str(key)
        return True

    def _reach(self, indent: int, dash: bool) -> bool:
        """Make that the innermost open collection which a line of this form belongs to."""
        opened, waiting = self._open, self._waiting
        self._waiting = None
        if waiting and indent + dash > opened[-1][0]:
            made: dict[str, Any] | list[Any] = [] if dash else {}
            mapping, key = waiting
            mapping[key] = made
            opened.append((indent, made))
            return len(opened) <= _DEPTH
        if self.root is None:
            self.root = [] if dash else {}
            opened.append((indent, self.root))
        wanted = list if dash else dict
        while opened:
            depth, collection = opened[-1]
            if depth == indent and type(collection) is wanted:
                return True
            # A list may stand as deep as the key that it belongs to; the mapping's next key ends it.
            if depth < indent or (depth == indent and dash):
                return False
            opened.pop()
        return False


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
