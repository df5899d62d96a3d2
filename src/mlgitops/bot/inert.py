"""Text from outside, made harmless for where it is shown.

Names, parameters and messages of a run record may hold anything. In Markdown they stand
in code spans, where neither mentions nor links nor HTML nor tables mean anything; on a
terminal they lose every character that could steer it or reorder the line.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST = 200  # characters of one value


def plain(text: object, longest: int = LONGEST) -> str:
    """Return one line without control, format (bidirectional, zero-width) or surrogate characters."""
    kept = "".join(" " if c.isspace() else c for c in str(text) if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(kept.split())
    return line if len(line) <= longest else line[: longest - 1] + "…"


def code(text: object, longest: int = LONGEST) -> str:
    """Return a Markdown code span that shows a text as it is, in a table cell too."""
    line = plain(text, longest)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    padding = " " if line.startswith("`") or line.endswith("`") or not line else ""
    return f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|")
