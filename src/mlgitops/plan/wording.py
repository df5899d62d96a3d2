"""A plan for people and programs: terminal text, Markdown, JSON. Foreign text stays inert."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mlgitops.plan.difference import DeploymentChange, ObjectChange, Plan
    from mlgitops.plan.fields import FieldChange
    from mlgitops.plan.reach import Reach

_SIGNS: Final = {"create": "+", "update": "~", "replace": "±", "delete": "-"}
_WORDS: Final = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}
# Fields of one object, and characters of one value, that people still read.
_FIELDS: Final = 40
_VALUE: Final = 200
# Deployments that are named where a runtime or policy changes.
_USERS: Final = 10


def text(plan: Plan) -> str:
    """Return a plan for a terminal."""
    if plan.empty:
        return "Nothing changes in the cluster."
    lines = [line for change in plan.objects for line in _object_lines(change, "")]
    lines += ["", *(_reach(found, _plain) for found in plan.reaches)] if plan.reaches else []
    for change in plan.deployments:
        lines += ["", f"ModelDeployment {_place(change)}: {_versions(change)}; {_plain(change.how)}"]
        if change.blocked:
            lines.append(f"  ! {change.blocked.reason}: {_plain(change.blocked.message)}")
        lines += [line for item in change.objects for line in _object_lines(item, "  ")]
    return "\n".join(lines).strip("\n")


def markdown(plan: Plan) -> str:
    """Return a plan for a pull request's comment."""
    if plan.empty:
        return "Nothing changes in the cluster."
    lines: list[str] = []
    if plan.deployments:
        lines += ["| deployment | version | how |", "| --- | --- | --- |"]
        lines += [_row(change) for change in plan.deployments]
    lines += [f"\n{_reach(found, _cell)}" for found in plan.reaches]
    for change in plan.deployments:
        if change.objects:
            lines += _folded(f"{_place(change)}: {_count(change.objects)}", change.objects)
    if plan.objects:
        lines += _folded(f"objects of git: {_count(plan.objects)}", plan.objects)
    return "\n".join(lines)


def to_json(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON data."""
    return {"empty": plan.empty, **dataclasses.asdict(plan)}


def _place(change: DeploymentChange) -> str:
    return f"{change.environment}/{change.name}" if change.environment else change.name


def _versions(change: DeploymentChange) -> str:
    before, after = change.before or "nothing", change.after or "nothing"
    if change.blocked:
        return f"version {before} stays" if change.before else "nothing is served"
    return f"version {after}" if before == after else f"{before} → {after}"


def _reach(found: Reach, safe: Callable[[str], str]) -> str:
    users, pods = found.deployments, found.restarted
    told = f"{found.kind} {safe(found.name)} is used by {len(users)} deployment{'s' if len(users) != 1 else ''}"
    if not users:
        return told
    named = ", ".join(safe(name) for name in users[:_USERS])
    more = f" and {len(users) - _USERS} more" if len(users) > _USERS else ""
    return f"{told} ({named}{more}); {len(pods) or 'none'} of them {'gets' if len(pods) < 2 else 'get'} new pods"


def _count(objects: tuple[ObjectChange, ...]) -> str:
    counts = {action: sum(item.action == action for item in objects) for action in _WORDS}
    return ", ".join(f"{number} {_WORDS[action]}" for action, number in counts.items() if number)


def _row(change: DeploymentChange) -> str:
    how = _cell(change.how)
    if change.blocked:
        how = f"⚠️ {change.blocked.reason}: {_cell(change.blocked.message)}"
    return f"| `{_place(change)}` | {_versions(change)} | {how} |"


def _folded(summary: str, objects: tuple[ObjectChange, ...]) -> list[str]:
    inside = [line for item in objects for line in _object_lines(item, "")]
    # Longer than any run of backticks inside, so that nothing can end it early.
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", "\n".join(inside)) or [""]))
    return ["", f"<details><summary>{summary}</summary>", "", f"{fence}diff", *inside, fence, "", "</details>"]


def _object_lines(change: ObjectChange, indent: str) -> Iterator[str]:
    yield f"{indent}{_SIGNS[change.action]} {change.kind} {change.name}"
    for field in change.fields[:_FIELDS]:
        yield f"{indent}    {_plain(field.path)}: {_field(field)}"
    if len(change.fields) > _FIELDS:
        yield f"{indent}    … and {len(change.fields) - _FIELDS} fields more"


def _field(field: FieldChange) -> str:
    if field.before is None:
        return f"{_value(field.after)} (new)"
    if field.after is None:
        return f"{_value(field.before)} (gone)"
    return f"{_value(field.before)} → {_value(field.after)}"


def _value(value: Any) -> str:
    # ASCII only: no control, no direction change, no lookalike reaches a terminal or a page.
    said = json.dumps(value, sort_keys=True)
    return said if len(said) <= _VALUE else f"{said[:_VALUE]}…"


def _plain(said: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in said)


def _cell(said: str) -> str:
    """Return a text as a code span inside a table's cell."""
    inner = _plain(said).replace("|", "\\|")
    if not re.search(r"[`<>\[\]*_@#!&\\]", inner):
        return inner
    fence = "`" * (max((len(run) for run in re.findall("`+", inner)), default=0) + 1)
    return f"{fence} {inner} {fence}"
