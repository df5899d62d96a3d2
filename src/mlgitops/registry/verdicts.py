"""The verdict on a folder's registry, looked up when nothing changed since it was last given."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mlgitops.config import FILE
from mlgitops.errors import Problem
from mlgitops.git.command import run
from mlgitops.registry import cache, layout

_PLAIN: Final = ("100644", "100755")


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many objects a registry has, and everything that is wrong with it."""

    objects: int
    problems: tuple[Problem, ...]


def examine(root: Path, base: str = "") -> Verdict:
    """Judge the registry of a folder, alone or against the commit that it shall replace, and what lies beside it.

    Beside it are ``clusters/`` and ``mlgitops.toml``, which count for no object.

    Raises:
        NotFoundError: there is no folder ``registry``, or no such commit.
        InvalidError: the commit's registry is itself not valid.
    """
    commit = _resolved(root, base) if base else ""
    contents = _contents(root)
    if contents is None:
        return _judge(root, commit)
    wanted = cache.key(("validate", commit, *contents))
    with cache.opened() as kept:
        with contextlib.suppress(sqlite3.Error):
            known = kept.verdict(wanted) if kept else None
            if known:
                return Verdict(known["objects"], tuple(Problem(**problem) for problem in known["problems"]))
        found = _judge(root, commit)
        with contextlib.suppress(sqlite3.Error):
            if kept:
                kept.put_verdict(wanted, dataclasses.asdict(found))
    return found


# What these need takes longer to import than to look a verdict up.
def _resolved(root: Path, base: str) -> str:
    from mlgitops.git import Repository

    return Repository.open(root).resolve(base)


def _judge(root: Path, commit: str) -> Verdict:
    from mlgitops.registry.reading import no_collector

    with no_collector():
        return _judged(root, commit)


def _judged(root: Path, commit: str) -> Verdict:
    from mlgitops.git import Repository
    from mlgitops.registry import rules
    from mlgitops.registry.tree import Tree, below_top, committed_files, load_files, read

    tree = read(root)
    before: Tree | None = None
    if commit:
        repository = Repository.open(root)
        before = load_files(committed_files(repository, commit, below_top(root, repository)))
    return Verdict(len(tree.entries), (*_beside(root), *rules.validate(tree, before)))


def _beside(root: Path) -> Iterator[Problem]:
    """Yield what is wrong with the files that are beside ``registry/`` and ours to judge."""
    from mlgitops.registry import clusters, configuration

    for path in sorted((root / layout.CLUSTERS).glob("*.y*ml")):
        if path.is_file() and path.suffix in layout.SUFFIXES:
            yield from clusters.problems(f"{layout.CLUSTERS}/{path.name}", path.read_bytes())
    if (root / FILE).is_file():
        yield from configuration.problems((root / FILE).read_bytes())


def _contents(root: Path) -> list[str] | None:
    """Return names of all that is judged: git's own of what did not change, digests of what did.

    None when git cannot vouch for the folder: it is no repository, or has links, submodules
    or files that git was told not to look at.
    """
    below = ("-z", "--", layout.ROOT, layout.CLUSTERS, FILE)
    listed = run(root, ["ls-files", "--stage", "-v", *below])
    changed = run(
        root, ["status", "--porcelain", "--no-renames", "--untracked-files=all", "--ignored=matching", *below]
    )
    if listed.status or changed.status or (root / layout.ROOT).is_symlink():
        return None
    records = [record for record in listed.text.split("\0") if record]
    # "H <mode> <blob> <stage>\t<path>"; another letter is a file that git does not compare.
    if any(record[:1] != "H" or record[2:8] not in _PLAIN for record in records):
        return None
    differing = [record for record in changed.text.split("\0") if record]
    if differing:
        top = Path(run(root, ["rev-parse", "--show-toplevel"]).text)
        for record in differing:
            path = top / record[3:]
            if path.is_symlink() or path.is_dir():
                return None
            records.append(record + (cache.digest(path.read_bytes()).hex() if path.is_file() else ""))
    return records
