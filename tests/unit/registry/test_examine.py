"""What is looked up instead of judged again, and that a lookup is never wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from mlgitops import registry
from mlgitops.errors import NotFoundError
from mlgitops.git import Repository
from mlgitops.registry import cache, reading

Files = dict[str, bytes]
VERSION = "registry/models/iris/versions/2.yaml"


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "validated.sqlite"


@pytest.fixture
def root(store: Path, tmp_path: Path, files: Files) -> Path:
    folder = tmp_path / "repo"
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")
    return folder


@pytest.fixture
def many(files: Files) -> Files:
    """More versions than are judged by one process without a cache."""
    text = files[VERSION].decode()
    return files | {
        f"registry/models/iris/versions/{number}.yaml": text.replace("iris.2", f"iris.{number}")
        .replace('version: "2"', f'version: "{number}"')
        .encode()
        for number in range(3, 3 + reading.PARALLEL)
    }


def broken(path: Path) -> None:
    path.write_text(path.read_text().replace("format: onnx", "format: pickle"))


def test_the_second_verdict_is_the_first_one_and_reads_no_object(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken(root / VERSION)
    first = registry.examine(root)
    assert [problem.file for problem in first.problems] == [VERSION]
    monkeypatch.setattr(reading, "sound", None)
    assert registry.examine(root) == first


@pytest.mark.parametrize("staged", [False, True])
def test_a_change_is_seen_whether_git_knows_of_it_or_not(root: Path, staged: bool) -> None:
    assert registry.examine(root).problems == ()
    broken(root / VERSION)
    if staged:
        git(root, "add", "--all")
    assert len(registry.examine(root).problems) == 1
    git(root, "checkout", "--quiet", "HEAD", "--", ".")
    assert registry.examine(root).problems == ()


def test_two_changes_of_one_uncommitted_file_are_two(root: Path) -> None:
    broken(root / VERSION)
    assert len(registry.examine(root).problems) == 1
    git(root, "checkout", "--quiet", "HEAD", "--", ".")
    (root / VERSION).write_bytes((root / VERSION).read_bytes() + b"# sound\n")
    assert registry.examine(root).problems == ()


def test_a_file_that_git_ignores_is_judged_too(root: Path) -> None:
    (root / ".gitignore").write_text("*.yml\n")
    assert registry.examine(root).problems == ()
    (root / "registry/extra.yml").write_text("a: 1\n")
    assert [problem.file for problem in registry.examine(root).problems] == ["registry/extra.yml"]
    (root / "registry/extra.yml").unlink()
    assert registry.examine(root).problems == ()


def test_a_file_that_git_was_told_not_to_look_at_is_judged_anew(root: Path) -> None:
    assert registry.examine(root).problems == ()
    git(root, "update-index", "--assume-unchanged", VERSION)
    broken(root / VERSION)
    assert len(registry.examine(root).problems) == 1


def test_a_link_to_a_registry_elsewhere_is_refused(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "registry").symlink_to(root / "registry")
    found = registry.examine(other)
    assert [(problem.file, "symbolic link" in problem.message) for problem in found.problems] == [("registry", True)]


def test_the_commit_to_replace_is_part_of_the_question(root: Path) -> None:
    path = root / VERSION
    path.write_text(path.read_text().replace("0" * 63, "1" * 63))
    assert registry.examine(root).problems == ()
    assert [problem.field for problem in registry.examine(root, "main").problems] == ["spec.artifact"]


def test_the_commit_to_replace_is_read_where_the_registry_lies_in_it(root: Path) -> None:
    (root / "inner").mkdir()
    (root / "registry").rename(root / "inner/registry")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=moved")
    path = root / "inner" / VERSION
    path.write_text(path.read_text().replace("0" * 63, "1" * 63))
    assert [problem.field for problem in registry.examine(root / "inner", "main").problems] == ["spec.artifact"]


def test_a_folder_without_git_is_judged_every_time(store: Path, tmp_path: Path, files: Files) -> None:
    path = tmp_path / "plain" / VERSION
    path.parent.mkdir(parents=True)
    path.write_bytes(files[VERSION])
    first = registry.examine(tmp_path / "plain")
    broken(path)
    assert registry.examine(tmp_path / "plain") != first


def test_many_files_are_judged_alike_by_processes_and_from_the_cache(store: Path, many: Files) -> None:
    many["registry/models/iris/versions/9.yaml"] += b"  colour: red\n"
    few = {path: many[path] for path in ("registry/models/iris/versions/9.yaml", VERSION)}
    fresh, kept = registry.read_files(many), registry.read_files(many)
    assert store.exists()
    assert [str(problem) for problem in fresh.problems] == [
        str(problem) for problem in registry.read_files(few).problems
    ]
    assert fresh.problems == kept.problems
    assert [(entry.resource, entry.document) for entry in fresh.entries] == [
        (entry.resource, entry.document) for entry in kept.entries
    ]
    assert fresh.version("iris", 2) == registry.read_files(few).version("iris", 2)


def test_an_answer_of_other_code_is_forgotten(store: Path, many: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.read_files(many)
    digest = cache.digest(many[VERSION])
    with cache.opened() as kept:
        assert kept is not None
        assert digest in kept.documents([digest])
    monkeypatch.setattr(cache, "_fingerprint", lambda: "other code")
    with cache.opened() as kept:
        assert kept is not None
        assert kept.documents([digest]) == {}


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + b"\xff" * 4096])
def test_a_broken_cache_is_no_cache(store: Path, many: Files, content: bytes) -> None:
    store.parent.mkdir(parents=True)
    store.write_bytes(content)
    assert registry.read_files(many).problems == ()
    assert registry.read_files(many).problems == ()


def test_a_cache_that_cannot_be_written_is_no_cache(store: Path, many: Files) -> None:
    store.parent.write_bytes(b"a file where the folder should be")
    assert registry.read_files(many).problems == ()


def test_one_object_is_found_without_the_rest(root: Path) -> None:
    (root / "registry/models/iris/versions/1.yaml").write_text("broken: [")
    git(root, "commit", "--quiet", "--all", "--message=broken")
    repository = Repository.open(root)
    assert registry.stage(repository, "main", "iris", "production").spec.version == "1"
    assert registry.version(repository, "main", "iris", 2).metadata.name == "iris.2"
    with pytest.raises(NotFoundError, match=r"stages/canary\.yaml"):
        registry.stage(repository, "main", "iris", "canary")
    with pytest.raises(NotFoundError):
        registry.stage(repository, "no-such-branch", "iris", "production")
