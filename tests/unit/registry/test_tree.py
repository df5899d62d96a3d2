from __future__ import annotations

from pathlib import Path

import pytest

from mlgitops import registry
from mlgitops.errors import InvalidError, NotFoundError
from mlgitops.git import Repository
from mlgitops.git.repository import Person

Files = dict[str, bytes]
TESTER = Person("A. Tester", "tester@example.com")


def write(folder: Path, files: Files) -> Path:
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_tree_answers_what_people_ask(files: Files) -> None:
    tree = registry.load_files(files)
    assert [version.spec.version for version in tree.versions("iris")] == ["1", "2"]
    assert (version := tree.version("iris", 2)) and version.metadata.name == "iris.2"
    assert (stage := tree.stage("iris", "production")) and stage.spec.version == "1"
    assert (policy := tree.policy("iris")) and policy.metadata.name == "default"
    assert [runtime.metadata.name for runtime in tree.runtimes()] == ["python-1"]
    assert [deployment.metadata.name for deployment in tree.deployments("prod")] == ["iris"]
    assert tree.deployments("test") == ()
    assert tree.environments == ("prod",)
    assert tree.model("rose") is tree.version("iris", 9) is tree.stage("iris", "testing") is None


def test_a_folder_and_a_commit_read_alike(files: Files, tmp_path: Path) -> None:
    folder = write(tmp_path / "folder", files)
    repository = Repository.init(tmp_path / "repository.git", bare=True)
    commit = repository.commit(None, files, "Add", author=TESTER, committer=TESTER)
    one, other = registry.load(folder), registry.load((repository, commit))
    assert [entry.resource for entry in one.entries] == [entry.resource for entry in other.entries]
    assert len(one.entries) == len(files)


def test_only_the_folder_registry_is_read(files: Files, tmp_path: Path) -> None:
    write(
        tmp_path,
        {**files, "clusters/prod.yaml": b"a: [", "registry/README.md": b"no YAML", "registry/models/.gitkeep": b""},
    )
    assert len(registry.load(tmp_path).entries) == len(files)


def test_a_symbolic_link_is_reported_and_not_followed(files: Files, tmp_path: Path) -> None:
    write(tmp_path, files)
    (tmp_path / "secret.yaml").write_text("password: x\n")
    (tmp_path / "registry/policies/link.yaml").symlink_to(tmp_path / "secret.yaml")
    (tmp_path / "registry/linked").symlink_to(tmp_path)
    tree = registry.read(tmp_path)
    assert [str(problem) for problem in tree.problems] == [
        "registry/linked is a symbolic link; a registry holds plain files only",
        "registry/policies/link.yaml is a symbolic link; a registry holds plain files only",
    ]
    with pytest.raises(InvalidError, match="symbolic link"):
        registry.load(tmp_path)


def test_a_folder_without_a_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="has no folder registry; make a registry with: mlgitops init"):
        registry.load(tmp_path)


def test_json_is_read_too(files: Files) -> None:
    files["registry/policies/strict.json"] = (
        b'{"apiVersion": "mlgitops.dev/v1alpha1", "kind": "PromotionPolicy", "metadata": {"name": "strict"},'
        b' "spec": {"artifacts": {"prefixes": ["s3://models/"]}}}'
    )
    assert registry.load_files(files).entry("PromotionPolicy", "strict")


def test_a_folder_that_holds_a_clone_called_registry_is_no_registry(tmp_path: Path) -> None:
    clone, training = tmp_path / "registry", tmp_path / "training"
    (clone / "registry").mkdir(parents=True)
    training.mkdir()
    assert registry.layout.root_above(clone / "registry") == clone
    with pytest.raises(NotFoundError, match="training lies in no registry"):
        registry.layout.root_above(training)
