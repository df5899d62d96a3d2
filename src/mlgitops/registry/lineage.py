"""What came of what: data, the runs that read it, the versions they made, and where those are named.

Pure: run records and a tree in, the part of the graph before and after one thing out. What a
ModelVersion says of its run and data counts as much as a run record, which may be gone or
somebody else's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from mlgitops.api import ModelDeployment, ModelStage, ModelVersion
from mlgitops.registry.tree import Tree
from mlgitops.tracking import RunRecord

Kind = Literal["data", "run", "version", "stage", "deployment"]


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """One thing; ``name`` is data's digest, a run's id, MODEL:VERSION, MODEL@STAGE or ENVIRONMENT/DEPLOYMENT."""

    kind: Kind
    name: str


Edge = tuple[Node, Node]  # what came of the first


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a thing came from and what came of it; ``details`` is what people call each, from outside like any name."""

    subject: Node
    before: frozenset[Edge]
    after: frozenset[Edge]
    details: Mapping[Node, str]

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The subject and everything before and after it, in order of kind and name."""
        found = {node for edge in self.before | self.after for node in edge} | {self.subject}
        return tuple(sorted(found, key=lambda node: (_KINDS.index(node.kind), node.name)))

    def of_kind(self, kind: Kind) -> tuple[str, ...]:
        """Return the names of the things of a kind, in order."""
        return tuple(node.name for node in self.nodes if node.kind == kind)


_GONE = "its record is not here"
_KINDS: tuple[Kind, ...] = ("data", "run", "version", "stage", "deployment")


@dataclass(slots=True)
class Graph:
    """Everything that is known to have come of something."""

    edges: set[Edge] = field(default_factory=set)
    details: dict[Node, str] = field(default_factory=dict)

    def add(self, source: Node, result: Node) -> None:
        """Take in that one came of the other."""
        self.edges.add((source, result))

    def of(self, subject: Node) -> Lineage:
        """Return what lies before and after a thing."""
        towards: dict[Node, list[Node]] = {}
        onwards: dict[Node, list[Node]] = {}
        for source, result in self.edges:
            onwards.setdefault(source, []).append(result)
            towards.setdefault(result, []).append(source)
        after = frozenset(_walk(subject, onwards))
        before = frozenset((source, result) for result, source in _walk(subject, towards))
        kept = {node for edge in before | after for node in edge} | {subject}
        return Lineage(subject, before, after, {node: self.details.get(node, "") for node in kept})


def graph(runs: Iterable[RunRecord], tree: Tree | None) -> Graph:
    """Return what run records and a registry say came of what."""
    found = Graph()
    made: dict[str, list[Node]] = {}
    for record in runs:
        run = _run(found, record)
        for model in record.models:
            made.setdefault(model.digest, []).append(run)
    if tree is not None:
        for version in tree.all(ModelVersion):
            _version(found, version, made.get(version.spec.artifact.digest, ()))
        _named(found, tree)
    return found


def _run(found: Graph, record: RunRecord) -> Node:
    run = Node("run", record.id)
    found.details[run] = f"{record.experiment}/{record.name}, {record.status}"
    for data in record.datasets:
        found.add(_data(found, data.digest, data.name), run)
    if record.parent:
        parent = Node("run", record.parent)
        found.details.setdefault(parent, _GONE)
        found.add(parent, run)
    return run


def _version(found: Graph, version: ModelVersion, makers: Iterable[Node]) -> None:
    spec = version.spec
    node = Node("version", f"{spec.model_ref.name}:{spec.version}")
    found.details[node] = spec.lifecycle.state
    # A package without a word about its run is known by its digest.
    runs = [Node("run", spec.run.id)] if spec.run else [*makers]
    for run in runs:
        found.details.setdefault(run, _GONE)
        found.add(run, node)
    for data in spec.datasets:
        for result in runs or [node]:
            found.add(_data(found, data.digest, data.name), result)


def _data(found: Graph, digest: str, name: str) -> Node:
    node = Node("data", digest)
    found.details.setdefault(node, name)
    return node


def _named(found: Graph, tree: Tree) -> None:
    for stage in tree.all(ModelStage):
        spec = stage.spec
        node = Node("stage", f"{spec.model_ref.name}@{spec.stage}")
        found.details[node] = "held" if spec.hold else ""
        found.add(Node("version", f"{spec.model_ref.name}:{spec.version}"), node)
    for entry in tree.entries:
        if isinstance(deployment := entry.resource, ModelDeployment):
            target = deployment.spec
            node = Node("deployment", f"{entry.environment}/{deployment.metadata.name}".lstrip("/"))
            of = Node("stage", f"{target.model_ref.name}@{target.stage}")
            if target.version is not None:
                of = Node("version", f"{target.model_ref.name}:{target.version}")
            found.add(of, node)


def _walk(start: Node, steps: Mapping[Node, Iterable[Node]]) -> Iterator[Edge]:
    """Yield every step that is reached from a node, as (from, to) of the walk."""
    seen, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        for there in steps.get(node, ()):
            yield node, there
            if there not in seen:
                seen.add(there)
                waiting.append(there)
