"""A commit is verified against the keys that are named, and no others, with real keys and a real ssh-keygen."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlgitops.git import Repository, UnverifiedError, signer


def key(folder: Path, name: str) -> str:
    """Make a key pair and return its public half without the comment."""
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "x", "-f", str(path)], check=True)
    return " ".join(path.with_suffix(".pub").read_text().split()[:2])


def commit(folder: Path, *settings: str) -> str:
    """Make an empty commit, as somebody at a desk does, and return its name."""
    person = ["-c", "user.name=Alice", "-c", "user.email=alice@example.com", *settings]
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null"}
    for command in (["commit", "--quiet", "--allow-empty", "-m", "A change"], ["rev-parse", "HEAD"]):
        done = subprocess.run(["git", *person, *command], cwd=folder, env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


def signed_with(path: Path) -> tuple[str, ...]:
    return ("-c", "gpg.format=ssh", "-c", f"user.signingKey={path}", "-c", "commit.gpgSign=true")


@pytest.fixture
def work(tmp_path: Path) -> Path:
    folder = tmp_path / "work"
    Repository.init(folder).close()
    return folder


def test_the_name_of_the_key_that_signed_a_commit_is_returned(work: Path, tmp_path: Path) -> None:
    keys = {"alice@example.com": key(tmp_path, "alice"), "bob": key(tmp_path, "bob")}
    sha = commit(work, *signed_with(tmp_path / "bob"))
    assert signer(work / ".git", sha, keys) == "bob"


def test_a_commit_without_a_signature_is_refused_and_the_keys_are_named(work: Path, tmp_path: Path) -> None:
    with pytest.raises(UnverifiedError, match="is not signed; allowed are the SSH keys of alice: sign it"):
        signer(work / ".git", commit(work), {"alice": key(tmp_path, "alice")})


def test_a_signature_by_a_key_that_nobody_named_is_refused(work: Path, tmp_path: Path) -> None:
    key(tmp_path, "mallory")
    sha = commit(work, *signed_with(tmp_path / "mallory"))
    with pytest.raises(UnverifiedError, match="is not signed by one of them"):
        signer(work / ".git", sha, {"alice": key(tmp_path, "alice")})


def test_what_the_user_trusts_by_settings_counts_for_nothing(
    work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mallory = key(tmp_path, "mallory")
    (tmp_path / "signers").write_text(f"mallory {mallory}\n")
    settings = tmp_path / "gitconfig"
    settings.write_text(f'[gpg "ssh"]\nallowedSignersFile = {tmp_path / "signers"}\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    sha = commit(work, *signed_with(tmp_path / "mallory"))
    with pytest.raises(UnverifiedError):
        signer(work / ".git", sha, {"alice": key(tmp_path, "alice")})


def test_a_commit_that_was_changed_after_it_was_signed_is_refused(work: Path, tmp_path: Path) -> None:
    keys = {"alice": key(tmp_path, "alice")}
    sha = commit(work, *signed_with(tmp_path / "alice"))
    git = ["git", "--git-dir", str(work / ".git")]
    content = subprocess.check_output([*git, "cat-file", "commit", sha]).replace(b"A change", b"An attack")
    forged = subprocess.run([*git, "hash-object", "-t", "commit", "-w", "--stdin"], input=content, capture_output=True)
    with pytest.raises(UnverifiedError):
        signer(work / ".git", forged.stdout.decode().strip(), keys)
