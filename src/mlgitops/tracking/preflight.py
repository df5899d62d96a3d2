"""What would fail after a training, looked for at its start, while it is cheap to mend.

The process that captures code and environment does it, so that training waits for nothing: is the store there that
the run is to be pushed to, does it take what these credentials write, is what speaks to it installed; and is the
code what a last stage of the registry accepts. Nobody is told twice, and no secret of a URL is told at all.
"""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from mlgitops import config
from mlgitops.errors import InputError, MlgitopsError

if TYPE_CHECKING:
    from mlgitops.tracking.capture import Code

PATIENCE = 5.0  # seconds for the store to answer; the end of a short run waits for it
_REFUSED = "which a last stage of the registry refuses; commit before you train a model for it"
_LONGEST = 500  # characters of a warning
_SECRETS = re.compile(r"(?<=://)\S*@|(?<=[^\s?])\?\S+")  # user names, passwords and queries of URLs


class Preflight:
    """Asks the store while the caller does something else."""

    def __init__(self, working: Path) -> None:
        self._settings = config.Config()
        self._problems: list[str] = []
        try:
            self._settings = config.load(working)
        except (InputError, OSError, ValueError) as error:
            self._problems.append(str(error))
        self._store = self._settings.get("store.url")
        self._asking = threading.Thread(target=self._ask, daemon=True)
        if self._store:
            self._asking.start()

    def warnings(self, code: Code | None, patience: float = PATIENCE) -> list[str]:
        """Return what is to be mended, in words; ``code`` is None when nobody knows it.

        Args:
            code: what git says of the code of the run.
            patience: seconds for the store.
        """
        if self._store:
            self._asking.join(patience)
        is_silent = self._asking.is_alive()
        problems = list(self._problems)  # a copy, as a store may answer just now
        if is_silent and not problems:
            problems = [f"store {self._store} did not answer within {patience:g} seconds"]
        pushing = [f"this run cannot be pushed at its end: {problem}" for problem in problems]
        return [_told(warning) for warning in (*pushing, *self._of_the_code(code))]

    def _ask(self) -> None:
        from mlgitops import artifacts

        try:
            artifacts.open_store(str(self._store)).probe("runs")
        except MlgitopsError as error:
            self._problems.append(str(error))
        except Exception as error:  # a library, or its configuration, may raise anything
            self._problems.append(f"{type(error).__name__}: {error}")

    def _of_the_code(self, code: Code | None) -> list[str]:
        if code is None or not self._settings.get("registry.url"):
            return []  # nobody promotes what no registry is named for
        if not code.commit:
            return [f"no commit holds this code, {_REFUSED}"]
        if code.dirty:
            return [f"some changes of this code are in no commit, {_REFUSED}"]
        return []


def _told(warning: str) -> str:
    """Return a warning on one line that steers no terminal and tells no secret."""
    public = _SECRETS.sub("", warning)
    return "".join(character if character.isprintable() else " " for character in public)[:_LONGEST]
