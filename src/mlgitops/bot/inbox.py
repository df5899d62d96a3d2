"""``mlgitops bot inbox``: waiting inbox branches become pull requests.

A branch was pushed by somebody who may push and nothing else: its content is judged as hostile
data, its artifact is read only where the policy allows, and nothing of it is run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from mlgitops import artifacts
from mlgitops.api import ModelVersion
from mlgitops.bot import proposal
from mlgitops.bot.context import Context
from mlgitops.bot.propose import INBOX, Proposed, open_proposal, registered
from mlgitops.errors import ConflictError, InputError, MlgitopsError, NotFoundError, OutsideError
from mlgitops.git import ls_remote


@dataclass(frozen=True, slots=True)
class Waiting:
    """What became of one inbox branch: a proposal, or the reason why it still waits.

    ``registered`` is the address that its model has already; then there was nothing left to do.
    """

    branch: str
    proposed: Proposed | None
    problem: str = ""
    registered: str = ""


def inbox(context: Context) -> Iterator[Waiting]:
    """Turn every waiting branch into a pull request and delete it; a bad one stays and is named.

    A branch whose model is registered already is deleted too: it would ask in vain for ever.

    Raises:
        OutsideError: the remote cannot be read.
    """
    for ref, commit in sorted(ls_remote(context.url, f"refs/heads/{INBOX}/*").items()):
        branch = ref.removeprefix("refs/heads/")
        try:
            done = _take(context, ref, commit, branch)
        except MlgitopsError as error:
            yield Waiting(branch, None, str(error))
            continue
        with contextlib.suppress(ConflictError):  # another bot took it too, or it asks for something else by now
            context.repository.push(context.url, {ref: None}, {ref: commit})
        yield done


def _take(context: Context, ref: str, commit: str, branch: str) -> Waiting:
    kept = f"refs/mlgitops/inbox/{commit}"
    context.repository.fetch(context.url, f"+{ref}:{kept}")
    try:
        version, by = _read(context, ref, commit)
    finally:
        with contextlib.suppress(OutsideError):  # another process took it at the same time
            context.repository.set_ref(kept, None)
    address = registered(context, version)
    if address:
        return Waiting(branch, None, registered=address)
    _check_artifact(context, version)
    return Waiting(branch, open_proposal(context, version, by=by))


def _read(context: Context, ref: str, commit: str) -> tuple[ModelVersion, str]:
    files = context.repository.tree(commit)
    if "run.json" not in files:
        raise NotFoundError(f"{ref} has no file run.json")
    if files.size("run.json") > proposal.LARGEST:
        raise InputError(f"{ref}: run.json has {files.size('run.json')} bytes, an inbox takes {proposal.LARGEST}")
    return proposal.from_inbox(files["run.json"])


def _check_artifact(context: Context, version: ModelVersion) -> None:
    policy = context.tree.policy(version.spec.model_ref.name)
    prefixes = policy.spec.artifacts.prefixes if policy else ()
    artifact = version.spec.artifact
    if not artifacts.within(artifact.uri, prefixes):
        raise InputError(
            f"{artifact.uri} lies outside the policy's artifact prefixes ({', '.join(prefixes) or 'none'})"
        )
    artifacts.check(artifact.uri, artifact.digest)
