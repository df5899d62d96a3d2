"""Repositories and files as nobody should have them: a clear error or the right answer, never a traceback."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlgitops.cli.main import app
from mlgitops.errors import MlgitopsError

Files = dict[str, bytes]
MODEL = "registry/models/iris/model.yaml"


def git(folder: Path, *arguments: str) -> None:
    options = ["-c", "protocol.file.allow=always"]
    subprocess.run(["git", *options, "-C", str(folder), *arguments], check=True, capture_output=True)


def mlgitops(folder: Path, *arguments: str) -> tuple[int, str]:
    """Return exit code and words; whatever is no error of ours would be a traceback."""
    with contextlib.chdir(folder):
        done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, MlgitopsError):
        return done.exception.exit_code, str(done.exception)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exc_info
    return done.exit_code, done.output


@pytest.fixture
def root(tmp_path: Path, files: Files, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    folder = tmp_path / "repo"
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    git(tmp_path, "init", "--quiet", "--initial-branch=main", str(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message=all")
    return folder


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: [1, 2\n", "is not YAML"),
        (b"spec:\n  a: 1\n  a: 2\n", "spec.a stands twice"),
        (b"a: &a [x, x]\nb: &b [*a, *a]\n" + b"c: [" + b"*b, " * 20_000 + b"1]\n", "has more than 50000 values"),
        (b"# " + b"x" * (10 << 20), "is larger than the 1048576 bytes"),
        (b"spec:\n\ta: 1\n", "a tab where only spaces may indent"),
        (b"a: \xff\xfe\n", "is not UTF-8"),
        (b"a: 1\n---\nb: 1\n", "more than one document"),
        (b"apiVersion: v1\nkind: List\nitems: []\n", "write each of its items into a file of its own"),
        (b"[]", "must hold one object"),
        (b"\x00", "control character"),
    ],
    ids=["truncated", "duplicate", "bomb", "10MB", "tab", "latin-1", "documents", "List", "no-mapping", "NUL"],
)
def test_a_bad_file_is_named_with_its_cure(root: Path, data: bytes, expected: str) -> None:
    (root / MODEL).write_bytes(data)
    code, told = mlgitops(root, "validate")
    assert (code, told.startswith(f"{MODEL}")) == (2, True)
    assert expected in told


@pytest.mark.parametrize("change", [lambda data: b"\xef\xbb\xbf" + data, lambda data: data.replace(b"\n", b"\r\n")])
def test_byte_order_marks_and_windows_lines_are_fine(root: Path, change) -> None:
    (root / MODEL).write_bytes(change((root / MODEL).read_bytes()))
    assert mlgitops(root, "validate") == (0, "8 objects read, no problems\n")


@pytest.mark.parametrize("name", [b"a b.yaml", "é ☃.yaml".encode(), b"\xff.yaml", b"-x.yaml", b"a\nb.yaml"])
def test_any_file_name_is_reported_by_name_and_steers_no_terminal(root: Path, name: bytes) -> None:
    (root / MODEL).rename(Path(os.fsdecode(os.fsencode(root / "registry") + b"/" + name)))
    code, told = mlgitops(root, "validate")
    assert code == 2
    assert "says that this file is registry/models/iris/model.yaml; move it there" in told
    assert "\n" not in told.partition(": metadata.name")[0]


def test_files_that_some_disks_hold_for_one_are_reported(root: Path) -> None:
    (root / "registry/models/iris/Model.yaml").write_bytes((root / MODEL).read_bytes())
    assert "differs from registry/models/iris/Model.yaml only in upper and lower case" in mlgitops(root, "validate")[1]


@pytest.mark.parametrize("target", ["/etc", "../..", "."])
def test_a_link_is_not_followed_wherever_it_leads(root: Path, target: str) -> None:
    (root / "registry/models/out").symlink_to(target)
    code, told = mlgitops(root, "validate")
    assert (code, told.splitlines()[0]) == (
        2,
        "registry/models/out is a symbolic link; a registry holds plain files only",
    )


def test_a_submodule_is_no_part_of_a_registry(root: Path, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--quiet", str(root), "other")
    git(root, "submodule", "add", "--quiet", str(tmp_path / "other"), "registry/other")
    code, told = mlgitops(root, "validate")
    assert (code, "registry/other is a repository of its own" in told) == (2, True)


def test_a_detached_head_is_validated_and_planned(root: Path) -> None:
    git(root, "checkout", "--quiet", "--detach")
    assert mlgitops(root, "validate", "--base", "main")[0] == 0
    assert mlgitops(root, "plan") == (0, "Nothing changes in the cluster.\n")


def test_a_shallow_clone_says_how_to_become_whole(root: Path, tmp_path: Path) -> None:
    git(root, "checkout", "--quiet", "-b", "mine")
    for branch in ("mine", "main"):
        git(root, "checkout", "--quiet", branch)
        (root / f"{branch}.txt").write_text(branch)
        git(root, "add", "--all")
        git(root, "commit", "--quiet", f"--message={branch}")
    options = ("--quiet", "--depth=1", "--no-single-branch", "--branch=mine")
    git(tmp_path, "clone", *options, root.as_uri(), "shallow")
    code, told = mlgitops(tmp_path / "shallow", "plan")
    assert (code, "run: git fetch --unshallow" in told) == (2, True)
    git(tmp_path / "shallow", "fetch", "--quiet", "--unshallow")
    assert mlgitops(tmp_path / "shallow", "plan") == (0, "Nothing changes in the cluster.\n")


def test_a_base_that_moved_away_or_is_none_is_named(root: Path) -> None:
    code, told = mlgitops(root, "validate", "--base", "gone")
    assert (code, "'gone' names no commit" in told) == (2, True)
    code, told = mlgitops(root, "plan", "--base", "0" * 40)
    assert (code, "names no commit" in told) == (2, True)
