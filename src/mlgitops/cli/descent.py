"""How a lineage is shown: as a tree of lines, as Markdown with a drawing, as JSON; every name is inert."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mlgitops.bot.inert import code, plain

if TYPE_CHECKING:
    from mlgitops.registry.lineage import Lineage, Node

_WORDS = {"data": "dataset", "run": "run", "version": "", "stage": "", "deployment": "deployment"}
_HEADINGS = {"data": "Data", "run": "Runs", "version": "Versions", "stage": "Stages", "deployment": "Deployments"}
_MOST_DRAWN = 100  # things, above which a drawing shows nothing any more
_MOST_LISTED = 20  # runs in a row that led to no version


def text(lineage: Lineage) -> str:
    """Return a lineage as lines: the thing, what it came from, and what came of it."""
    lines = [_label(lineage, lineage.subject)]
    for heading, found in (("came from", _backwards(lineage)), ("led to", _forwards(lineage))):
        if lineage.subject in found:
            lines += ["", heading, *_branches(lineage, lineage.subject, found, "", set())]
    return "\n".join(lines) if len(lines) > 1 else f"{lines[0]}\nnothing is known to have come of it"


def markdown(lineage: Lineage) -> str:
    """Return a lineage as a drawing that forges show, and a table."""
    lines = [f"Lineage of {code(_name(lineage.subject))}", ""]
    if len(lineage.nodes) <= _MOST_DRAWN:
        lines += ["```mermaid", *_drawing(lineage), "```", ""]
    lines += ["| what | which |", "|---|---|"]
    for kind, heading in _HEADINGS.items():
        nodes = [node for node in lineage.nodes if node.kind == kind]
        for node in nodes:
            detail = lineage.details[node]
            lines.append(f"| {heading} | {code(node.name)}{f' {code(detail)}' if detail else ''} |")
    return "\n".join(lines)


def to_json(lineage: Lineage) -> dict[str, Any]:
    """Return a lineage as JSON: things and what came of what."""
    return {
        "subject": _name(lineage.subject),
        "nodes": [{"kind": n.kind, "name": n.name, "detail": lineage.details[n]} for n in lineage.nodes],
        "edges": [[_name(source), _name(result)] for source, result in sorted(lineage.before | lineage.after)],
    }


def _forwards(lineage: Lineage) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for source, result in sorted(lineage.after):
        found.setdefault(source, []).append(result)
    return found


def _backwards(lineage: Lineage) -> dict[Node, list[Node]]:
    found: dict[Node, list[Node]] = {}
    for source, result in sorted(lineage.before):
        found.setdefault(result, []).append(source)
    return found


def _branches(
    lineage: Lineage, node: Node, steps: dict[Node, list[Node]], indent: str, shown: set[Node]
) -> Iterator[str]:
    """Yield the lines below a node; what was shown in full before is not unfolded again."""
    below, idle = _fruitful(steps, steps.get(node, ()))
    for place, child in enumerate(below):
        last = place == len(below) - 1 and not idle
        again = child in shown and child in steps
        yield f"{indent}{'└─' if last else '├─'} {_label(lineage, child)}{' (see above)' if again else ''}"
        if not again:
            shown.add(child)
            yield from _branches(lineage, child, steps, indent + ("   " if last else "│  "), shown)
    if idle:
        yield f"{indent}└─ and {idle} more runs that led to no version"


def _fruitful(steps: dict[Node, list[Node]], below: Iterable[Node]) -> tuple[list[Node], int]:
    """Return what to show, and how many runs that led nowhere are left out of a long list."""
    barren = [node for node in below if node.kind == "run" and node not in steps]
    left_out = set(barren[:-_MOST_LISTED])  # the newest stay
    return [node for node in below if node not in left_out], len(left_out)


def _label(lineage: Lineage, node: Node) -> str:
    detail = plain(lineage.details[node], 60)
    return f"{_WORDS[node.kind]} {plain(node.name)}{f'  {detail}' if detail else ''}".lstrip()


def _name(node: Node) -> str:
    return f"{_WORDS[node.kind]}:{node.name}" if _WORDS[node.kind] else node.name


def _drawing(lineage: Lineage) -> Iterator[str]:
    numbers = {node: f"n{number}" for number, node in enumerate(lineage.nodes)}
    yield "flowchart LR"
    for node, number in numbers.items():
        short = f"{node.name[:19]}…" if node.kind == "data" else node.name
        title = f"{_WORDS[node.kind]} {short} {lineage.details[node]}"
        yield f'  {number}["{_drawable(plain(title, 80))}"]'
    for source, result in sorted(lineage.before | lineage.after):
        yield f"  {numbers[source]} --> {numbers[result]}"


def _drawable(line: str) -> str:
    """Return a line in which nothing means anything to the drawing's language or to HTML."""
    return "".join(c if c.isalnum() or c in " .:@/-_,…" else "·" for c in line).strip()
