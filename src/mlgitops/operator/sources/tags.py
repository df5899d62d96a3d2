"""The highest tag within a range of semantic versions; pure.

The forms are those of https://github.com/Masterminds/semver, which Flux and Helm use,
without its hyphen ranges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from mlgitops.errors import InputError

_VERSION: Final = re.compile(
    r"v?(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})\.(0|[1-9][0-9]{0,17})(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?"
)
_COMPARISON: Final = re.compile(
    r"(\^|~|[<>]=?|!?=)? ?v?([0-9]+|[xX*])(?:\.([0-9]+|[xX*]))?(?:\.([0-9]+|[xX*]))?(?:-([0-9A-Za-z.-]+))?"
)
_BETWEEN: Final = re.compile(r", ?| ")

# Numbers, then what tells a version from those before its release; greater is later.
Order = tuple[tuple[int, ...], tuple[bool, tuple[tuple[bool, int, str], ...]]]


@dataclass(frozen=True, slots=True)
class _Span:
    """Versions from ``low`` up to but without ``high``; ``inside`` False is all others. None is no bound."""

    low: Order | None
    high: Order | None
    inside: bool = True

    def holds(self, version: Order) -> bool:
        within = (self.low is None or self.low <= version) and (self.high is None or version < self.high)
        return within is self.inside


@dataclass(frozen=True, slots=True)
class _Spans:
    """Comparisons that all hold; versions before a release only where ``early``."""

    spans: tuple[_Span, ...]
    early: bool

    def hold(self, version: Order) -> bool:
        return (self.early or version[1][0]) and all(span.holds(version) for span in self.spans)


def highest(tags: Iterable[str], wanted: str) -> str | None:
    """Return the tag of the highest version in a range, None when there is none.

    Tags that are no semantic versions are passed over. Of two names of one version
    (``v1.0.0``, ``1.0.0``) the greater text is meant, so that everybody means the same.

    Raises:
        InputError: the range is none.
    """
    ranges = [_spans(part) for part in wanted.split(" || ")]
    versions = ((order, tag) for tag in tags if (order := _order(tag)))
    return max((found for found in versions if any(each.hold(found[0]) for each in ranges)), default=(None, None))[1]


def _order(tag: str) -> Order | None:
    found = _VERSION.fullmatch(tag)
    return _at(*(int(found[number]) for number in (1, 2, 3)), early=found[4] or "") if found else None


def _at(*numbers: int, early: str = "") -> Order:
    """Return where a version stands in the order of https://semver.org/#spec-item-11."""
    padded = (*numbers, 0, 0)[:3]
    words = early.split(".") if early else []
    # Numbers come before words; fewer parts before more.
    return padded, (
        not early,
        tuple((not word.isdecimal(), int(word) if word.isdecimal() else 0, word) for word in words),
    )


def _before(*numbers: int) -> Order:
    """Return the place before every version of these numbers, those before the release included."""
    return (*numbers, 0, 0)[:3], (False, ())


def _spans(text: str) -> _Spans:
    parts = [part for part in _BETWEEN.split(re.sub(r"([<>=~^]) ", r"\1", text)) if part]
    found = [_COMPARISON.fullmatch(part) for part in parts]
    if not found or None in found:
        raise InputError(f'"{text}" is no range of versions, such as 1.x, ^1.4 or >=1.4.0 <2.0.0')
    matches = [match for match in found if match]
    return _Spans(tuple(_span(match) for match in matches), any(match[5] for match in matches))


def _span(match: re.Match[str]) -> _Span:
    operator, early = match[1] or "=", match[5] or ""
    numbers: list[int] = []
    for text in (match[2], match[3], match[4]):
        if text is None or not text.isdecimal():
            break
        numbers.append(int(text))
    # All versions that begin with these numbers, or the one that is named in full.
    low = _at(*numbers, early=early) if len(numbers) == 3 else _before(*numbers)
    high = _next(numbers) if len(numbers) < 3 else _after(low)
    if not numbers:
        return _Span(None, None)
    match operator:
        case "=":
            return _Span(low, high)
        case "!=":
            return _Span(low, high, inside=False)
        case ">":
            return _Span(high, None)
        case ">=":
            return _Span(low, None)
        case "<":
            return _Span(None, low)
        case "<=":
            return _Span(None, high)
        case "~":
            return _Span(low, _next(numbers[:2]))
        case _:
            # The first number that is not 0 stays.
            kept = next((place for place, number in enumerate(numbers, 1) if number), len(numbers))
            return _Span(low, _next(numbers[:kept]))


def _next(numbers: list[int]) -> Order | None:
    """Return the place after every version that begins with these numbers."""
    return _before(*numbers[:-1], numbers[-1] + 1) if numbers else None


def _after(order: Order) -> Order:
    """Return the place right after one version."""
    numbers, (released, words) = order
    return numbers, (released, (*words, (False, -1, "")))
