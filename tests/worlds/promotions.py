"""The way of a version through its stages, as people and CI walk it on a world's registry."""

from __future__ import annotations

from mlgitops.bot import pulls
from mlgitops.bot.check import publish
from mlgitops.bot.promote import promote
from mlgitops.bot.propose import open_proposal
from mlgitops.bot.question import ask
from mlgitops.bot.report import Report
from mlgitops.evidence import Statement, sign
from mlgitops.promotion import EVALUATED, Outcome
from worlds.registry import World


def checked(world: World, number: int, *, read_only: bool = False) -> Report:
    """Check a pull request from a clone of CI's own, and write the result on it."""
    folder = world.folder / "ci"
    if not folder.exists():
        world.clone("ci", depth=1)
    world.monkeypatch.setenv("MLGITOPS_ACTOR", "ci")
    report, forge = ask(folder, base="main", pull=number, read_only=read_only)
    assert forge is not None
    publish(report, forge, number)
    return report


def outcomes(report: Report) -> dict[str, Outcome]:
    return {verdict.gate: verdict.outcome for subject in report.subjects for verdict in subject.verdicts}


def reason(report: Report, gate: str) -> str:
    return next(v.reason for subject in report.subjects for v in subject.verdicts if v.gate == gate)


def by_hand(world: World, changes: dict[str, bytes | None], branch: str = "by-hand") -> int:
    """Push a branch and open a pull request of it, as a person does."""
    world.commit(changes, branch=branch)
    return pulls.open_from_branch(world.context("person"), branch, "By hand", "").number


def merged(world: World, number: int) -> None:
    pulls.merge(world.context("reviewer"), number)


def registered(world: World, content: str, **fields: object) -> str:
    """Propose, check and merge a version; return its number."""
    done = open_proposal(world.context(), world.version(content, **fields), by="ada")
    assert done.pull is not None
    assert checked(world, done.pull.number).passed
    merged(world, done.pull.number)
    return str(done.version)


def evaluated(world: World, number: str, accuracy: str, champion: tuple[str, str] | None = None) -> None:
    """Sign what an evaluator would have found."""
    context = world.context("evaluator")
    version = context.tree.version("iris", number)
    assert version is not None

    def measured(value: str) -> dict[str, object]:
        return {"metrics": {"accuracy": {"value": value, "stdErr": "0.02", "samples": 50}}}

    rival = context.tree.version("iris", champion[0]) if champion else None
    predicate = {
        "challenger": measured(accuracy),
        "champion": {"digest": rival.spec.artifact.digest, **measured(champion[1])} if rival and champion else None,
        "dataset": {"name": "holdout", "digest": "sha256:" + "d" * 64, "rows": 50},
    }
    identity = (rival.spec.artifact.digest if rival else "none", "d", "accuracy")
    statement = Statement(EVALUATED, version.spec.artifact.digest, predicate, identity)
    context.ledger.append("iris", number, sign(statement, world.key), statement.name)


def promoted(world: World, stage: str, number: str) -> None:
    moved = promote(world.context("person"), "iris", stage, number)
    report = checked(world, moved.pull.number)
    assert report.passed, report.text()
    merged(world, moved.pull.number)
