"""``mlgitops evaluate``: real models scored in the sandbox, the result signed into the ledger."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from sklearn.linear_model import LogisticRegression

from mlgitops import artifacts, config, packages, registry
from mlgitops.api import Metadata, ModelStage, ModelVersion, Reference
from mlgitops.api.model import ModelStageSpec
from mlgitops.bot.evaluate import evaluate
from mlgitops.bot.owed import evaluate_owed
from mlgitops.bot.propose import open_proposal
from mlgitops.demo import data
from mlgitops.errors import IntegrityError, MlgitopsError, NotFoundError
from mlgitops.evidence import open_envelope
from mlgitops.registry import layout
from worlds.registry import World

Trained = Callable[[float], ModelVersion]


@pytest.fixture
def table(tmp_path: Path) -> tuple[np.ndarray, Path]:
    training, holdout = tmp_path / "train.csv", tmp_path / "holdout.csv"
    data.write_iris(training, holdout)
    return np.loadtxt(training, delimiter=",", skiprows=1), holdout


@pytest.fixture
def trained(world: World, table: tuple[np.ndarray, Path]) -> Trained:
    """Train, register and merge a model, and return its version."""
    rows, _ = table

    def make(regularisation: float) -> ModelVersion:
        model = LogisticRegression(C=regularisation, max_iter=2000).fit(rows[:, :-1], rows[:, -1].astype(int))
        folder = world.folder / f"model-{regularisation}"
        package = packages.save(model, folder, input_example=rows[:3, :-1])
        uri = artifacts.upload(folder, world.store, "iris")
        version = world.version()
        artifact = replace(version.spec.artifact, uri=uri, digest=package.digest, size_bytes=package.size)
        version = replace(version, spec=replace(version.spec, artifact=artifact))
        done = open_proposal(world.context(), version, by="ada")
        assert done.pull is not None
        world.context().forge.merge(done.pull.number, force=True)
        found = world.context().tree.version("iris", str(done.version))
        assert found is not None
        return found

    return make


def test_challenger_and_champion_are_scored_on_the_same_rows_and_signed(
    world: World, trained: Trained, table: tuple[np.ndarray, Path]
) -> None:
    champion, challenger = trained(0.001), trained(1.0)
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    world.commit({layout.stage("iris", "staging"): registry.write(stage)})
    found = evaluate(world.context("ci"), "iris", "2", stage="staging", dataset=f"holdout={table[1]}")

    assert (found.champion, found.dataset, found.rows) == ("1", "holdout", 50)
    assert found.metrics["challenger"]["accuracy"].value > found.metrics["champion"]["accuracy"].value
    context = world.context("reader")
    envelope = context.ledger.named_statements("iris", "2")[found.statement]
    statement, signer = open_envelope(envelope, {"ci": world.key.public})
    assert (statement.subject_digest, signer) == (challenger.spec.artifact.digest, "ci")
    assert statement.predicate["champion"]["digest"] == champion.spec.artifact.digest
    losses = pyarrow.parquet.read_table(io.BytesIO(Path(found.losses.removeprefix("file://")).read_bytes()))
    assert losses.num_rows == 50
    correct = losses["challenger.correct"].to_numpy()
    assert found.metrics["challenger"]["accuracy"].value == pytest.approx(correct.mean())


def test_evaluating_again_states_the_fact_once(world: World, trained: Trained, table: tuple[np.ndarray, Path]) -> None:
    trained(1.0)
    dataset = f"holdout={table[1]}"
    first = evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=dataset)
    again = evaluate(world.context("other"), "iris", "1", stage="staging", dataset=dataset)
    assert first.statement == again.statement and first.champion is None
    assert list(world.context("reader").ledger.named_statements("iris", "1")) == [first.statement]


def test_a_data_set_that_was_misnamed_is_evaluated_again_under_its_name(
    world: World, trained: Trained, table: tuple[np.ndarray, Path]
) -> None:
    trained(1.0)
    wrong = evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"test={table[1]}")
    right = evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"holdout={table[1]}")
    assert list(world.context("reader").ledger.named_statements("iris", "1")) == [right.statement, wrong.statement]


def test_a_data_set_is_read_from_a_store_too(world: World, trained: Trained, table: tuple[np.ndarray, Path]) -> None:
    trained(1.0)
    artifacts.open_store(world.store).put("data/holdout.csv", table[1])
    found = evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"{world.store}/data/holdout.csv")
    assert (found.dataset, found.rows) == ("holdout", 50)


def test_a_place_with_an_equals_sign_is_a_place(world: World, trained: Trained, table: tuple[np.ndarray, Path]) -> None:
    trained(1.0)
    artifacts.open_store(world.store).put("data/dt=2026/holdout.csv", table[1])
    place = f"{world.store}/data/dt=2026/holdout.csv"
    for given, name in ((place, "holdout"), (f"test={place}", "test")):
        found = evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=given)
        assert (found.dataset, found.rows) == (name, 50)


def test_a_corrupt_package_is_never_loaded(world: World, trained: Trained, table: tuple[np.ndarray, Path]) -> None:
    version = trained(1.0)
    folder = Path(version.spec.artifact.uri.removeprefix("file://"))
    (model,) = folder.glob("*.skops")
    content = model.read_bytes()
    model.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(IntegrityError, match="sha256"):
        evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"holdout={table[1]}")
    assert world.context("reader").ledger.statements("iris", "1") == ()


def test_a_data_set_without_the_target_is_refused_and_its_columns_named(
    world: World, trained: Trained, table: tuple[np.ndarray, Path]
) -> None:
    trained(1.0)
    with pytest.raises(MlgitopsError, match=r"no target column 'species'; it has: .*target"):
        evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"holdout={table[1]}", target="species")


def test_without_the_key_nothing_is_evaluated(
    world: World, trained: Trained, table: tuple[np.ndarray, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(1.0)
    monkeypatch.delenv("MLGITOPS_SIGNING_KEY")
    with pytest.raises(NotFoundError, match="MLGITOPS_SIGNING_KEY"):
        evaluate(world.context("ci"), "iris", "1", stage="staging", dataset=f"holdout={table[1]}")


def test_what_a_merge_made_due_is_evaluated_by_itself_and_once(
    world: World, trained: Trained, table: tuple[np.ndarray, Path]
) -> None:
    trained(1.0)
    settings = world.remote.tree(world.main)[config.FILE] + f'holdout = {{uri = "{table[1]}"}}\n'.encode()
    world.commit({config.FILE: settings})
    (answer,) = evaluate_owed(world.context("ci"))
    assert answer.problem == ""
    assert answer.evaluated is not None and answer.evaluated.statement
    assert str(answer.owed) == "iris:1 for staging on holdout"
    assert list(evaluate_owed(world.context("ci"))) == []
