"""Which files of a repository a source passes over; pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

_WORD: Final = re.compile(r"\*\*/|/\*\*$|\*\*|\*|\?|.", re.DOTALL)
_MEANINGS: Final = {"**/": "(?:.*/)?", "/**": "/.*", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def ignored(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Return whether a path from the repository's root is passed over, or lies in a folder that is.

    ``*`` and ``?`` stay within a name, ``**`` crosses folders. A pattern without a slash
    means that name anywhere, as in https://git-scm.com/docs/gitignore.
    """
    tests = [_compiled(pattern) for pattern in patterns]
    return lambda path: any(test.fullmatch(path) for test in tests)


def _compiled(pattern: str) -> re.Pattern[str]:
    words = (_MEANINGS.get(word) or re.escape(word) for word in _WORD.findall(pattern))
    anywhere = "" if "/" in pattern else "(?:.*/)?"
    return re.compile(f"{anywhere}{''.join(words)}(?:/.*)?", re.DOTALL)
