"""``load_model`` by the addresses that a registry knows."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from statsmodels.regression.linear_model import OLS

import mlgitops
from mlgitops import api, registry, tracking
from mlgitops.api import Metadata, Model, ModelStage, PromotionPolicy, Reference
from mlgitops.api.model import ModelSpec, ModelStageSpec, Stage
from mlgitops.bot import proposal
from mlgitops.errors import InputError, IntegrityError, NotFoundError
from mlgitops.git import Repository
from mlgitops.registry import layout
from mlgitops.tracking.remote import push

X = np.array([[0.0, 1.0], [1.0, 0.0], [0.2, 0.9], [0.8, 0.1]])
MODEL = LogisticRegression().fit(X, [0, 1, 0, 1])


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty store, a record root and a cache of this test alone."""
    monkeypatch.setenv("MLGITOPS_DIR", str(tmp_path / "records"))
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "store"


@pytest.fixture
def files(store: Path) -> dict[str, bytes]:
    """A registry's files: one version of iris, which staging names."""
    with mlgitops.start_run() as run:
        mlgitops.log_model(MODEL, name="iris", input_example=X)
    record = tracking.read(run.folder)
    version = proposal.from_run(record, record.models[0], push(record, store.as_uri()), "iris")
    policy = api.parse(
        {
            "apiVersion": "mlgitops.dev/v1alpha1",
            "kind": "PromotionPolicy",
            "metadata": {"name": "default"},
            "spec": {"gates": [], "artifacts": {"prefixes": [f"{store.as_uri()}/"]}},
        }
    )
    assert isinstance(policy, PromotionPolicy)
    model = Model(Metadata("iris"), ModelSpec(stages=(Stage("staging"),)))
    stage = ModelStage(Metadata("iris.staging"), ModelStageSpec(Reference("iris"), "staging", "1"))
    return {
        layout.policy("default"): registry.write(policy),
        layout.model("iris"): registry.write(model),
        layout.version("iris", 1): registry.write(version),
        layout.stage("iris", "staging"): registry.write(stage),
    }


@pytest.fixture
def checkout(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is a registry, and the working folder."""
    folder = tmp_path / "registry-repo"
    for path, data in {**files, "mlgitops.toml": b"layout = 1\n"}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    monkeypatch.chdir(folder)
    return folder


@pytest.mark.parametrize(
    "address", ["iris:1", "iris@staging", "models:/iris/1", "models:/iris@staging", "models:/iris/Staging"]
)
def test_a_registered_model_loads_by_every_address(checkout: Path, address: str) -> None:
    loaded = mlgitops.load_model(address)
    assert np.array_equal(loaded.native.predict_proba(X), MODEL.predict_proba(X))


def test_the_registry_may_be_a_remote(files: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    remote = Repository.init(tmp_path / "remote.git", bare=True)
    commit = remote.commit(None, files, "registry\n")
    remote.push(str(tmp_path / "remote.git"), {"refs/heads/main": commit}, {"refs/heads/main": None})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLGITOPS_REGISTRY_URL", str(tmp_path / "remote.git"))
    assert np.array_equal(mlgitops.load_model("iris@staging").native.predict(X), MODEL.predict(X))


def test_a_second_load_needs_no_store(checkout: Path, store: Path) -> None:
    mlgitops.load_model("iris:1")
    shutil.rmtree(store)
    assert np.array_equal(mlgitops.load_model("iris:1").native.predict(X), MODEL.predict(X))


def test_a_damaged_cache_is_fetched_again(checkout: Path, tmp_path: Path) -> None:
    mlgitops.load_model("iris:1")
    (cached,) = (tmp_path / "cache" / "models").rglob("model.skops")
    cached.write_bytes(b"rot")
    assert np.array_equal(mlgitops.load_model("iris:1").native.predict(X), MODEL.predict(X))


def test_a_damaged_artifact_does_not_load(checkout: Path, store: Path) -> None:
    (artifact,) = store.glob("iris/*/model.skops")
    artifact.write_bytes(b"rot")
    with pytest.raises(IntegrityError, match=r"model\.skops"):
        mlgitops.load_model("iris:1")


def test_an_artifact_outside_of_the_policys_prefixes_is_not_fetched(checkout: Path, store: Path) -> None:
    path = checkout / layout.policy("default")
    path.write_text(path.read_text().replace(store.as_uri(), "s3://elsewhere"))
    with pytest.raises(InputError, match=r"outside of what its policy allows: s3://elsewhere"):
        mlgitops.load_model("iris:1")


@pytest.mark.parametrize("address", ["iris:2", "iris@production", "iris", "models:/iris"])
def test_what_the_registry_has_not_is_not_found_and_what_it_has_is_listed(checkout: Path, address: str) -> None:
    with pytest.raises(NotFoundError, match="versions of iris: 1; its stages: staging"):
        mlgitops.load_model(address)


def test_without_a_registry_the_error_says_where_to_set_one(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="MLGITOPS_REGISTRY_URL"):
        mlgitops.load_model("iris:1")


@pytest.mark.parametrize(("asks", "grants"), [(False, False), (True, False), (False, True), (True, True)])
def test_code_of_a_registered_model_runs_where_version_and_policy_allow_it(
    asks: bool, grants: bool, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_model(OLS(X[:, 0], X).fit(), name="line", input_example=X)
    record = tracking.read(run.folder)
    version = proposal.from_run(record, record.models[0], push(record, store.as_uri()), "line")
    assert version.spec.artifact.allow_code
    version = replace(version, spec=replace(version.spec, artifact=replace(version.spec.artifact, allow_code=asks)))
    policy = {
        "apiVersion": "mlgitops.dev/v1alpha1",
        "kind": "PromotionPolicy",
        "metadata": {"name": "default"},
        "spec": {
            "artifacts": {"prefixes": [f"{store.as_uri()}/"]},
            "formats": {"allowCode": ["statsmodels"] if grants else ["torch"]},
        },
    }
    objects = {
        layout.policy("default"): registry.write(api.parse(policy)),
        layout.model("line"): registry.write(Model(Metadata("line"), ModelSpec(stages=(Stage("staging"),)))),
        layout.version("line", 1): registry.write(version),
    }
    for path, data in {**objects, "mlgitops.toml": b"layout = 1\n"}.items():
        (tmp_path / "repo" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "repo" / path).write_bytes(data)
    monkeypatch.chdir(tmp_path / "repo")
    if asks and grants:
        assert mlgitops.load_model("line:1").infer({"input": X})["predict"] == pytest.approx(X[:, 0])
        return
    with pytest.raises(InputError, match="runs code when loaded"):
        mlgitops.load_model("line:1")
