from __future__ import annotations

import pytest

from mlgitops.kube import Raw
from mlgitops.operator.sources.inventory import labelled, other_owner, prune
from mlgitops.plan.closure import Name, name_of


def stage(name: str, **metadata: object) -> Raw:
    return {"kind": "ModelStage", "metadata": {"name": name, **metadata}, "spec": {}}


def stages(count: int) -> list[Raw]:
    return [stage(f"iris.s{number}") for number in range(count)]


def named(raws: list[Raw]) -> list[Name]:
    return [name_of(raw) for raw in raws]


def test_what_git_still_holds_and_the_cluster_needs_stays() -> None:
    live = stages(4)
    assert prune(live, named(live), named(live), 50).victims == ()


@pytest.mark.parametrize(
    ("gone", "max_percent", "refused"),
    [(2, 50, False), (3, 50, True), (4, 100, False), (1, 0, True), (0, 0, False)],
)
def test_more_than_the_limit_is_refused_and_exactly_the_limit_is_not(
    gone: int, max_percent: int, refused: bool
) -> None:
    live = stages(4)
    kept = named(live[gone:])
    decided = prune(live, kept, kept, max_percent)
    assert (decided.refused, decided.left_git, len(decided.victims)) == (refused, gone, gone)


def test_what_git_holds_but_nothing_needs_may_go_without_limit() -> None:
    live = stages(4)
    decided = prune(live, [], named(live), 0)
    assert (decided.refused, len(decided.victims)) == (False, 4)


def test_an_empty_inventory_is_no_reason_to_refuse() -> None:
    assert not prune([], [], [], 0).refused


def test_our_own_label_is_no_other_owner() -> None:
    assert other_owner(stage("a", labels={"mlgitops.dev/source": "registry"}), "registry") is None


def test_an_object_without_marks_belongs_to_nobody_else() -> None:
    assert other_owner(stage("a", labels={"team": "flowers"}), "registry") is None


def test_an_applied_object_keeps_its_labels_and_the_original_is_not_changed() -> None:
    raw = stage("a", labels={"team": "flowers"})
    applied = labelled(raw, "registry", "shop")
    assert applied["metadata"] == {
        "name": "a",
        "namespace": "shop",
        "labels": {"team": "flowers", "mlgitops.dev/source": "registry"},
    }
    assert raw == stage("a", labels={"team": "flowers"})
