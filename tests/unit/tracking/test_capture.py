from __future__ import annotations

import fcntl
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mlgitops import tracking
from mlgitops.tracking import capture, hardware

Script = Callable[..., subprocess.Popen[str]]


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "train.py").write_text("print(1)\n")
    (folder / "data.csv").write_text("1\n")
    git(tmp_path, "init", "-q", "-b", "main", str(folder))
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    return folder


def captured(work_tree: Path, tmp_path: Path) -> tuple[dict, str]:  # type: ignore[type-arg]
    folder = tmp_path / "run"
    folder.mkdir()
    capture.main(folder, tmp_path, work_tree / "src" / "train.py")
    return json.loads((folder / "capture.json").read_text()), (folder / "source.diff").read_text()


def test_a_clean_tree_is_its_commit(work_tree: Path, tmp_path: Path) -> None:
    git(work_tree, "remote", "add", "origin", "https://user:secret@example.com/team/project.git?token=x")
    found, diff = captured(work_tree, tmp_path)
    assert found["code"] == {
        "repository": "https://example.com/team/project.git",
        "branch": "main",
        "commit": git(work_tree, "rev-parse", "HEAD"),
        "dirty": False,
        "untracked": [],
        "diff_bytes": 0,
        "diff_truncated": False,
    }
    assert found["entry_point"] == "src/train.py"
    assert diff == ""


def test_changes_to_tracked_files_are_dirty_and_kept_as_a_diff(work_tree: Path, tmp_path: Path) -> None:
    (work_tree / "src" / "train.py").write_text("print(2)\n")
    found, diff = captured(work_tree, tmp_path)
    assert found["code"]["dirty"] is True
    assert "-print(1)\n+print(2)\n" in diff
    assert found["code"]["diff_bytes"] == len(diff)


def test_an_untracked_module_is_dirty_and_untracked_data_is_not(work_tree: Path, tmp_path: Path) -> None:
    (work_tree / "more.csv").write_text("2\n")
    assert captured(work_tree, tmp_path)[0]["code"]["dirty"] is False
    (tmp_path / "run").rename(tmp_path / "run-before")
    (work_tree / "src" / "helper.py").write_text("")
    found, _ = captured(work_tree, tmp_path)
    assert (found["code"]["dirty"], found["code"]["untracked"]) == (True, ["src/helper.py"])


def test_an_ignored_module_is_not_dirty(work_tree: Path, tmp_path: Path) -> None:
    (work_tree / ".gitignore").write_text("build/\n")
    git(work_tree, "add", ".gitignore")
    git(work_tree, "commit", "-q", "-m", "ignore")
    (work_tree / "build").mkdir()
    (work_tree / "build" / "made.py").write_text("")
    assert captured(work_tree, tmp_path)[0]["code"]["dirty"] is False


def test_a_large_diff_is_cut(work_tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "LARGEST_DIFF", 1000)
    (work_tree / "data.csv").write_text("12345678\n" * 100_000)
    found, diff = captured(work_tree, tmp_path)
    assert (len(diff), found["code"]["diff_truncated"]) == (1000, True)


def test_a_tree_without_a_commit_is_dirty(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", str(tmp_path / "project"))
    (tmp_path / "project" / "src").mkdir()
    (tmp_path / "project" / "src" / "train.py").write_text("")
    found, _ = captured(tmp_path / "project", tmp_path)
    assert (found["code"]["commit"], found["code"]["dirty"]) == ("", True)


def test_a_tree_whose_state_git_cannot_tell_is_dirty(work_tree: Path, tmp_path: Path) -> None:
    (work_tree / ".git" / "index").write_bytes(b"no index")
    found, _ = captured(work_tree, tmp_path)
    assert len(found["code"]["commit"]) == 40 and found["code"]["dirty"] is True


def test_code_outside_of_git_has_no_commit(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    found, _ = captured(tmp_path, tmp_path)
    assert (found["code"]["commit"], found["entry_point"]) == ("", "train.py")


def test_programs_that_a_repository_configures_are_not_run(work_tree: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "diff.external", "diff.evil.textconv"):
        git(work_tree, "config", key, str(trap))
    (work_tree / ".gitattributes").write_text("*.csv diff=evil\n")
    (work_tree / "data.csv").write_text("2\n")
    _, diff = captured(work_tree, tmp_path)
    assert "+2" in diff
    assert not (tmp_path / "sprung").exists()


def test_packages_are_pinned_and_python_is_named(work_tree: Path, tmp_path: Path) -> None:
    found, _ = captured(work_tree, tmp_path)
    assert any(line.startswith("pytest==") for line in (tmp_path / "run/packages.txt").read_text().splitlines())
    assert found["python"]["implementation"] == "CPython"


def test_a_machine_and_its_command_line_are_named(script: Script, root: Path, tmp_path: Path) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "nvidia-smi").write_text("#!/bin/sh\necho 'NVIDIA H100 80GB HBM3, 81559 MiB, 570.1'\n")
    (tools / "nvidia-smi").chmod(0o755)
    process = script(
        "import sys, mlgitops\nsys.argv += ['--lr', '0.1']\nmlgitops.start_run()\n",
        PATH=f"{tools}:{os.environ['PATH']}",
    )
    process.communicate()
    environment = tracking.list_runs(root)[0].environment
    assert environment is not None
    assert environment.argv == ("--lr", "0.1")
    assert environment.gpus == ("NVIDIA H100 80GB HBM3, 81559 MiB, 570.1",)
    assert environment.memory > 1 << 20
    assert environment.cpus == os.cpu_count()
    assert environment.python.startswith("3.")


def test_a_machine_without_a_graphics_driver_has_no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.gpus() == []
    assert hardware.gpu_load() == {}


def test_the_load_of_a_gpu_is_in_bytes_watts_and_degrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho '0, 87, 1024, 81559, [N/A], 61'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert hardware.gpu_load() == {
        "gpu.0.utilization_percent": 87.0,
        "gpu.0.memory_used_bytes": 1024 * 2.0**20,
        "gpu.0.memory_bytes": 81559 * 2.0**20,
        "gpu.0.celsius": 61.0,
    }


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--lr", "0.1"], ["--lr", "0.1"]),
        (["--api-key", "abc", "rest"], ["--api-key", "***", "rest"]),
        (["--wandb-token=abc"], ["--wandb-token=***"]),
        (["--password", "--lr", "1"], ["--password", "--lr", "1"]),
        (["db.password=abc"], ["db.password=***"]),
        (["--url", "https://me:pw@example.com/x"], ["--url", "https://example.com/x"]),
        (["--data=s3://key:secret@bucket/x"], ["--data=s3://bucket/x"]),
        (["--tokenizer", "bert"], ["--tokenizer", "bert"]),
        (["--passes", "3"], ["--passes", "3"]),
    ],
)
def test_secrets_of_a_command_line_are_not_kept(given: list[str], kept: list[str]) -> None:
    assert capture.redacted(given) == kept


def test_seeds_that_can_be_seen_are_kept(script: Script, root: Path) -> None:
    process = script(
        "import mlgitops, numpy, sys, types\n"
        "numpy.random.seed(42)\n"
        "torch = types.ModuleType('torch'); torch.initial_seed = lambda: 7; sys.modules['torch'] = torch\n"
        "with mlgitops.start_run(): numpy.random.rand(1000)\n",
        PYTHONHASHSEED="3",
    )
    process.communicate()
    assert tracking.list_runs(root)[0].seeds == {"numpy": 42, "torch": 7, "python_hash": 3}


def test_a_library_that_cannot_tell_its_seed_costs_that_seed_and_is_told(script: Script, root: Path) -> None:
    process = script(
        "import mlgitops, sys, types\n"
        "def lost(): raise RuntimeError('the driver is gone')\n"
        "torch = types.ModuleType('torch'); torch.initial_seed = lost; sys.modules['torch'] = torch\n"
        "with mlgitops.start_run(): mlgitops.log_metric('loss', 1)\n",
        PYTHONHASHSEED="3",
    )
    process.communicate()
    (record,) = tracking.list_runs(root)
    assert (process.returncode, record.status, record.seeds) == (0, "finished", {"python_hash": 3})
    assert record.metrics["loss"].last == 1
    assert "seed torch: RuntimeError: the driver is gone" in record.problems


def test_a_generator_that_nobody_seeded_has_no_seed(script: Script, root: Path) -> None:
    environment = {"PYTHONHASHSEED": "random"}
    process = script("import mlgitops, numpy\nwith mlgitops.start_run(): pass\n", **environment)
    process.communicate()
    assert tracking.list_runs(root)[0].seeds == {}


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://token@example.com/x.git", "https://example.com/x.git"),
        ("https://a:b@example.com:8443/x.git?private=1#f", "https://example.com:8443/x.git"),
        ("git@example.com:team/x.git", "git@example.com:team/x.git"),
        ("/srv/git/x.git", "/srv/git/x.git"),
        ("", ""),
    ],
)
def test_a_remote_is_recorded_without_credentials(url: str, public: str) -> None:
    assert capture.public_url(url) == public


def test_a_capture_is_pending_while_its_process_works_and_lost_when_it_died(root: Path) -> None:
    with tracking.start_run() as run:
        pass
    assert tracking.read(run.folder).capture == "complete"
    (run.folder / "capture.json").unlink()
    record = tracking.read(run.folder)
    assert (record.capture, record.source) == ("lost", None)
    descriptor = os.open(run.folder, os.O_RDONLY)  # as the capture process does
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert tracking.read(run.folder).capture == "pending"
    finally:
        os.close(descriptor)


def test_a_run_names_its_script(script: Script, root: Path) -> None:
    process = script("import mlgitops\nmlgitops.log_metric('loss', 1)\n")
    process.communicate()
    (record,) = tracking.list_runs(root)
    assert record.source is not None
    assert record.source.entry_point == "train.py"
