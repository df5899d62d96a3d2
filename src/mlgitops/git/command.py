"""How a git command is run: without prompts, hooks, helpers, a shell or a pager."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import git

from mlgitops.errors import OutsideError
from mlgitops.git.names import SCHEMES, without_credentials

NETWORK_SECONDS = 300.0

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    "commit.gpgSign=false",
    "advice.detachedHead=false",
)
# What git adds after the reason, and would push it out of the few lines that are shown.
_CHATTER = ("hint:", "Please make sure you have the correct access rights", "and the repository exists.")


@dataclass(frozen=True, slots=True)
class Output:
    """What a git command left: its exit status, standard output, and error text without credentials."""

    status: int
    stdout: bytes
    stderr: str

    @property
    def text(self) -> str:
        """Standard output as text, without the line's end."""
        return self.stdout.decode("utf-8", "surrogateescape").rstrip("\n")

    @property
    def reason(self) -> str:
        """The last words of git's complaint, on one line."""
        said = (line.strip() for line in self.stderr.splitlines())
        lines = [line for line in said if line and not line.startswith(_CHATTER)]
        return "; ".join(lines[-3:]) or f"git ended with status {self.status}"


def run(
    folder: Path,
    arguments: Sequence[str],
    *,
    stdin: bytes | None = None,
    variables: Mapping[str, str] | None = None,
    timeout: float | None = None,
) -> Output:
    """Run git in a folder and return what it left, whatever its status.

    Args:
        folder: the working folder of the command.
        arguments: what follows ``git``; no shell ever reads them.
        stdin: what the command reads; nothing when None.
        variables: more environment variables.
        timeout: seconds after which the command is killed.

    Raises:
        OutsideError: git is not installed.
    """
    command = ["git", *(part for option in _OPTIONS for part in ("-c", option)), *arguments]
    environment = {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ASKPASS": "",
        **(variables or {}),
    }
    with tempfile.TemporaryFile() as source:
        if stdin is not None:
            source.write(stdin)
            source.seek(0)
        try:
            status, stdout, stderr = git.Git(str(folder)).execute(
                command,
                istream=source if stdin is not None else None,
                with_extended_output=True,
                with_exceptions=False,
                stdout_as_string=False,
                strip_newline_in_stdout=False,
                kill_after_timeout=timeout,
                env=environment,
            )
        except git.exc.GitCommandNotFound as error:
            raise OutsideError("git is not installed, or not on PATH; install git 2.38 or newer") from error
    return Output(status, stdout, without_credentials(stderr))
