"""``mlgitops check`` where history, remote or base are not as expected."""

from __future__ import annotations

import pytest

from mlgitops import registry
from mlgitops.api import Metadata, ModelStage, Reference
from mlgitops.api.model import ModelStageSpec
from mlgitops.bot import pulls
from mlgitops.bot.promote import promote
from mlgitops.bot.propose import open_proposal
from mlgitops.bot.question import ask
from mlgitops.errors import CheckFailedError, OutsideError
from mlgitops.promotion import Outcome
from mlgitops.registry import layout
from worlds.promotions import by_hand, checked, evaluated, merged, outcomes, promoted, registered
from worlds.registry import World


def test_a_shallow_clone_is_deepened_before_history_is_asked(world: World) -> None:
    for content in ("a", "b"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    promoted(world, "staging", "1")
    evaluated(world, "2", "0.97", ("1", "0.95"))
    promoted(world, "staging", "2")
    folder = world.clone("shallow", depth=1)
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    from mlgitops.git import Repository

    clone = Repository.open(folder)
    head = clone.commit("refs/heads/main", {layout.stage("iris", "staging"): registry.write(stage)}, "Back to 1")
    clone.set_ref("refs/heads/main", head)
    assert clone.is_shallow
    report, _ = ask(folder, base="origin/main", pull=None, read_only=True)
    assert report.passed, report.text()  # a rollback, which only the history can say
    assert not clone.is_shallow
    clone.close()


def test_a_clone_that_cannot_be_deepened_names_the_command(world: World) -> None:
    registered(world, "a")
    folder = world.clone("shallow", depth=1)
    with pytest.raises(OutsideError, match="git fetch --unshallow"):
        ask(folder, base=world.main, pull=None, read_only=True)


def test_without_the_remote_the_check_is_inconclusive_and_says_what_it_saw_last(world: World) -> None:
    registered(world, "a")
    folder = world.clone("laptop")
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    from mlgitops.git import Repository

    clone = Repository.open(folder)
    clone.set_ref(
        "refs/heads/main",
        clone.commit("refs/heads/main", {layout.stage("iris", "staging"): registry.write(stage)}, "Promote"),
    )
    ask(folder, base="origin/main", pull=None, read_only=True)
    (world.folder / "remote.git").rename(world.folder / "away.git")
    report, _ = ask(folder, base="origin/main", pull=None, read_only=True)
    assert not report.passed
    assert outcomes(report)["ledger"] is Outcome.INCONCLUSIVE
    assert report.ledger.startswith("unreadable, last seen 20")
    clone.close()


def test_a_merge_checks_again_when_the_base_moved_since(world: World) -> None:
    for content in ("a", "b"):
        open_proposal(world.context(), world.version(content), by="ada")
    for number in (1, 2):
        assert checked(world, number).passed
    merged(world, 1)
    moved = world.main
    # Both pull requests add the Model: what the second one was checked against is history.
    pulls.merge(world.context("reviewer"), 2)
    forge = world.context().forge
    assert [(check.base, check.by) for check in forge.checks(2)] == [(moved, "reviewer")]
    assert not forge.pull(2).forced
    tree = registry.load((world.remote, world.main))
    assert [version.metadata.name for version in tree.versions("iris")] == ["iris.1", "iris.2"]


def test_a_merge_that_was_refused_passes_once_the_evidence_has_come(world: World) -> None:
    registered(world, "a")
    moved = promote(world.context("person"), "iris", "staging", "1")
    assert not checked(world, moved.pull.number).passed
    with pytest.raises(CheckFailedError, match="is refused"):
        merged(world, moved.pull.number)
    evaluated(world, "1", "0.95")
    merged(world, moved.pull.number)


def test_a_pull_request_that_conflicts_with_the_base_says_so_in_its_comment(world: World) -> None:
    number = by_hand(world, {"README.md": b"theirs\n"})
    world.commit({"README.md": b"ours\n"})
    report = checked(world, number)
    assert not report.passed
    assert "conflicts" in world.context().forge.comments(number)[0].body
    with pytest.raises(CheckFailedError, match=r"conflicts with .* in README.md"):
        merged(world, number)
