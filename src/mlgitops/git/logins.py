"""How git logs in to a remote: by name and password over http(s), or by a key over ssh.

Either secret reaches the one command that needs it and nobody else: a password stands in
the environment, which other users of the machine cannot read, and a key in a folder of
our own that is gone when the command is.
"""

from __future__ import annotations

import contextlib
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

# Our own words, not the caller's.
_HELPER = (
    '!f() { test "$1" = get && printf "username=%s\\npassword=%s\\n" "$MLGITOPS_GIT_USER" "$MLGITOPS_GIT_SECRET"; }; f'
)


@dataclass(frozen=True, slots=True)
class Login:
    """A user and a password or token for one remote over http(s); without a user nobody logs in.

    ``authorities`` are PEM certificates: who may vouch for the host, as the machine's own do.
    """

    user: str = ""
    secret: str = field(default="", repr=False)
    authorities: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SshLogin:
    """A private key without a passphrase, and the lines of ``known_hosts`` that the remote must match."""

    identity: str = field(repr=False)
    known_hosts: str


@contextlib.contextmanager
def logged_in(url: str, login: Login | SshLogin | None) -> Iterator[dict[str, str]]:
    """Yield the environment variables by which git logs in to the host of ``url`` and to no other."""
    if isinstance(login, SshLogin):
        with tempfile.TemporaryDirectory(prefix="mlgitops-ssh-") as folder:
            yield _by_key(Path(folder), login)
    elif login:
        with _trusting(login.authorities) as variables:
            yield {**variables, **(_by_password(url, login) if login.user else {})}
    else:
        yield {}


@contextlib.contextmanager
def _trusting(authorities: str) -> Iterator[dict[str, str]]:
    if not authorities:
        yield {}
        return
    with tempfile.NamedTemporaryFile("w", prefix="mlgitops-ca-", suffix=".pem") as file:
        file.write(authorities)
        file.flush()
        yield {"GIT_SSL_CAINFO": file.name}


def _by_password(url: str, login: Login) -> dict[str, str]:
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


def _by_key(folder: Path, login: SshLogin) -> dict[str, str]:
    identity, known_hosts = folder / "identity", folder / "known_hosts"
    identity.touch(0o600)
    identity.write_text(login.identity.rstrip("\n") + "\n")  # ssh reads no key whose last line does not end
    known_hosts.write_text(login.known_hosts.rstrip("\n") + "\n")
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": str(known_hosts),
        "GlobalKnownHostsFile": "/dev/null",
    }
    settings = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    # Neither the user's configuration nor their agent: the Secret alone says who asks.
    command = ["ssh", "-F", "/dev/null", "-i", str(identity), *settings]
    return {"GIT_SSH_COMMAND": shlex.join(command), "GIT_SSH_VARIANT": "ssh", "SSH_AUTH_SOCK": ""}
