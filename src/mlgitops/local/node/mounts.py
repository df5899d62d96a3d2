"""A container's paths on this machine: without mount namespaces, the text that names them is rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

# A path begins where no other path goes on: "/tmp" is not rewritten in "file:///tmp/x" or "/var/tmp".
_BEFORE = r"(?<![\w./-])"
_AFTER = r"(?=[/:;,\s'\"&)\]}]|$)"


class Mounts:
    """Mount paths and the folders or files that stand for them."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        self._places = {path.rstrip("/") or "/": place for path, place in places.items()}
        longest_first = sorted(self._places, key=len, reverse=True)
        alternatives = "|".join(re.escape(path) for path in longest_first if path != "/")
        self._pattern = re.compile(f"{_BEFORE}(?:{alternatives}){_AFTER}") if alternatives else None

    def rewrite(self, text: str) -> str:
        """Return a text with every mounted path in it replaced by where it really is."""
        if self._pattern is None:
            return text
        return self._pattern.sub(lambda found: str(self._places[found.group()]), text)

    def rewrite_all(self, texts: Iterable[str]) -> list[str]:
        """Return several texts, each rewritten."""
        return [self.rewrite(text) for text in texts]
