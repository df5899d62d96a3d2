"""Zip archives whose bytes follow from their content alone, and reading those that somebody else may have made.

Members are stored uncompressed, so that no version of zlib has a say, in one order, with one
time and one mode. What is read has to be stored uncompressed too: then an archive cannot
unfold to more than its own size.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from mlgitops.errors import InputError

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
_ENCRYPTED: Final = 0x1  # general purpose flag, APPNOTE.TXT 4.4.4


def packed(members: Mapping[str, bytes]) -> bytes:
    """Return an archive of members in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system, info.external_attr = 3, _MODE
            archive.writestr(info, content)
    return buffer.getvalue()


def sizes(path: Path) -> dict[str, int]:
    """Return the members of an archive and their sizes in bytes, read from its directory alone.

    Raises:
        InputError: it is no archive, or has members that ``packed`` never writes: compressed or
            encrypted ones, two of one name, names that lead out of a folder, more than fits into it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError) as error:
        raise InputError(f"{path} cannot be read as a zip archive: {error}") from error
    for info in found:
        if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
            raise InputError(f"{path}: member {info.filename!a} is compressed; expected it as it is")
        if info.flag_bits & _ENCRYPTED:
            raise InputError(f"{path}: member {info.filename!a} is encrypted")
        if not _is_plain(info.filename) or info.orig_filename != info.filename:
            raise InputError(f"{path}: member {info.filename!a} is no plain name below a folder")
    if len({info.filename for info in found}) != len(found):
        raise InputError(f"{path} has two members of one name")
    if sum(info.file_size for info in found) > path.stat().st_size:
        raise InputError(f"{path} has members that lie over one another")
    return {info.filename: info.file_size for info in found}


def read(path: Path, names: Sequence[str]) -> list[bytes]:
    """Return what some members hold, of an archive whose ``sizes`` were looked at.

    Raises:
        InputError: a member is not there, or not as the directory says.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return [archive.read(name) for name in names]
    # What zipfile makes of a header that contradicts the directory, or lies where no file is.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, LookupError, EOFError, OSError) as error:
        raise InputError(f"{path} cannot be read as a zip archive: {type(error).__name__}: {error}") from error


def _is_plain(name: str) -> bool:
    parts = name.split("/")
    return name.isprintable() and not set(parts) & {"", ".", ".."} and not set(name) & set("\\:")
