"""Cleaning up beside a registry: whatever any branch, pull request, reservation or inbox names stays."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlgitops import registry, tracking
from mlgitops.api import Metadata, Model, ModelStage, ModelVersion, Reference
from mlgitops.api.model import ModelSpec, ModelStageSpec, Stage
from mlgitops.api.model import Run as Origin
from mlgitops.artifacts import open_store
from mlgitops.bot import cleaning, proposal
from mlgitops.bot.archive import archive
from mlgitops.bot.cleaning import Policy, Why
from mlgitops.bot.named import Named, named
from mlgitops.bot.propose import open_proposal
from mlgitops.cli import gc
from mlgitops.errors import InputError
from mlgitops.forge import State
from mlgitops.git import Repository
from mlgitops.registry import layout
from mlgitops.tracking.live import LivePush
from mlgitops.tracking.remote import push
from mlgitops.tracking.run import Run
from tracking_runs import new_run
from worlds.registry import World, written

NOTHING = Named(frozenset(), frozenset())
IDS = [f"01ARZ3NDEKTSV4RRFFQ69G5F{letter}V" for letter in "ABCDEFGH"]


def names(root: Path) -> set[str]:
    return {path.name for path in (root / "runs").iterdir()}


def hex_of(version: ModelVersion) -> str:
    return version.spec.artifact.digest.removeprefix("sha256:")


def test_every_place_that_can_name_a_version_protects_it(world: World) -> None:
    merged = world.version("merged", run=Origin(id=IDS[0]))
    branched = world.version("branched", number=2, run=Origin(id=IDS[1]))
    proposed = world.version("proposed", run=Origin(id=IDS[2]))
    reserved = world.version("reserved", run=Origin(id=IDS[3]))
    waiting = world.version("waiting", run=Origin(id=IDS[4]))
    garbled = world.version("garbled", number=9, run=Origin(id=IDS[5]))
    nobody = world.version("nobody", run=Origin(id=IDS[6]))
    world.commit(written(merged))
    world.commit(written(branched), branch="release/1")
    path, data = next(iter(written(garbled).items()))
    world.commit({path: data + b"\n\t: not YAML"}, branch="broken")
    context = world.context()
    open_proposal(context, proposed, by="alice")
    context.ledger.reserve("iris", reserved.spec.artifact.digest, IDS[3], "alice")
    inbox = world.remote.commit(None, {"run.json": proposal.to_inbox(waiting, "alice")}, "Propose")
    world.remote.set_ref(f"refs/heads/mlgitops-inbox/{IDS[4]}", inbox)

    found = named(world.context())
    for version in (merged, branched, proposed, reserved, waiting, garbled):
        assert hex_of(version) in found.digests
        assert version.spec.run and version.spec.run.id in found.runs
    assert hex_of(nobody) not in found.digests
    assert IDS[6] not in found.runs


def test_what_a_closed_pull_request_named_may_go(world: World) -> None:
    version = world.version("closed", run=Origin(id=IDS[0]))
    context = world.context()
    commit = context.repository.commit(context.base, written(version), "Add")
    context.forge.open_pull("by-hand", "main", commit, "Add", "")
    assert hex_of(version) in named(world.context()).digests
    (pull,) = context.forge.pulls(State.OPEN)
    context.forge.close(pull.number)
    world.remote.set_ref("refs/heads/by-hand", None)
    assert hex_of(version) not in named(world.context()).digests


def test_another_registry_that_shares_the_store_is_asked_too(world: World, tmp_path: Path) -> None:
    other = world.version("elsewhere", model="other")
    clone = world.clone("clone")
    with_other = Repository.open(clone)
    with_other.set_ref("refs/heads/main", with_other.commit("main", written(other), "Add"))
    assert hex_of(other) not in named(world.context()).digests
    assert hex_of(other) in named(world.context(), [clone.as_uri()]).digests


@pytest.fixture
def a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))

    def make(name: str, experiment: str = "iris", *, end: bool = True) -> Run:
        run = new_run(tmp_path / "records", name, experiment=experiment)
        if end:
            run.end()
        return run

    return make


def test_a_policy_takes_what_is_old_enough_and_not_among_the_newest(a_run: Callable[..., Run], tmp_path: Path) -> None:
    first, second, third = a_run("first"), a_run("second"), a_run("third")
    alone, live = a_run("alone", "other"), a_run("live", end=False)
    root, later = tmp_path / "records", datetime.now(UTC) + timedelta(days=10)
    found = cleaning.plan(root, Policy(older_than=cleaning.age("1w"), keep_last=1), NOTHING, later)
    assert {run.name for run in found.going} == {"first", "second", "third"}
    assert {why: [run.name for run in runs] for why, runs in found.staying.items()} == {
        Why.RUNNING: ["live"],
        Why.NEWEST: ["alone"],
    }
    protecting = Named(frozenset(), frozenset({second.id}))
    found = cleaning.plan(root, Policy("name in ('second', 'third')", cleaning.age("1w")), protecting, later)
    assert [run.id for run in found.going] == [third.id]
    assert [run.id for run in found.staying[Why.NAMED]] == [second.id]
    assert cleaning.plan(root, Policy(older_than=cleaning.age("2w")), NOTHING, later).going == ()
    assert len(cleaning.plan(root, Policy(older_than=cleaning.age("0h")), NOTHING).going) == 4  # as it was said
    live.end()
    assert {run.folder.name for run in (first, second, third, alone, live)} == names(root)


def test_nothing_in_particular_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="say which runs may go"):
        cleaning.plan(tmp_path, Policy(" "), NOTHING)
    for text in ("30", "d", "-1d", "1y", "1.5d"):
        with pytest.raises(InputError, match="is no age"):
            cleaning.age(text)


def test_removal_spares_who_writes_again_and_finishes_what_was_cut_short(
    a_run: Callable[..., Run], tmp_path: Path
) -> None:
    gone, again = a_run("gone"), a_run("again")
    root = tmp_path / "records"
    found = cleaning.plan(root, Policy("name != ''"), NOTHING)
    left = root / "runs" / f"{cleaning.GONE}{IDS[0]}"
    left.mkdir()
    (left / "run.json").write_text("{}")
    writer = new_run(root, "again")
    (again.folder / "run.json").write_bytes((writer.folder / "run.json").read_bytes())
    for path in writer.folder.glob("w-*.jsonl"):
        os.link(path, again.folder / path.name)  # the writer's lock is the file's
    assert cleaning.remove(root, found.going) == (again.id,)
    writer.end()
    assert names(root) == {again.id, writer.id}
    assert gone.id not in names(root)


def test_the_command_shows_its_plan_and_removes_with_yes_only(
    a_run: Callable[..., Run], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone = a_run("kept"), a_run("gone\x1b[31m")
    world.commit(written(world.version(run=Origin(id=kept.id))))
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("mlgitops.toml").write_bytes(world.remote.tree(world.main)["mlgitops.toml"])
    command = ["runs", "status = 'finished'", "--root", str(tmp_path / "records")]
    shown = CliRunner().invoke(gc.app, command, catch_exceptions=False).stdout
    assert gone.id in shown and "\x1b" not in shown
    assert "1 more stay: named by the registry" in shown
    assert "1 would go; remove them with --yes" in shown
    assert gone.folder.is_dir()
    done = json.loads(CliRunner().invoke(gc.app, [*command, "--yes", "-o", "json"], catch_exceptions=False).stdout)
    assert done == {"going": [gone.id], "staying": {"named by the registry": [kept.id]}, "spared": [], "done": True}
    assert kept.folder.is_dir() and not gone.folder.exists()


def test_runs_of_a_store_are_cleaned_as_those_of_a_folder(a_run: Callable[..., Run], tmp_path: Path) -> None:
    gone, kept, live = a_run("gone"), a_run("kept"), a_run("live", end=False)
    root = (tmp_path / "store").as_uri()
    for run in (gone, kept):
        push(tracking.read(run.folder), root)
    LivePush(live.folder, root).push()
    found = cleaning.plan(root, Policy("name in ('gone', 'live')"), NOTHING)
    assert [run.id for run in found.going] == [gone.id]
    assert [run.id for run in found.staying[Why.RUNNING]] == [live.id]
    assert cleaning.size(root, found.going[0]) > 100
    assert cleaning.remove(root, [*found.going, *found.staying[Why.RUNNING]]) == (live.id,)
    live.end()
    assert {key.split("/")[1] for key in open_store(root).list("runs")} == {kept.id, live.id}
    assert gone.folder.is_dir()


def test_artifacts_are_removed_when_old_and_named_by_nobody(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, gone, young = world.version("kept"), world.version("gone"), world.version("young")
    store = open_store(world.store)
    for key in store.list():
        if hex_of(young) not in key:
            os.utime(store.location.path / key, (1, 1))
    world.commit(written(kept))
    world.context()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("mlgitops.toml").write_bytes(world.remote.tree(world.main)["mlgitops.toml"])
    shown = CliRunner().invoke(gc.app, ["artifacts"], catch_exceptions=False).stdout
    assert f"iris/sha256-{hex_of(gone)}" in shown
    assert "1 packages stay because something names them, 1 are too young" in shown
    assert "1 would go" in shown
    CliRunner().invoke(gc.app, ["artifacts", "--yes"], catch_exceptions=False)
    assert {key.split("/")[1] for key in store.list()} == {f"sha256-{hex_of(kept)}", f"sha256-{hex_of(young)}"}


def test_archiving_is_a_pull_request_that_changes_the_lifecycle_only(world: World) -> None:
    model = Model(Metadata("iris"), ModelSpec(stages=(Stage("staging"),)))
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    second = world.version("two", number=2)
    files = written(world.version("one")) | written(second)
    files[layout.version("iris", 2)] += b"# a comment that stays\n"
    world.commit(
        {**files, layout.model("iris"): registry.write(model), layout.stage("iris", "staging"): registry.write(stage)}
    )
    context = world.context()
    with pytest.raises(InputError, match=r"iris:1 is named by iris@staging; let these name another version first"):
        archive(context, "iris", "1", reason="old")
    done = archive(context, "iris", "2", reason="labels: leaked")
    assert archive(context, "iris", "2", reason="labels: leaked") == done
    tree = registry.load((context.repository, done.pull.head))
    assert registry.validate(tree, context.tree) == []
    after = tree.version("iris", 2)
    assert after is not None
    assert (after.spec.lifecycle.state, after.spec.lifecycle.reason) == ("Archived", "labels: leaked")
    assert after.spec.artifact == second.spec.artifact
    changed = context.repository.diff(context.base, done.pull.head)
    assert [line for line in changed.splitlines() if line.startswith("-") and not line.startswith("---")] == []
    world.commit({layout.version("iris", 2): context.repository.tree(done.pull.head)[layout.version("iris", 2)]})
    with pytest.raises(InputError, match="archived already"):
        archive(world.context(), "iris", "2", reason="old")
