"""Where run records lie, and the names of what lies in them."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

FOLDER = ".mlgitops"
RUN = "run.json"
CAPTURE = "capture.json"
DIFF = "source.diff"
PACKAGES = "packages.txt"
ARTIFACTS = "artifacts"
MODELS = "models"  # packages, each sealed by itself: not part of the record's own digest
META = "meta"  # added after the run: not part of the record's digest either
OWNER = ".owner"  # locked by the process that owns the run; no part of the record
FORMAT = 1  # of run.json, capture.json and the writers' lines
LONGEST_LINE = 64 << 20  # bytes of a writer's; a file made by hand may claim to be one line of any size

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def is_strict() -> bool:
    """Say whether what cannot be recorded shall raise (``MLGITOPS_STRICT=1``)."""
    return os.environ.get("MLGITOPS_STRICT") == "1"


def is_disabled() -> bool:
    """Say whether nothing shall be recorded (``MLGITOPS_DISABLED=1``)."""
    return os.environ.get("MLGITOPS_DISABLED", "") not in ("", "0")


def root() -> Path:
    """Return the folder that keeps run records, which may not exist yet.

    It is ``MLGITOPS_DIR``, else the nearest ``.mlgitops`` upwards, else ``.mlgitops`` at the
    top of the git work tree, else ``.mlgitops`` in the working folder.
    """
    chosen = os.environ.get("MLGITOPS_DIR")
    if chosen:
        return Path(chosen).absolute()
    here = Path.cwd()
    folders = (here, *here.parents)
    for name, found in ((FOLDER, Path.is_dir), (".git", Path.exists)):
        for folder in folders:
            if found(folder / name):
                return folder / FOLDER
    return here / FOLDER


def prepare(folder: Path) -> None:
    """Make the root when it is new, hidden from git, and tell where it is once.

    Raises:
        OSError: it cannot be made.
    """
    ignore = folder / ".gitignore"
    if not ignore.exists():
        folder.mkdir(parents=True, exist_ok=True)
        ignore.write_bytes(b"*\n")
        print(f"mlgitops: run records are kept in {folder}", file=sys.stderr)


def new_run_id() -> str:
    """Return a ULID: 26 characters that sort by the time (milliseconds) they were made."""
    number = (time.time_ns() // 1_000_000) << 80 | int.from_bytes(os.urandom(10), "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))


def is_run_id(text: str) -> bool:
    """Say whether a text is a run id."""
    return len(text) == 26 and all(character in _CROCKFORD for character in text)


def slug(text: str) -> str:
    """Return a folder name for any text; two texts that need changing never share one."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in text.lower())[:60].strip("-")
    if kept == text:
        return kept
    import hashlib

    return f"{kept or 'x'}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def utc(seconds: float) -> str:
    """Return a time since the epoch as RFC 3339 in UTC, to the millisecond."""
    whole, fraction = divmod(int(seconds * 1000), 1000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{fraction:03d}Z"
