"""What a registry names anywhere: the digests and runs that nobody may clean away.

Every branch of the remote counts, and with them the ledger's reservations and the inbox; so does the
head of every open pull request. Texts are searched for what looks like a digest or a run's id, and no
file needs to be valid: what was garbled, or is of a newer format, is not named any less.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from mlgitops.api import ModelVersion
from mlgitops.bot.context import Context, mirror
from mlgitops.forge import State
from mlgitops.git import Repository
from mlgitops.registry import layout
from mlgitops.tracking import places

_DIGEST = re.compile(rb"sha256[:-]([0-9a-f]{64})(?![0-9a-f])")
_RUN = re.compile(rb"(?<![0-9A-Z])[0-9A-HJKMNP-TV-Z]{26}(?![0-9A-Z])")
_ROOTS = (f"{layout.ROOT}/", "models/")  # of a registry, of its ledger
_INBOX = "run.json"
_REFS = "refs/mlgitops/named/"
_PULLS = ("refs/pull/*/head", "refs/merge-requests/*/head")


@dataclass(frozen=True, slots=True)
class Named:
    """Digests as hex, and ids of runs."""

    digests: frozenset[str]
    runs: frozenset[str]

    def __or__(self, other: Named) -> Named:
        return Named(self.digests | other.digests, self.runs | other.runs)


def named(context: Context, also: Iterable[str] = ()) -> Named:
    """Return what the registry names, as its remote is now, and what others do that share its store.

    Args:
        context: the registry.
        also: URLs of other registries; every pull request of theirs counts, open or not.

    Raises:
        OutsideError: a remote cannot be read.
    """
    heads = [pull.head for pull in context.forge.pulls(State.OPEN)]
    found = _in_commits(context.repository, [*_fetched(context.repository, context.url, ()), *heads])
    # What the base branch's versions name is taken from the objects too, however their YAML is written.
    specs = [version.spec for version in context.tree.all(ModelVersion)]
    found |= Named(
        frozenset(spec.artifact.digest.removeprefix("sha256:") for spec in specs),
        frozenset(spec.run.id for spec in specs if spec.run),
    )
    for url in also:
        repository = mirror(url)
        found |= _in_commits(repository, _fetched(repository, url, _PULLS))
    return found


def _fetched(repository: Repository, url: str, patterns: Iterable[str]) -> tuple[str, ...]:
    """Fetch every branch of a remote, and the refs of other patterns; return the commits."""
    wanted = ("refs/heads/*", *patterns)
    specs = (f"+{pattern}:{pattern.replace('refs/', _REFS, 1)}" for pattern in wanted)
    repository.fetch(url, *specs, prune=True)
    return tuple(repository.refs(_REFS).values())


def _in_commits(repository: Repository, commits: Iterable[str]) -> Named:
    digests: set[str] = set()
    runs: set[str] = set()
    seen: set[str] = set()
    for commit in dict.fromkeys(commits):
        files = repository.tree(commit)
        for path in files:
            if (not path.startswith(_ROOTS) and path != _INBOX) or files.sha(path) in seen:
                continue
            seen.add(files.sha(path))
            data = files[path]
            digests.update(found.decode() for found in _DIGEST.findall(data))
            runs.update(found.decode() for found in _RUN.findall(data) if places.is_run_id(found.decode()))
    return Named(frozenset(digests), frozenset(runs))
