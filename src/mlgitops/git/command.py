"""How a git command is run: without prompts, hooks, helpers, a shell or a pager."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

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
# Our own words, not the caller's: the secret travels in the environment, which other users
# of the machine cannot read, and only to the one host that it is for.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$MLGITOPS_GIT_USER" "$MLGITOPS_GIT_SECRET"; }; f'
)


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password or token for one remote over http(s)."""

    user: str
    secret: str = field(repr=False)


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
        lines = [line.strip() for line in self.stderr.splitlines() if line.strip() and not line.startswith("hint:")]
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


def login_variables(url: str, login: Login | None) -> dict[str, str]:
    """Return environment variables by which git logs in to the host of ``url`` and to no other."""
    if login is None:
        return {}
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    return {
        "MLGITOPS_GIT_USER": login.user,
        "MLGITOPS_GIT_SECRET": login.secret,
        "GIT_CONFIG_COUNT": "2",
        "GIT_CONFIG_KEY_0": f"credential.{host}.helper",
        "GIT_CONFIG_VALUE_0": "",
        "GIT_CONFIG_KEY_1": f"credential.{host}.helper",
        "GIT_CONFIG_VALUE_1": _HELPER,
    }
