"""``mlgitops bot evaluate``: what the gates of the next promotions wait for is evaluated, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from mlgitops import registry
from mlgitops.api import Model, PromotionPolicy
from mlgitops.api.policy import AppliesTo, Gate
from mlgitops.bot.context import Context
from mlgitops.bot.owed import candidates, evaluate_owed, owed_by
from mlgitops.registry import layout
from worlds.promotions import evaluated, promoted, registered
from worlds.registry import World


def owed(context: Context) -> list[str]:
    """What is owed, as a person reads it."""
    models = context.tree.all(Model)
    return [str(one) for model in models for stage in model.spec.stages for one in owed_by(context, model, stage)]


def test_a_first_version_is_owed_to_the_first_stage_and_then_to_the_next(world: World) -> None:
    registered(world, "a")
    assert owed(world.context()) == ["iris:1 for staging on holdout"]
    evaluated(world, "1", "0.95")
    assert owed(world.context()) == []
    promoted(world, "staging", "1")
    assert owed(world.context()) == []  # without a champion the same statement counts for production


def test_a_version_that_failed_its_gate_is_not_evaluated_again_and_again(world: World) -> None:
    registered(world, "a")
    evaluated(world, "1", "0.5")
    assert owed(world.context()) == []


def test_a_challenger_is_owed_a_comparison_with_what_each_stage_names_now(world: World) -> None:
    for content in ("a", "b", "c"):
        registered(world, content)
    evaluated(world, "1", "0.95")
    for stage in ("staging", "production"):
        promoted(world, stage, "1")
    assert owed(world.context()) == ["iris:2 for staging on holdout", "iris:3 for staging on holdout"]
    evaluated(world, "2", "0.96", ("1", "0.95"))
    promoted(world, "staging", "2")
    # Production's champion is version 1 too, so the statement that staging asked for counts there.
    assert owed(world.context()) == ["iris:3 for staging on holdout"]


def test_of_an_imported_registry_the_newest_version_is_owed_and_no_old_one(world: World) -> None:
    for content in ("a", "b", "c"):
        registered(world, content)
    context = world.context()
    model = context.tree.model("iris")
    assert model is not None
    first, second = model.spec.stages
    assert [version.spec.version for version in candidates(context.tree, model, first)] == ["3"]
    assert candidates(context.tree, model, second) == ()


def test_a_stage_that_the_policy_does_not_judge_is_owed_nothing(world: World) -> None:
    registered(world, "a")
    policy = registry.load((world.remote, world.main)).find(PromotionPolicy, "default")
    assert policy is not None
    changed = replace(policy, spec=replace(policy.spec, applies_to=AppliesTo(("production",))))
    world.commit({layout.policy("default"): registry.write(changed)})
    assert owed(world.context()) == []


def test_a_data_set_without_an_address_is_a_problem_that_says_where_to_write_it(world: World) -> None:
    registered(world, "a")
    (answer,) = evaluate_owed(world.context())
    assert answer.evaluated is None
    assert 'write holdout = "URI" under [datasets] in mlgitops.toml; known: none' in answer.problem


def test_one_failure_does_not_keep_the_others_from_being_evaluated(world: World) -> None:
    registered(world, "a")
    policy = registry.load((world.remote, world.main)).find(PromotionPolicy, "default")
    assert policy is not None
    gates = (*policy.spec.gates, Gate("night", "accuracy", "night", min="0.5"))
    changed = replace(policy, spec=replace(policy.spec, gates=gates))
    world.commit({layout.policy("default"): registry.write(changed)})
    answers = list(evaluate_owed(world.context()))
    assert [answer.owed.dataset for answer in answers] == ["holdout", "night"]
    assert all(answer.problem for answer in answers)
