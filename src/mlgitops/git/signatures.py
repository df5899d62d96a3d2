"""Who signed a commit, among the keys that somebody trusts (SSH signatures, git 2.34 and newer).

git asks ssh-keygen, which looks the key up in a list of allowed signers
(ssh-keygen(1), ALLOWED SIGNERS); the list is ours, whatever the user's settings say.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mlgitops.errors import CheckFailedError
from mlgitops.git.command import run

_GOOD = re.compile(r'^Good "git" signature for (\S+) with ', re.MULTILINE)


class UnverifiedError(CheckFailedError):
    """A commit is not signed by anybody who may."""


def signer(repository: Path, commit: str, keys: Mapping[str, str]) -> str:
    """Return the name of the key that signed a commit.

    Args:
        repository: the git folder that holds the commit.
        commit: its full name.
        keys: public keys as ``ssh-ed25519 AAAA…``, by the name of their owner.

    Raises:
        UnverifiedError: it has no signature, a broken one, or one by another key.
    """
    with tempfile.NamedTemporaryFile("w", prefix="mlgitops-signers-", encoding="ascii") as allowed:
        allowed.writelines(f'{name} namespaces="git" {key}\n' for name, key in keys.items())
        allowed.flush()
        settings = ["-c", f"gpg.ssh.allowedSignersFile={allowed.name}", "-c", "gpg.ssh.revocationFile=/dev/null"]
        # PGP keys of whoever runs this are nobody whom the caller named.
        settings += ["-c", "gpg.program=false", "-c", "gpg.x509.program=false", "-c", "gpg.ssh.program=ssh-keygen"]
        output = run(repository, [*settings, f"--git-dir={repository}", "verify-commit", "--raw", commit])
    found = _GOOD.search(output.stderr)
    if output.status == 0 and found and found[1] in keys:
        return found[1]
    told = "is not signed" if not output.stderr.strip() else f"is not signed by one of them ({output.reason})"
    raise UnverifiedError(
        f"commit {commit[:12]} {told}; allowed are the SSH keys of {', '.join(keys)}: "
        "sign it, or add the key of who did (GitHub and other forges sign merges with keys of their own)"
    )
