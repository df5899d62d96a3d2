"""Digests of bytes, of JSON values and of folders. Standard library only.

A digest is the string ``sha256:`` and 64 lower-case hex digits. The digest of a
folder is the digest of its *manifest*: the canonical JSON of every file's path,
sha256 and size, kept as ``manifest.json`` at the folder's top and not listing
itself. Two folders with the same content have the same digest, whatever their
times, owners or order on disk.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlgitops.errors import InputError, IntegrityError
from mlgitops.files import write_atomic

MANIFEST = "manifest.json"
PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


def of_bytes(data: bytes) -> str:
    """Return the digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def of_file(path: Path) -> str:
    """Return the digest of a file, read in pieces."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def canonical_json(value: Any) -> bytes:
    """Return the one JSON text of a value: sorted keys, no spaces, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def of_json(value: Any) -> str:
    """Return the digest of a value's canonical JSON."""
    return of_bytes(canonical_json(value))


def hex_of(digest: str) -> str:
    """Return the 64 hex digits of a digest.

    Raises:
        InputError: it is not ``sha256:`` and 64 lower-case hex digits.
    """
    if not PATTERN.fullmatch(digest):
        raise InputError(f"{digest!r} is not a digest; expected sha256: and 64 lower-case hex digits")
    return digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a manifest: its POSIX path inside the folder, sha256 digest and size in bytes."""

    path: str
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a folder holds, in order of path."""

    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """Return the canonical JSON whose digest is the folder's digest."""
        return canonical_json(
            {"files": {entry.path: {"sha256": hex_of(entry.digest), "size": entry.size} for entry in self.files}}
        )

    @property
    def digest(self) -> str:
        """The digest of the folder."""
        return of_bytes(self.to_bytes())

    @property
    def size(self) -> int:
        """Bytes of all files together, the manifest not counted."""
        return sum(entry.size for entry in self.files)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Read a manifest.

        Raises:
            InputError: it is no manifest, or one of its paths leaves the folder.
        """
        try:
            listed = json.loads(data)["files"]
            files = tuple(
                FileEntry(_inside(path), f"sha256:{entry['sha256']}", int(entry["size"]))
                for path, entry in sorted(listed.items())
            )
            for entry in files:
                hex_of(entry.digest)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"not a manifest: {error}") from error
        return cls(files)

    @classmethod
    def of_folder(cls, folder: Path, digest_of: Callable[[Path], str] = of_file) -> Manifest:
        """Read every file below a folder, its manifest left out; ``digest_of`` may know some without reading.

        Raises:
            InputError: something in it is neither a plain file nor a folder.
        """
        files = (
            FileEntry(path.relative_to(folder).as_posix(), digest_of(path), path.stat().st_size)
            for path in _plain_files(folder)
        )
        return cls(tuple(sorted(files, key=lambda entry: entry.path)))


def _inside(path: str) -> str:
    parts = PurePosixPath(path).parts
    normal = path == "/".join(parts) and path != MANIFEST
    if not parts or not normal or path.startswith("/") or ".." in parts or "\\" in path or "\0" in path:
        raise ValueError(f"path {path!r} does not stay inside the folder")
    return path


def _plain_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is neither a file nor a folder; only those can be digested")
        if path.is_file() and path != folder / MANIFEST:
            yield path


def seal(folder: Path) -> Manifest:
    """Write a folder's manifest and return it."""
    manifest = Manifest.of_folder(folder)
    write_atomic(folder / MANIFEST, manifest.to_bytes())
    return manifest


def verify(folder: Path, digest: str) -> Manifest:
    """Read a sealed folder again, every byte of it, and return its manifest.

    Raises:
        InputError: it has no manifest.
        IntegrityError: manifest or files differ from what the digest promises.
    """
    hex_of(digest)
    try:
        data = (folder / MANIFEST).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{folder} has no {MANIFEST}; it is not a sealed folder") from error
    if of_bytes(data) != digest:
        raise IntegrityError(f"{folder}/{MANIFEST}", expected=digest, found=of_bytes(data))
    promised = Manifest.from_bytes(data)
    found = Manifest.of_folder(folder)
    if found != promised:
        raise IntegrityError(f"{folder}", expected=digest, found=found.digest)
    return promised
