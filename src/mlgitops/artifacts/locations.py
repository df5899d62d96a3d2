"""Where bytes lie: ``file:///folder`` and ``s3://bucket/prefix``, read strictly.

A location has one spelling that counts. What could mean something else to another
reader (``..``, empty segments, user names, queries, control characters) is an error, so
that "lies below this prefix" can be answered by comparing segments.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from mlgitops.errors import InputError

_EXPECTED = "expected file:///FOLDER or s3://BUCKET/PREFIX"
_BUCKET = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{1,254}")


@dataclass(frozen=True, slots=True)
class Location:
    """A place in a store: ``scheme`` is file or s3, ``bucket`` is empty for files."""

    scheme: str
    bucket: str
    parts: tuple[str, ...]

    @classmethod
    def parse(cls, uri: str) -> Location:
        """Read a URI.

        Raises:
            InputError: another scheme, or a spelling that could leave the place it names.
        """
        scheme, separator, rest = uri.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in ("file", "s3"):
            raise InputError(f"{uri!r} is not a place for artifacts; {_EXPECTED}")
        bucket, _, path = rest.partition("/")
        if scheme == "file":
            path, bucket = unquote(path), "" if bucket == "localhost" else bucket
            if bucket:
                raise InputError(f"{uri!r} names a host; {_EXPECTED}, with three slashes")
        elif not _BUCKET.fullmatch(bucket):
            raise InputError(f"{uri!r} names no bucket; {_EXPECTED}")
        path = path.removesuffix("/")
        return cls(scheme, bucket, segments(path) if path else ())

    def __str__(self) -> str:
        path = "/".join(self.parts)
        return f"file:///{quote(path)}" if self.scheme == "file" else f"s3://{self.bucket}/{path}"

    @property
    def path(self) -> Path:
        """The folder or file of a ``file`` location."""
        return Path("/", *self.parts)

    def contains(self, other: Location) -> bool:
        """Say whether the other location is this one or lies below it."""
        return (self.scheme, self.bucket) == (other.scheme, other.bucket) and (
            other.parts[: len(self.parts)] == self.parts
        )


def segments(path: str) -> tuple[str, ...]:
    """Split a relative POSIX path.

    Raises:
        InputError: a segment is empty, ``.`` or ``..``, or holds a backslash or control character.
    """
    found = tuple(path.split("/"))
    for segment in found:
        if segment in ("", ".", "..") or "\\" in segment or not segment.isprintable():
            raise InputError(f"{path!r} is not a plain path: segment {segment!r} is not allowed")
    return found


def join(root: str, *names: str) -> str:
    """Return the URI of something below a root.

    Raises:
        InputError: the root is no place for artifacts, or a name would leave it.
    """
    location = Location.parse(root)
    below = tuple(segment for name in names for segment in segments(name))
    return str(Location(location.scheme, location.bucket, location.parts + below))


def within(uri: str, prefixes: Iterable[str]) -> bool:
    """Say whether a URI lies at or below one of some prefixes, compared segment by segment.

    A URI that cannot be read strictly is outside of everything, and so is one that no
    readable prefix contains: ``s3://models-evil/x`` is not below ``s3://models``.
    """
    try:
        location = Location.parse(uri)
    except InputError:
        return False
    for prefix in prefixes:
        try:
            if Location.parse(prefix).contains(location):
                return True
        except InputError:
            continue
    return False
