"""One YAML file to one JSON document, read as the API server's clients read it.

Text that people and pull requests wrote: nothing in it is trusted. Scalars mean what
they mean to kubectl (YAML 1.1 without dates), and what two readers could understand
differently is refused: duplicate keys, tags, merge keys, several documents.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import yaml

from mlgitops.errors import InvalidError, Problem
from mlgitops.registry import plain, scalars

Path = tuple[str | int, ...]

# etcd takes 1.5 MiB for an object; whoever writes more by hand made a mistake.
MAX_BYTES: Final = 1 << 20
# Nodes of a document with its aliases expanded; stops "billion laughs".
MAX_NODES: Final = 50_000
MAX_DEPTH: Final = 64
# Characters of a value that a message repeats.
_SHOWN: Final = 60

# The parser's events are typed too loosely to be of help.
Event = Any

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Document:
    """One object as its file says it; the text is kept to find lines when there is something to say."""

    file: str
    raw: Mapping[str, Any]
    data: bytes = field(repr=False)

    def line(self, path: Path) -> int:
        """Return the line of a field, from 1; of its nearest parent when it is not there."""
        lines: dict[Path, int] = {}
        _Reader(self.file, lines).read(_text(self.file, self.data))
        while path and path not in lines:
            path = path[:-1]
        return lines.get(path, 1)

    def problem(self, path: Path, message: str) -> Problem:
        """Return a problem with one field of this document."""
        return Problem(self.file, self.line(path), dotted(path), message)


def dotted(path: Path) -> str:
    """Return a path as people write it: ``spec.steps[2].weight``, ``metadata.labels["a.b/c"]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not _PLAIN_KEY.fullmatch(part):
            text += f'["{part}"]'
        else:
            text += f".{part}" if text else part
    return text


def read(file: str, data: bytes) -> Document:
    """Read one file that holds one object.

    Raises:
        InvalidError: it is not one mapping in UTF-8 YAML; with line and cure.
    """
    with _told(file, data):
        text = _text(file, data)
        # A character makes one value at most, so that a short text needs no count.
        value = plain.read(text) if len(text) <= MAX_NODES else None
        if value is None:
            value = _Reader(file).read(text)
    if not isinstance(value, dict):
        raise _refusal(file, 1, "must hold one object as a mapping with apiVersion, kind, metadata and spec")
    return Document(file, value, data)


def parts(file: str, data: bytes) -> Iterator[bytes]:
    """Yield the documents of a file that may hold several, each with as many empty lines before it as had others.

    So each can be read by itself, and its lines are the file's. Empty documents are left out.

    Raises:
        InvalidError: it is not UTF-8 YAML; with line and cure.
    """
    with _told(file, data):
        text = _text(file, data)
        starts: list[tuple[int, int]] = []
        empty: set[int] = set()
        events: Iterator[Event] = yaml.parse(text, Loader=yaml.CSafeLoader)
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                mark: Any = event.start_mark
                starts.append((mark.index, mark.line) if starts else (0, 0))
                value = next(events)
                if isinstance(value, yaml.ScalarEvent) and value.implicit[0] and not value.value:
                    empty.add(len(starts) - 1)
    for number, ((start, line), (end, _)) in enumerate(pairwise([*starts, (len(text), 0)])):
        if number not in empty:
            yield ("\n" * line + text[start:end]).encode()


@contextlib.contextmanager
def _told(file: str, data: bytes) -> Iterator[None]:
    """Turn what the YAML reader refuses into a problem of the file."""
    try:
        yield
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _refusal(file, mark.line + 1 if mark else 0, _syntax(error, data)) from error
    except yaml.reader.ReaderError as error:
        line = _text(file, data)[: error.position].count("\n") + 1
        raise _refusal(file, line, "holds a control character, which YAML does not allow; delete it") from error


def _refusal(file: str, line: int, message: str, path: Path = ()) -> InvalidError:
    return InvalidError([Problem(file, line, dotted(path), message)])


def _text(file: str, data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise _refusal(file, 0, f"is larger than the {MAX_BYTES} bytes that an object may have")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _refusal(file, line, "is not UTF-8; save it in that encoding") from error


def _syntax(error: yaml.MarkedYAMLError, data: bytes) -> str:
    mark = error.problem_mark
    line = data.splitlines()[mark.line : mark.line + 1] if mark else []
    if line and mark and line[0][mark.column : mark.column + 1] == b"\t":
        return "is not YAML: a tab where only spaces may indent"
    context = f" {error.context}" if error.context else ""
    return f"is not YAML: {error.problem or 'unreadable'}{context}; is a quote, bracket or colon missing here or above?"


class _Reader:
    """Builds values from the parser's events, so that depth and size are bounded and places are known."""

    def __init__(self, file: str, lines: dict[Path, int] | None = None) -> None:
        self._file = file
        self._lines = lines
        self._nodes = 0
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._open: set[str] = set()

    def read(self, text: str) -> Any:
        events = yaml.parse(text, Loader=yaml.CSafeLoader)
        documents = [self._value(events, event, ()) for event in self._documents(events)]
        if not documents:
            raise _refusal(self._file, 1, "is empty; write one object, or delete the file")
        return documents[0]

    def _documents(self, events: Iterator[Event]) -> Iterator[Event]:
        seen = 0
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                seen += 1
                if seen > 1:
                    line = _line(event)
                    raise _refusal(self._file, line, "holds more than one document; write one object a file")
                yield next(events)

    def _value(self, events: Iterator[Event], event: Event, path: Path) -> Any:
        line = _line(event)
        self._count(1, line, path)
        if self._lines is not None:
            # A mapping's key comes before its value and is the better place to look at.
            self._lines.setdefault(path, line)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, line, path)
        self._refuse_tag(event, line, path)
        anchor, before = event.anchor, self._nodes
        if anchor:
            self._open.add(anchor)
        if isinstance(event, yaml.ScalarEvent):
            value = self._plain(event, line, path) if event.implicit[0] else event.value
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(events, path)
        else:
            value = self._mapping(events, path)
        if anchor:
            self._open.discard(anchor)
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _count(self, nodes: int, line: int, path: Path) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _refusal(
                self._file, line, f"has more than {MAX_NODES} values, aliases counted as what they stand for"
            )
        if len(path) > MAX_DEPTH:
            raise _refusal(self._file, line, f"is nested more than {MAX_DEPTH} levels deep")

    def _alias(self, event: Event, line: int, path: Path) -> Any:
        if event.anchor in self._open or event.anchor not in self._anchors:
            raise _refusal(self._file, line, f"alias *{event.anchor} has no finished anchor before it", path)
        value, nodes = self._anchors[event.anchor]
        self._count(nodes, line, path)
        return value

    def _refuse_tag(self, event: Event, line: int, path: Path) -> None:
        if event.tag not in (None, "!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            raise _refusal(self._file, line, f"has the tag {event.tag}; write the plain value", path)

    def _plain(self, event: Event, line: int, path: Path) -> Any:
        value = scalars.meaning(event.value)
        if not scalars.fits_json(value):
            raise _refusal(self._file, line, f"{_shortened(event.value)} is no number that JSON can hold", path)
        return value

    def _sequence(self, events: Iterator[Event], path: Path) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(events), yaml.SequenceEndEvent):
            items.append(self._value(events, event, (*path, len(items))))
        return items

    def _mapping(self, events: Iterator[Event], path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        first: dict[str, int] = {}
        while not isinstance(event := next(events), yaml.MappingEndEvent):
            line = _line(event)
            key = self._key(event, line, path)
            if key in first:
                raise _refusal(self._file, line, f"stands twice, first in line {first[key]}; keep one", (*path, key))
            first[key] = line
            if self._lines is not None:
                self._lines[(*path, key)] = line
            values[key] = self._value(events, next(events), (*path, key))
        return values

    def _key(self, event: Event, line: int, path: Path) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            raise _refusal(self._file, line, "has a key that is no text; write a plain word", path)
        if event.implicit[0] and event.value == "<<":
            raise _refusal(self._file, line, "has a merge key <<; write the fields out", path)
        if event.implicit[0] and not scalars.means_text(event.value):
            raise _refusal(
                self._file, line, f'has the key {event.value}, which is no text; write "{event.value}"', path
            )
        return str(event.value)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _line(event: Event) -> int:
    return int(event.start_mark.line) + 1
