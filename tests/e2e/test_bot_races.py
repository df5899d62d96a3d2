"""Several bots at once, and answers that never come."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from mlgitops.api import Metadata
from mlgitops.api.model import Lifecycle
from mlgitops.bot.inbox import inbox
from mlgitops.bot.promote import promote
from mlgitops.bot.propose import Proposed, _push_branch, open_proposal
from mlgitops.bot.reserve import reserve
from mlgitops.errors import CheckFailedError, InputError
from mlgitops.git import ls_remote
from mlgitops.registry import layout
from worlds.registry import World


def at_once(*actions) -> list[BaseException]:
    failed: list[BaseException] = []

    def guarded(action) -> None:
        try:
            action()
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=guarded, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failed


def test_two_bots_that_propose_one_model_at_once_make_one_pull_request(world: World) -> None:
    version = world.version("a")
    contexts = [world.context(f"bot-{number}") for number in range(3)]
    done: list[Proposed] = []
    failed = at_once(*(lambda c=c: done.append(open_proposal(c, version, by="bot")) for c in contexts))
    assert failed == []
    assert {(found.version, found.pull.number) for found in done if found.pull} == {(1, 1)}
    assert len(contexts[0].forge.pulls()) == 1
    assert list(contexts[0].ledger.reservations("iris")) == [1]


def test_two_bots_that_propose_two_models_at_once_make_two_versions(world: World) -> None:
    versions = [world.version(content) for content in ("a", "b", "c")]
    contexts = [world.context(f"bot-{number}") for number in range(3)]
    done: list[Proposed] = []
    failed = at_once(
        *(lambda c=c, v=v: done.append(open_proposal(c, v, by="bot")) for c, v in zip(contexts, versions, strict=True))
    )
    assert failed == []
    assert sorted(found.version or 0 for found in done) == [1, 2, 3]
    assert sorted(pull.number for pull in contexts[0].forge.pulls()) == [1, 2, 3]


@pytest.mark.parametrize("which", [1, 2])
def test_a_proposal_whose_answer_is_lost_is_made_once(world: World, which: int) -> None:
    # The first push reserves the number, the second opens the pull request.
    world.lose_answer(which)
    done = open_proposal(world.context(), world.version("a"), by="bot")
    assert done.version == 1 and done.pull is not None and done.pull.number == 1
    context = world.context("other")
    assert [pull.head_ref for pull in context.forge.pulls()] == ["mlgitops/propose/iris.1"]
    assert list(context.ledger.reservations("iris")) == [1]


def test_proposing_again_is_proposing_once(world: World) -> None:
    version = world.version("a")
    first = open_proposal(world.context("a"), version, by="bot")
    assert open_proposal(world.context("b"), version, by="bot").pull == first.pull


def test_a_registered_model_is_not_proposed_again(world: World) -> None:
    version = world.version("a")
    open_proposal(world.context(), version, by="bot")
    world.context().forge.merge(1, force=True)
    with pytest.raises(InputError, match="registered already, as iris:1"):
        open_proposal(world.context(), version, by="bot")


def test_an_inbox_branch_becomes_a_pull_request_and_goes(world: World) -> None:
    pushed = _push_branch(world.context("scientist"), "01RUN", world.version("a"))
    assert pushed.branch == "mlgitops-inbox/01RUN" and pushed.pull is None
    (found,) = inbox(world.context("bot"))
    assert found.proposed is not None and found.proposed.pull is not None
    assert found.proposed.pull.head_ref == "mlgitops/propose/iris.1"
    assert ls_remote(world.url, "refs/heads/mlgitops-inbox/*") == {}


def test_an_inbox_branch_whose_push_was_not_answered_waits_once(world: World) -> None:
    world.lose_answer()
    _push_branch(world.context("scientist"), "01RUN", world.version("a"))
    assert len(ls_remote(world.url, "refs/heads/mlgitops-inbox/*")) == 1


def test_two_bots_that_empty_the_inbox_at_once_make_one_pull_request(world: World) -> None:
    _push_branch(world.context("scientist"), "01RUN", world.version("a"))
    contexts = [world.context(f"bot-{number}") for number in range(2)]
    failed = at_once(*(lambda c=c: list(inbox(c)) for c in contexts))
    assert failed == []
    assert len(contexts[0].forge.pulls()) == 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"{", "not JSON"),
        (b"[]", "schema"),
        (b'{"schema":1}', "version"),
        (b'{"schema":1,"version":{"kind":"Model"}}', ""),
        (b" " * 70_000, "64|65536"),
    ],
)
def test_a_hostile_inbox_branch_stays_and_is_named_while_others_pass(
    world: World, content: bytes, problem: str
) -> None:
    world.remote.set_ref("refs/heads/mlgitops-inbox/0-bad", world.remote.commit(None, {"run.json": content}, "x"))
    _push_branch(world.context("scientist"), "01RUN", world.version("a"))
    bad, good = inbox(world.context("bot"))
    assert bad.branch == "mlgitops-inbox/0-bad" and bad.proposed is None and bad.problem
    assert any(word in bad.problem for word in problem.split("|"))
    assert good.proposed is not None


def test_an_inbox_branch_brings_no_labels_and_no_annotations(world: World) -> None:
    version = world.version("a")
    steering = Metadata(version.metadata.name, labels={"mlgitops.dev/source": "x"}, annotations={"a.b/c": "d"})
    _push_branch(world.context("scientist"), "01RUN", replace(version, metadata=steering))
    (found,) = inbox(world.context("bot"))
    assert found.proposed is not None and found.proposed.pull is not None
    written = world.remote.tree(found.proposed.pull.head)[layout.version("iris", 1)]
    assert b"labels" not in written and b"annotations" not in written


def test_an_inbox_branch_brings_no_image_and_decides_nothing_about_the_version(world: World) -> None:
    version = world.version("a", lifecycle=Lifecycle("Deprecated", "mine"))
    assert version.spec.environment is not None
    environment = replace(version.spec.environment, image="evil.example/x@sha256:" + "0" * 64)
    _push_branch(
        world.context("scientist"), "01RUN", replace(version, spec=replace(version.spec, environment=environment))
    )
    (found,) = inbox(world.context("bot"))
    assert found.proposed is not None and found.proposed.pull is not None
    written = world.remote.tree(found.proposed.pull.head)[layout.version("iris", 1)]
    assert b"evil" not in written and b"Deprecated" not in written


def test_an_inbox_branch_whose_model_is_registered_already_goes_and_says_so(world: World) -> None:
    version = world.version("a")
    open_proposal(world.context(), version, by="bot")
    world.context().forge.merge(1, force=True)
    _push_branch(world.context("scientist"), "01RUN", version)
    (found,) = inbox(world.context("bot"))
    assert (found.registered, found.proposed, found.problem) == ("iris:1", None, "")
    assert ls_remote(world.url, "refs/heads/mlgitops-inbox/*") == {}


def test_the_mirror_keeps_nothing_of_the_inbox(world: World) -> None:
    world.remote.set_ref("refs/heads/mlgitops-inbox/0-bad", world.remote.commit(None, {"run.json": b"{"}, "x"))
    _push_branch(world.context("scientist"), "01RUN", world.version("a"))
    context = world.context("bot")
    assert len(list(inbox(context))) == 2
    assert context.repository.refs("refs/mlgitops/inbox/") == {}


def test_an_inbox_version_outside_of_the_store_is_refused(world: World) -> None:
    version = world.version("a")
    artifact = replace(version.spec.artifact, uri="file:///etc/sha256-" + "a" * 64)
    _push_branch(world.context("scientist"), "01RUN", replace(version, spec=replace(version.spec, artifact=artifact)))
    (bad,) = inbox(world.context("bot"))
    assert "outside the policy's artifact prefixes" in bad.problem


def test_a_second_promotion_of_a_stage_names_the_open_one(world: World) -> None:
    for content in ("a", "b"):
        open_proposal(world.context(), world.version(content), by="bot")
    for number in (1, 2):
        world.context().forge.merge(number, force=True)
    promote(world.context(), "iris", "staging", "1")
    with pytest.raises(InputError, match=r"pull request 3 .* is open for the same stage; .*mlgitops pr close 3"):
        promote(world.context(), "iris", "staging", "2")


def test_a_reservation_by_hand_is_kept_and_not_given_away(world: World) -> None:
    version = world.version("a", number=5)
    reserve(world.context("maintainer"), "iris", "5", version.spec.artifact.digest)
    with pytest.raises(CheckFailedError, match="next free number is 6"):
        reserve(world.context("other"), "iris", "5", world.version("b").spec.artifact.digest)
    assert open_proposal(world.context(), version, by="bot").version == 5
