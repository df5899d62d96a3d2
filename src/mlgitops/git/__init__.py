"""One thin layer over GitPython: fetch, read trees, make commits, compare-and-swap pushes.

Nothing here touches a work tree, runs a hook of ours or reaches a shell, and no message
holds a credential. A push says what it expects of every ref it changes; when it fails or
its answer does not come, fetch, look, and only then retry.

A name is fetched from its module when it is first used: what only runs git needs no GitPython, which
takes longer to import than most answers take.
"""

from mlgitops import lazy

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.git.logins import Login as Login
    from mlgitops.git.logins import SshLogin as SshLogin
    from mlgitops.git.names import check_ref as check_ref
    from mlgitops.git.names import check_url as check_url
    from mlgitops.git.names import public_url as public_url
    from mlgitops.git.remote import ls_remote as ls_remote
    from mlgitops.git.repository import Commit as Commit
    from mlgitops.git.repository import Person as Person
    from mlgitops.git.repository import Repository as Repository
    from mlgitops.git.settling import settle as settle
    from mlgitops.git.signatures import UnverifiedError as UnverifiedError
    from mlgitops.git.signatures import signer as signer
    from mlgitops.git.tree import Files as Files

_HOMES = {
    "Commit": "repository",
    "Files": "tree",
    "Login": "logins",
    "Person": "repository",
    "Repository": "repository",
    "SshLogin": "logins",
    "UnverifiedError": "signatures",
    "check_ref": "names",
    "check_url": "names",
    "ls_remote": "remote",
    "public_url": "names",
    "settle": "settling",
    "signer": "signatures",
}
__all__ = sorted(_HOMES)
__getattr__ = lazy.attributes(__name__, _HOMES)
