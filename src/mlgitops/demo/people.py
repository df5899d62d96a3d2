"""The folders of the people in the story, and the commands they type."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlgitops.demo.narration import Narrator
from mlgitops.errors import OutsideError

QUIET = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.hooksPath",
    "GIT_CONFIG_VALUE_0": os.devnull,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a folder of their own; ``run`` types a command there."""

    name: str
    folder: Path
    narrator: Narrator
    environment: Mapping[str, str]

    def run(self, *command: str, allowed: tuple[int, ...] = (0,), shown: bool = True) -> str:
        """Run a command and return what it printed; what it said beside that is shown.

        Raises:
            OutsideError: it ended with another code than the allowed ones.
        """
        if shown:
            self.narrator.command(shlex.join(command))
        program, *rest = command
        found = {"mlgitops": [sys.executable, "-m", "mlgitops"], "python": [sys.executable]}.get(program, [program])
        done = subprocess.run(
            [*found, *rest],
            cwd=self.folder,
            env=os.environ | QUIET | self._identity() | dict(self.environment),
            capture_output=True,
            text=True,
        )
        if done.returncode not in allowed:
            said = (done.stderr.strip() or done.stdout.strip())[-2000:]
            raise OutsideError(f"{shlex.join(command)} ended with {done.returncode}: {said}")
        for line in done.stderr.splitlines():
            self.narrator.say(line)
        return done.stdout

    def mlgitops(self, *command: str, allowed: tuple[int, ...] = (0,)) -> Any:
        """Run one of our own verbs and return its JSON."""
        self.narrator.command(shlex.join(("mlgitops", *command)))
        return json.loads(self.run("mlgitops", *command, "--output", "json", allowed=allowed, shown=False))

    def git(self, *command: str) -> str:
        """Run git without showing it."""
        return self.run("git", *command, shown=False)

    def commit(self, message: str) -> None:
        """Commit everything in the folder."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def _identity(self) -> dict[str, str]:
        mail = f"{self.name}@example.com"
        return {
            "MLGITOPS_ACTOR": self.name,
            "GIT_AUTHOR_NAME": self.name,
            "GIT_AUTHOR_EMAIL": mail,
            "GIT_COMMITTER_NAME": self.name,
            "GIT_COMMITTER_EMAIL": mail,
        }
