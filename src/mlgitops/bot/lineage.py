"""``mlgitops lineage``: gathers the run records and the registry that say what came of what."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mlgitops.api import ModelVersion, addresses
from mlgitops.api.addresses import ModelAddress
from mlgitops.bot import find
from mlgitops.bot.context import Context
from mlgitops.errors import InputError, NotFoundError
from mlgitops.registry.lineage import Lineage, Node, graph
from mlgitops.registry.tree import Tree
from mlgitops.tracking.query.parser import MOST_VALUES
from mlgitops.tracking.query.roots import Root
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.query.tables import Runs
from mlgitops.tracking.records import RunRecord

_FORMS = "expected dataset:DIGEST, run:ID, MODEL:VERSION or MODEL@STAGE"
_DIGEST = re.compile(r"(sha256:)?([0-9a-f]{1,64})")
_RUN = re.compile(r"[0-9A-Z]{1,64}")  # an id or its beginning; nothing in it means anything to a filter


def lineage(address: str, *, context: Context | None, root: Root = None) -> Lineage:
    """Return what a thing came from and what came of it.

    Args:
        address: ``dataset:DIGEST``, ``run:ID`` (the beginning of either does), ``MODEL:VERSION`` or ``MODEL@STAGE``.
        context: the registry; None leaves versions, stages and deployments out.
        root: where run records lie; default: as for training.

    Raises:
        InputError: the address is none of these.
        NotFoundError: there is no such thing, or several begin so.
    """
    tree = context.tree if context else None
    kind, _, rest = address.partition(":")
    if kind in ("dataset", "data"):
        subject = _data(rest, tree, root)
        return graph(_with_data(subject.name, root), tree).of(subject)
    if kind in ("run", "runs"):
        subject = _run(rest.strip("/").partition("/")[0], tree, root)
        return graph(_of_ids({subject.name}, root), tree).of(subject)
    subject, version = _named(address, tree)
    ids = {version.spec.run.id} if version.spec.run else set()
    return graph(_of_ids(ids, root), tree).of(subject)


def _data(text: str, tree: Tree | None, root: Root) -> Node:
    match = _DIGEST.fullmatch(text.lower())
    if match is None:
        raise InputError(f"dataset:{text[:80]} names no digest; {_FORMS}, such as dataset:sha256:9f86d0")
    beginning = f"sha256:{match[2]}"
    runs = search_runs(f"dataset.digest like '{beginning}%'", root=root, limit=None)
    known = {data.digest for run in runs for data in run.datasets}
    known |= {data.digest for version in _versions(tree) for data in version.spec.datasets}
    return Node("data", _only(beginning, known, "data set"))


def _run(text: str, tree: Tree | None, root: Root) -> Node:
    beginning = text.upper()
    if _RUN.fullmatch(beginning) is None:
        raise InputError(f"run:{text[:80]} names no run; {_FORMS}")
    known = {run.id for run in search_runs(f"id like '{beginning}%'", root=root, limit=None)}
    known |= {version.spec.run.id for version in _versions(tree) if version.spec.run}
    return Node("run", _only(beginning, known, "run"))


def _only(beginning: str, known: set[str], what: str) -> str:
    found = sorted(name for name in known if name.startswith(beginning))
    if not found:
        raise NotFoundError(f"neither a run record nor the registry names a {what} {beginning}; see: mlgitops search")
    if len(found) > 1:
        raise NotFoundError(f"{len(found)} {what}s begin with {beginning}: {', '.join(found[:5])}; give more of it")
    return found[0]


def _named(address: str, tree: Tree | None) -> tuple[Node, ModelVersion]:
    parsed = addresses.parse(address)
    if not isinstance(parsed, ModelAddress) or not (parsed.version or parsed.stage):
        raise InputError(f"{address[:80]} is no address of something with a lineage; {_FORMS}")
    if tree is None:
        raise InputError(f"{parsed} is in a registry and none is configured; set MLGITOPS_REGISTRY_URL")
    if parsed.version:
        return Node("version", str(parsed)), find.version(tree, parsed.model, parsed.version)
    champion = find.champion(tree, parsed.model, parsed.stage)
    if champion is None:
        raise NotFoundError(f"{parsed} names no version yet")
    return Node("stage", str(parsed)), champion


def _versions(tree: Tree | None) -> tuple[ModelVersion, ...]:
    return tuple(tree.all(ModelVersion)) if tree else ()


def _with_data(digest: str, root: Root) -> tuple[RunRecord, ...]:
    return _with_kin(search_runs(f"dataset.digest = '{digest}'", root=root, limit=None), root)


def _of_ids(ids: set[str], root: Root) -> tuple[RunRecord, ...]:
    return _with_kin(_listed("id", ids, root), root)


def _with_kin(runs: Runs, root: Root) -> tuple[RunRecord, ...]:
    """Return runs with their parents' and children's records, and those of these, as far as they are here."""
    known = {run.id: run for run in runs}
    new: Iterable[RunRecord] = runs
    while new := _listed("id", {run.parent for run in new} - known.keys(), root):
        known |= {run.id: run for run in new}
    new = tuple(known.values())
    while new := [run for run in _listed("parent", {run.id for run in new}, root) if run.id not in known]:
        known |= {run.id: run for run in new}
    return tuple(known.values())


def _listed(field: str, ids: Iterable[str], root: Root) -> Runs:
    # An id in the registry is whatever somebody proposed; only what looks like one is asked for.
    asked = sorted(run_id for run_id in ids if _RUN.fullmatch(run_id))
    found: list[RunRecord] = []
    for start in range(0, len(asked), MOST_VALUES):
        listed = ", ".join(f"'{run_id}'" for run_id in asked[start : start + MOST_VALUES])
        found += search_runs(f"{field} in ({listed})", root=root, limit=None)
    return Runs(found)
