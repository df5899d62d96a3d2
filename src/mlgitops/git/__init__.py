"""One thin layer over GitPython: fetch, read trees, make commits, compare-and-swap pushes.

Nothing here touches a work tree, runs a hook of ours or reaches a shell, and no message
holds a credential. A push says what it expects of every ref it changes; when it fails or
its answer does not come, fetch, look, and only then retry.
"""

from mlgitops.git.logins import Login, SshLogin
from mlgitops.git.names import check_ref, check_url, public_url
from mlgitops.git.remote import ls_remote
from mlgitops.git.repository import Commit, Person, Repository
from mlgitops.git.settling import settle
from mlgitops.git.signatures import UnverifiedError, signer
from mlgitops.git.tree import Files

__all__ = [
    "Commit",
    "Files",
    "Login",
    "Person",
    "Repository",
    "SshLogin",
    "UnverifiedError",
    "check_ref",
    "check_url",
    "ls_remote",
    "public_url",
    "settle",
    "signer",
]
