"""What git says to and hears from a remote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from mlgitops.errors import ConflictError, NotFoundError, OutsideError, RefusedError
from mlgitops.git.command import NETWORK_SECONDS, Output, run
from mlgitops.git.logins import Login, SshLogin, logged_in
from mlgitops.git.names import check_ref, check_url, public_url

_ATTEMPTS = 5  # of a fetch that lost a race for a ref's lock file with another process here

# How git and its servers word "somebody was first": git-push(1) and builtin/receive-pack.c.
_LOST = re.compile(
    r"stale info|fetch first|non-fast-forward|needs force|already exists|reference already exists"
    r"|failed to update ref|cannot lock ref|incorrect old value|atomic transaction failed|failed to lock"
)
# What the other refs of an atomic push are told when one of them was refused.
_COMPANION = re.compile(r"atomic push fail|atomic transaction|transaction aborted")


def ls_remote(url: str, *patterns: str, login: Login | SshLogin | None = None, timeout: float = 60.0) -> dict[str, str]:
    """Return a remote's refs, or those that match the patterns, as full name → object name.

    Raises:
        InputError: the address is none.
        OutsideError: the remote cannot be read.
    """
    arguments = ["ls-remote", "--refs", "--quiet", "--", check_url(url), *patterns]
    with logged_in(url, login) as variables:
        output = run(Path.cwd(), arguments, variables=variables, timeout=timeout)
    if output.status != 0:
        raise OutsideError(f"cannot read git repository {public_url(url)}: {output.reason}")
    lines = (line.split("\t", 1) for line in output.text.splitlines() if "\t" in line)
    return {name: sha for sha, name in lines}


def fetch(
    folder: Path,
    url: str,
    refspecs: tuple[str, ...],
    *options: str,
    login: Login | SshLogin | None = None,
    timeout: float = NETWORK_SECONDS,
) -> None:
    """Fetch refspecs into the repository at ``folder``, within seconds; tags and submodules stay away.

    Raises:
        NotFoundError: the remote has no ref of that name.
        OutsideError: the remote cannot be read.
    """
    flags = ["--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", *options]
    command = [f"--git-dir={folder}", "fetch", *flags, "--", check_url(url), *refspecs]
    for attempt in range(1, _ATTEMPTS + 1):
        with logged_in(url, login) as variables:
            output = run(folder, command, variables=variables, timeout=timeout)
        if output.status == 0:
            return
        if "couldn't find remote ref" in output.stderr:
            missing = output.stderr.rpartition("remote ref ")[2].split("\n")[0]
            raise NotFoundError(f"git repository {public_url(url)} has no ref {missing.strip()}")
        if attempt == _ATTEMPTS or not re.search(r"cannot lock ref|\.lock'?: File exists", output.stderr):
            raise OutsideError(f"cannot fetch from git repository {public_url(url)}: {output.reason}")


def push(
    folder: Path,
    url: str,
    updates: Mapping[str, str | None],
    expected: Mapping[str, str | None],
    *,
    login: Login | SshLogin | None = None,
) -> None:
    """Change a remote's refs, all or none, if each of them is still what the caller read.

    A ref that already is what the update wants counts as done, whatever was expected of it.

    Args:
        folder: the repository that has the commits.
        url: the remote.
        updates: full ref name → commit, or None to delete the ref.
        expected: full ref name → what the caller read there; None or missing means "does not exist".
        login: credentials.

    Raises:
        ConflictError: at least one ref was not as expected; nothing changed.
        RefusedError: the remote refused for another reason; nothing changed.
        OutsideError: the answer did not come: the push may have been done. Fetch and look
            before another attempt.
    """
    leases = [f"--force-with-lease={check_ref(name)}:{expected.get(name) or ''}" for name in updates]
    specs = [f"{sha or ''}:{name}" for name, sha in updates.items()]
    atomic = ["--atomic"] if len(updates) > 1 else []
    flags = ["--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no", *atomic, *leases]
    command = [f"--git-dir={folder}", "push", *flags, "--", check_url(url), *specs]
    with logged_in(url, login) as variables:
        output = run(folder, command, variables=variables, timeout=NETWORK_SECONDS)
    if output.status != 0:
        raise _push_error(url, output)


def _push_error(url: str, output: Output) -> OutsideError:
    refused = [line.split("\t") for line in output.text.splitlines() if line.startswith("!")]
    reasons = [(fields[1].rpartition(":")[2], fields[-1]) for fields in refused if len(fields) >= 3]
    own = [(name, reason) for name, reason in reasons if not _COMPANION.search(reason)]
    told = "; ".join(f"{name} {reason}" for name, reason in own or reasons)
    if "failed to report status" in told or not reasons:
        return OutsideError(
            f"push to git repository {public_url(url)} was not answered ({output.reason}); "
            "it may have been done: fetch and look before you retry"
        )
    if all(_LOST.search(reason) for _, reason in own or reasons):
        return ConflictError(f"push to git repository {public_url(url)} came second: {told}; fetch, then retry")
    return RefusedError(f"git repository {public_url(url)} refused the push: {told}: {output.reason}")
