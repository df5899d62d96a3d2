"""The short-lived process that writes down code and environment of a run.

``python -m mlgitops.tracking.capture RUN_FOLDER WORKING_FOLDER VOICE SCRIPT [ARGUMENT…]`` writes
``source.diff`` and ``packages.txt``, then ``capture.json``, each by rename: where
``capture.json`` is, the capture is complete. It holds a lock on the run's folder while it
works, so that readers can tell "pending" from "lost". What is to be mended before the run ends
(``preflight``) it says to the descriptor VOICE, which may be empty.

Dirty means: the commit is not the whole truth about the code. That is so with changes to
tracked files, and with untracked files that Python could import.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from mlgitops.files import write_atomic
from mlgitops.tracking import hardware
from mlgitops.tracking.places import CAPTURE, DIFF, FORMAT, PACKAGES, utc
from mlgitops.tracking.preflight import Preflight

IMPORTABLE = (".py", ".pyx", ".so", ".pyd")
LARGEST_DIFF = 10 << 20  # bytes
MOST_UNTRACKED = 100  # names that are listed
PATIENCE = 60.0  # seconds for one git command
MOST_ARGUMENTS = 1000
LONGEST_ARGUMENT = 10_000  # characters
HIDDEN = "***"
_SECRET = re.compile(
    r"pass(word|wd|phrase)?$|secret|token(?!iz)|credential|api[-_]?key|access[-_]?key|private[-_]?key", re.I
)
_LOGIN = re.compile(r"(\b[a-z][a-z0-9+.-]*://)[^/@\s]*@", re.I)
_INHERITED = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")


@dataclass(frozen=True, slots=True)
class Code:
    """What git says about a folder; ``commit`` is empty outside of a repository and before the first commit."""

    repository: str = ""
    branch: str = ""
    commit: str = ""
    dirty: bool = False
    untracked: tuple[str, ...] = ()
    diff_bytes: int = 0
    diff_truncated: bool = False


class Git:
    """Commands in one work tree that read and never write, call no hook and run no configured program."""

    def __init__(self, folder: Path) -> None:
        self._command = ["git", "-C", str(folder), "--no-optional-locks", "-c", "core.fsmonitor=false"]
        self._environment = {key: value for key, value in os.environ.items() if key not in _INHERITED}

    def answer(self, *arguments: str) -> str | None:
        """Return what a command prints, without the last line feed; None when it fails."""
        done = subprocess.run(
            [*self._command, *arguments], env=self._environment, capture_output=True, timeout=PATIENCE
        )
        return done.stdout.decode("utf-8", "surrogateescape").removesuffix("\n") if done.returncode == 0 else None

    def text(self, *arguments: str) -> str:
        """Return what a command prints, without the last line feed; empty when it fails."""
        return self.answer(*arguments) or ""

    def limited(self, limit: int, *arguments: str) -> tuple[bytes, bool]:
        """Return the first bytes of what a command prints, and whether there was more."""
        with subprocess.Popen(
            [*self._command, *arguments], env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdout is not None
            data = process.stdout.read(limit + 1)
            process.kill()
        return data[:limit], len(data) > limit


def main(
    folder: Path, working: Path, script: Path | None, arguments: Sequence[str] = (), voice: int | None = None
) -> None:
    """Capture everything into a run's folder; ``arguments`` are those of the script."""
    with contextlib.suppress(OSError):
        os.nice(10)  # the training comes first
    with _locked(folder):
        problems: list[str] = []
        preflight = Preflight(working)
        code, entry = Code(), script.name if script else ""
        try:
            code, entry, diff = read_code(working, script)
            write_atomic(folder / DIFF, diff)
        except (OSError, subprocess.TimeoutExpired) as error:
            problems.append(f"git: {error}")
        packages = installed()
        warnings = preflight.warnings(None if problems else code)
        _say(voice, warnings)
        write_atomic(folder / PACKAGES, "".join(f"{line}\n" for line in packages).encode())
        found = {
            "format": FORMAT,
            "code": asdict(code),
            "entry_point": entry,
            "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
            "platform": platform.platform(),
            "host": platform.node(),
            "cpus": os.cpu_count(),
            "memory": hardware.memory(),
            "gpus": hardware.gpus(),
            "argv": redacted(arguments),
            "captured_at": utc(time.time()),
            "problems": problems,
            "preflight": warnings,
        }
        write_atomic(folder / CAPTURE, json.dumps(found, indent=1).encode() + b"\n")


def read_code(working: Path, script: Path | None) -> tuple[Code, str, bytes]:
    """Return what git knows of a run's code, the script's path in its work tree, and the changes since the commit.

    The code is the work tree of the script; without a script, or with one that is installed
    (``pytest``, a console script), the work tree of the working folder.

    Raises:
        OSError: there is no git.
        subprocess.TimeoutExpired: it takes too long.
    """
    own = script is not None and not script.is_relative_to(sys.prefix)
    folders = [script.parent, working] if script and own else [working]
    top = next((found for folder in folders if (found := Git(folder).text("rev-parse", "--show-toplevel"))), "")
    name = script.name if script else ""
    if not top:
        return Code(), name, b""
    git = Git(Path(top))
    commit = git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    status = git.answer("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
    changes = (status or "").split("\0")
    untracked = [line[3:] for line in changes if line.startswith("?? ") and line.endswith(IMPORTABLE)]
    tracked = [line for line in changes if line and not line.startswith("?? ")]
    diff, truncated = b"", False
    if tracked and commit:
        diff, truncated = git.limited(LARGEST_DIFF, "diff", "--no-ext-diff", "--no-textconv", "HEAD")
    code = Code(
        repository=public_url(git.text("config", "--get", "remote.origin.url")),
        branch=git.text("symbolic-ref", "--quiet", "--short", "HEAD"),
        commit=commit,
        dirty=status is None or bool(tracked or untracked),  # what cannot be read might be changed
        untracked=tuple(untracked[:MOST_UNTRACKED]),
        diff_bytes=len(diff),
        diff_truncated=truncated,
    )
    if script and script.is_relative_to(Path(top).resolve()):
        name = script.relative_to(Path(top).resolve()).as_posix()
    return code, name, diff


def public_url(url: str) -> str:
    """Return a remote's URL without user name, password, query and fragment."""
    if "://" not in url:
        return url  # a path, or user@host:path, whose user is no secret
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def redacted(arguments: Sequence[str]) -> list[str]:
    """Return a command line without its secrets: what follows a word such as ``--api-key``, and user names in URLs."""
    found, is_value = [], False
    for argument in arguments[:MOST_ARGUMENTS]:
        name, equals, value = argument.partition("=")
        if is_value and not argument.startswith("-"):
            argument, is_value = HIDDEN, False
        elif is_value := bool(_SECRET.search(name)) and name.startswith("-"):
            argument, is_value = (f"{name}={HIDDEN}", False) if equals else (argument, True)
        elif _SECRET.search(name) and equals:  # as Hydra and make take settings
            argument = f"{name}={HIDDEN}"
        else:
            argument = f"{name}{equals}{_public(value)}" if equals else _public(argument)
        found.append(argument[:LONGEST_ARGUMENT])
    return found


def _public(text: str) -> str:
    return _LOGIN.sub(r"\1", text)


def installed() -> list[str]:
    """Return every installed distribution as ``name==version``, sorted.

    Read from the names of the ``.dist-info`` folders, which hold both: opening each one's
    metadata would take most of a capture's time.
    """
    found = {}
    for place in reversed([Path(entry) for entry in sys.path if entry]):
        for folder in place.glob("*.dist-info"):
            name, _, version = folder.name.removesuffix(".dist-info").rpartition("-")
            found[name.lower().replace("_", "-")] = version
    return sorted(f"{name}=={version}" for name, version in found.items() if name)


def _say(voice: int | None, warnings: Sequence[str]) -> None:
    text = "".join(f"mlgitops: warning: {warning}\n" for warning in warnings)
    if voice is not None and text:
        with contextlib.suppress(OSError):  # nobody listens any more
            os.write(voice, text.encode("utf-8", "replace"))


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock on the run's folder; do without where there are no locks."""
    descriptor = -1
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        descriptor = os.open(folder, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if descriptor >= 0:
            os.close(descriptor)


if __name__ == "__main__":
    _folder, _working, _voice, _script, *_arguments = sys.argv[1:]
    main(
        Path(_folder),
        Path(_working),
        Path(_script).resolve() if _script else None,
        _arguments,
        int(_voice) if _voice else None,
    )
