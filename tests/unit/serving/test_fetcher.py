from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlgitops import artifacts, digest, packages

pytestmark = pytest.mark.slow


@pytest.fixture
def stored(iris_package: packages.Package, tmp_path: Path) -> str:
    """The iris package's place in a file store."""
    return artifacts.upload(iris_package.folder, (tmp_path / "store").as_uri(), "iris")


def fetch(tmp_path: Path, artifact: Any, wanted: str, **changes: str) -> tuple[int, dict[str, Any]]:
    """Run the fetcher and return its exit code and termination message."""
    message = tmp_path / "message"
    environment = {
        **os.environ,
        "MLGITOPS_ARTIFACT": artifact if isinstance(artifact, str) else json.dumps(artifact),
        "MLGITOPS_DIGEST": wanted,
        "MLGITOPS_MODEL_DIR": str(tmp_path / "model"),
        "MLGITOPS_TERMINATION_LOG": str(message),
        **changes,
    }
    ended = subprocess.run([sys.executable, "-m", "mlgitops.serving.fetcher"], env=environment, capture_output=True)
    return ended.returncode, json.loads(message.read_text())


def order(uri: str, *mirrors: str, prefixes: tuple[str, ...] = ("file:///",)) -> dict[str, Any]:
    return {"uri": uri, "mirrors": list(mirrors), "format": "skops", "prefixes": list(prefixes)}


def test_a_package_is_fetched_and_verified(iris_package: packages.Package, stored: str, tmp_path: Path) -> None:
    code, message = fetch(tmp_path, order(stored), iris_package.digest)
    assert (code, message["reason"], message["found"]) == (0, "Fetched", iris_package.digest)
    digest.verify(tmp_path / "model", iris_package.digest)


def test_a_package_of_another_format_than_its_version_says_is_refused(
    iris_package: packages.Package, stored: str, tmp_path: Path
) -> None:
    code, message = fetch(tmp_path, {**order(stored), "format": "torch"}, iris_package.digest)
    assert (code, message["reason"]) == (1, "Forbidden")
    assert "of the format skops; its ModelVersion says torch" in message["message"]


def test_an_empty_mount_is_filled(iris_package: packages.Package, stored: str, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert fetch(tmp_path, order(stored), iris_package.digest)[0] == 0


def test_a_restarted_fetcher_finds_its_work_done(iris_package: packages.Package, stored: str, tmp_path: Path) -> None:
    for _ in range(2):
        assert fetch(tmp_path, order(stored), iris_package.digest)[0] == 0


def test_corrupted_bytes_are_refused_with_both_digests(
    iris_package: packages.Package, stored: str, tmp_path: Path
) -> None:
    place = Path(stored.removeprefix("file://"))
    path = place / digest.MANIFEST
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"MLmodel", b"MLmodeL"))
    code, message = fetch(tmp_path, order(stored), iris_package.digest)
    assert (code, message["reason"], message["expected"]) == (1, "DigestMismatch", iris_package.digest)
    assert message["found"] == digest.of_file(path)
    assert not (tmp_path / "model" / digest.MANIFEST).exists()


def test_one_corrupted_file_is_told_by_its_own_two_digests(
    iris_package: packages.Package, stored: str, tmp_path: Path
) -> None:
    path = Path(stored.removeprefix("file://")) / "model.skops"
    promised = digest.of_file(path)
    path.chmod(0o644)
    path.write_bytes(b"!" + path.read_bytes()[1:])
    code, message = fetch(tmp_path, order(stored), iris_package.digest)
    assert (code, message["reason"]) == (1, "DigestMismatch")
    assert (message["expected"], message["found"]) == (promised, digest.of_file(path))
    assert "model.skops" in message["message"]


def test_a_missing_package_is_not_found(iris_package: packages.Package, tmp_path: Path) -> None:
    uri = (tmp_path / "nowhere").as_uri()
    code, message = fetch(tmp_path, order(uri), iris_package.digest)
    assert (code, message["reason"], message["uri"]) == (1, "NotFound", uri)


def test_a_mirror_helps_out(iris_package: packages.Package, stored: str, tmp_path: Path) -> None:
    gone = (tmp_path / "nowhere").as_uri()
    assert fetch(tmp_path, order(gone, stored), iris_package.digest)[0] == 0


@pytest.mark.parametrize("prefixes", [(), ("s3://models/",), ("file:///elsewhere/",)])
def test_nothing_outside_the_prefixes_is_fetched(
    iris_package: packages.Package, stored: str, tmp_path: Path, prefixes: tuple[str, ...]
) -> None:
    code, message = fetch(tmp_path, order(stored, prefixes=prefixes), iris_package.digest)
    assert (code, message["reason"]) == (1, "Forbidden")
    assert "outside the artifact prefixes" in message["message"]
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("artifact", ["", "no JSON", "[]", "{}"])
def test_a_malformed_order_names_its_variable(iris_package: packages.Package, tmp_path: Path, artifact: str) -> None:
    code, message = fetch(tmp_path, artifact, iris_package.digest)
    assert (code, message["reason"]) == (1, "Unavailable")
    assert "MLGITOPS_ARTIFACT" in message["message"]


def test_a_store_that_lets_nobody_in_names_where_a_cluster_says_who_it_is(
    iris_package: packages.Package, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    uri = f"s3://models/iris/sha256-{iris_package.digest.removeprefix('sha256:')}"
    code, message = fetch(tmp_path, order(uri, prefixes=("s3://models/",)), iris_package.digest)
    assert (code, message["reason"]) == (1, "Forbidden")
    assert "spec.artifactAccess.secretRef" in message["message"]
