"""How a git command is run: without prompts, hooks, helpers, a shell or a pager."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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
        **os.environ,
        "LANGUAGE": "C",
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": ":".join(SCHEMES),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "SSH_ASKPASS_REQUIRE": "never",
        "GIT_ASKPASS": "",
        **(variables or {}),
    }
    with contextlib.ExitStack() as stack:
        source: int | IO[bytes] = subprocess.DEVNULL
        if stdin is not None:
            # A file and no pipe: git may answer before it has read all, and then nobody waits for the other.
            source = stack.enter_context(tempfile.TemporaryFile())
            source.write(stdin)
            source.seek(0)
        try:
            process = subprocess.Popen(
                command, cwd=folder, env=environment, stdin=source, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except (FileNotFoundError, PermissionError) as error:
            raise OutsideError("git is not installed, or not on PATH; install git 2.38 or newer") from error
        stack.enter_context(process)
        return _output(process, timeout)


def _output(process: subprocess.Popen[bytes], timeout: float | None) -> Output:
    try:
        stdout, stderr = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Output(process.wait(), b"", f"git did not end within {timeout:g} seconds")
    except BaseException:
        _kill(process)
        raise
    return Output(process.returncode, stdout, without_credentials(stderr.decode("utf-8", "surrogateescape")))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with all that it started: a transport waits for the network and not for git."""
    started = list(_descendants(process.pid))
    process.kill()
    for pid in started:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):  # only Linux tells
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _descendants(int(child))
            yield int(child)
