"""Text of a filter to tokens, each with the column where it begins."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlgitops.tracking.query.language import FilterError

# A path is words joined by dots; a word that is not plain stands in backticks or double quotes.
_QUOTED = r'"(?:[^"]|"")*"|`(?:[^`]|``)*`'
# A metric's context follows its name in braces.
_CONTEXT = r"(?:\{[^{}`\"']*\})?"
_SEGMENT = re.compile(rf"{_QUOTED}|[\w/:@%+-]+{_CONTEXT}")
_DATE = re.compile(r"\d{4}-\d\d?-\d\d?(?![\w.])", re.ASCII)
_TOKEN = re.compile(
    rf"""
      (?P<space>\s+)
    | (?P<number>[-+]?(?:(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?|inf(?:inity)?)(?![\w.]))
    | (?P<text>'(?:[^']|'')*'|"(?:[^"]|"")*")
    | (?P<path>[^\W\d][\w/:@%+-]*(?:\.(?:{_QUOTED}|[\w/:@%+-]+{_CONTEXT}))*)
    | (?P<operator><=|>=|!=|<>|==|=|<|>)
    | (?P<mark>[(),])
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Segment:
    """One word of a path; ``quoted`` words are keys as they stand and mean nothing else."""

    text: str
    column: int
    quoted: bool


@dataclass(frozen=True, slots=True)
class Token:
    """``kind`` is number, text, path, operator, mark or end; ``column`` counts from 1."""

    kind: str
    text: str
    column: int

    @property
    def word(self) -> str:
        """The token as a keyword: lower case, empty when it can be none."""
        return self.text.lower() if self.kind in ("path", "mark") else ""

    @property
    def value(self) -> str:
        """The text between the quotes, a doubled quote standing for one."""
        return unquoted(self.text)

    def segments(self) -> list[Segment]:
        """Return the words of a path."""
        return [
            Segment(unquoted(found.group()), self.column + found.start(), found.group()[0] in '"`')
            for found in _SEGMENT.finditer(self.text)
        ]

    def __str__(self) -> str:
        return "the end" if self.kind == "end" else self.text[:40]


def unquoted(text: str) -> str:
    """Return what stands between quotes; text without them as it is."""
    quote = text[:1]
    return text[1:-1].replace(quote * 2, quote) if quote in ("'", '"', "`") and quote else text


def tokens(text: str, what: str) -> list[Token]:
    """Return the tokens of a text, an end token last.

    Raises:
        FilterError: there is something that begins no token.
    """
    found, position = [], 0
    while position < len(text):
        match = None if _DATE.match(text, position) else _TOKEN.match(text, position)
        if match is None:
            raise FilterError(_complaint(text, position), text, position + 1, what=what)
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match.group(), position + 1))
        position = match.end()
    return [*found, Token("end", "", len(text) + 1)]


def _complaint(text: str, position: int) -> str:
    character = text[position]
    if character in "'\"`":
        return f"the quote {character} is never closed"
    if character == ".":
        return "expected a name on both sides of the dot; names with other characters stand in `backticks`"
    if date := _DATE.match(text, position):
        return f"a date stands in 'quotes': '{date.group()}'"
    if character.isdigit() or character in "+-":
        return "not a number; text stands in 'quotes'"
    return f"{character!a} means nothing here; names with such characters stand in `backticks`, text in 'quotes'"
