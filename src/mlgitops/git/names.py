"""Names that come from outside: refs, addresses of remotes, paths inside a tree."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

from mlgitops.errors import InputError

# git-check-ref-format(1), narrowed to what registries and forges need. A ref starts with
# "refs/", so it can never be taken for an option.
_REF = re.compile(r"refs(/[A-Za-z0-9_@+=%,#][A-Za-z0-9_@+=%,#.-]*)+")
_SCP = re.compile(r"[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:[^:].*")
_USER_INFO = re.compile(r"(?<=://)[^/\s'\"]*@")

SCHEMES = ("file", "git", "http", "https", "ssh")


def check_ref(name: str) -> str:
    """Return a full ref name that is fit for any git command.

    Raises:
        InputError: it is not a plain full name such as ``refs/heads/main``.
    """
    parts = name.split("/")
    if not _REF.fullmatch(name) or ".." in name or any(part.endswith((".lock", ".")) for part in parts):
        raise InputError(f"{name!r} is not a ref name; expected a full one such as refs/heads/main")
    return name


def check_path(path: str) -> str:
    """Return a path that stays inside a tree and means the same on every system.

    Raises:
        InputError: it is absolute, leaves the tree, or goes into a ``.git`` folder.
    """
    parts = path.split("/")
    forbidden = any(part in ("", ".", "..") or part.lower() == ".git" for part in parts)
    if forbidden or "\\" in path or any(ord(character) < 32 for character in path):
        raise InputError(f"{path!r} is not a path inside a repository; expected one such as registry/models/a.yaml")
    return path


def check_url(url: str) -> str:
    """Return a remote's address: a URL of a known scheme, ``user@host:path``, or a folder.

    Raises:
        InputError: git would read it as an option or hand it to a helper program.
    """
    scheme, separator, _ = url.partition("://")
    if separator:
        good = scheme in SCHEMES
    else:
        good = bool(_SCP.fullmatch(url)) or (bool(url) and not url.startswith("-") and ":" not in url)
    if not good or any(ord(character) < 32 for character in url):
        raise InputError(
            f"{public_url(url)!r} is not an address of a git repository; expected "
            f"{', '.join(f'{known}://…' for known in SCHEMES)}, user@host:path, or a folder"
        )
    return url


def public_url(url: str) -> str:
    """Return an address as it may be printed: without user, password and query.

    ``user@host:path`` keeps its user, which is part of the host's name for ssh and no secret.
    """
    if "://" not in url:
        return url
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return without_credentials(url)


def without_credentials(text: str) -> str:
    """Return a message of git in which no URL carries a user or password."""
    return _USER_INFO.sub("", text)
