"""What a record holds besides lines: copies of files, and the manifest of the whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path, PurePosixPath

from mlgitops import digest
from mlgitops.digest import FileEntry, Manifest
from mlgitops.errors import InputError, NotFoundError, OutsideError
from mlgitops.files import write_atomic
from mlgitops.tracking.places import META, MODELS, OWNER


def copy_artifact(source: Path, artifacts: Path, name: str | None) -> Path:
    """Copy a file or folder below the artifacts of a run; see ``Run.log_artifact``."""
    target = artifacts.joinpath(*_parts(source.name if name is None else name))
    if not source.exists():
        raise NotFoundError(f"{source} does not exist; there is nothing to log")
    if source.is_dir() and target.resolve().is_relative_to(source.resolve()):
        raise InputError(f"{source} holds {target}, where its copy would lie; log what is in it")
    try:
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_file(source, target)
    except (OSError, shutil.Error) as error:
        raise OutsideError(f"{source} cannot be copied to {target}: {error}") from error
    return target


def write_artifact(data: bytes, artifacts: Path, name: str) -> None:
    """Write a file below the artifacts of a run.

    Raises:
        InputError: the name is no plain relative path.
        OSError: it cannot be written.
    """
    write_atomic(artifacts.joinpath(*_parts(name)), data)


def seal(folder: Path) -> Manifest:
    """Write the manifest of a record: every file but models, which have their own, and what is added later."""
    manifest = Manifest(tuple(sorted(_entries(folder), key=lambda entry: entry.path)))
    write_atomic(folder / digest.MANIFEST, manifest.to_bytes())
    return manifest


def _parts(name: str) -> tuple[str, ...]:
    parts = PurePosixPath(name).parts
    if not parts or name.startswith("/") or ".." in parts or "\\" in name or not name.isprintable():
        raise InputError(f"artifact name {name!r} is no plain relative path; expected one such as plots/loss.png")
    return parts


def _entries(folder: Path) -> list[FileEntry]:
    found = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        sealed = relative.parts[0] not in (META, MODELS, OWNER, digest.MANIFEST)
        if sealed and path.is_file() and not path.is_symlink():
            found.append(FileEntry(relative.as_posix(), digest.of_file(path), path.stat().st_size))
    return found


def _copy_file(source: Path, target: Path) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".partial-")
    os.close(descriptor)
    try:
        shutil.copyfile(source, temporary)
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    finally:
        Path(temporary).unlink(missing_ok=True)
