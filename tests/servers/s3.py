"""A real S3 server for tests: versitygw over a folder, on a free port of this machine.

The program is built from ``versitygw/go.mod`` into the cache once (its key is the digest
of ``go.sum``) and started once a session; every test gets a bucket of its own.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import boto3
import pytest

from servers import building

SOURCES = Path(__file__).parent / "versitygw"
PACKAGE = "github.com/versity/versitygw/cmd/versitygw"
ACCESS, SECRET = "tester", "a-secret-for-tests-only"
START_DEADLINE = 30.0  # seconds


@dataclass(frozen=True)
class S3:
    """A running server and one empty bucket; ``folder`` is where the bucket's objects lie as files."""

    endpoint: str
    bucket: str
    folder: Path

    @property
    def uri(self) -> str:
        """The bucket's address, as the store's settings want it."""
        return f"s3://{self.bucket}"


@contextmanager
def running(folder: Path, host: str = "127.0.0.1") -> Iterator[str]:
    """Run a server over a folder, on a free port of an address of this machine; yield its endpoint."""
    with socket.socket() as free:
        free.bind((host, 0))
        port = free.getsockname()[1]
    command = [
        str(building.program(SOURCES, PACKAGE)),
        "--access",
        ACCESS,
        "--secret",
        SECRET,
        "--port",
        f"{host}:{port}",
        "--quiet",
    ]
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([*command, "posix", str(folder)], stdout=output, stderr=output)
    try:
        _wait_until_listening(process, (host, port), log)
        yield f"http://{host}:{port}"
    finally:
        process.terminate()
        process.wait(10)


def _wait_until_listening(process: subprocess.Popen[bytes], place: tuple[str, int], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE
    while True:
        try:
            socket.create_connection(place, 1).close()
            return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"versitygw did not start: {log.read_text()}") from None
            time.sleep(0.02)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[tuple[str, Path]]:
    """One server for the session: its endpoint and the folder whose subfolders are buckets."""
    # The user's temporary folder and not pytest's: object metadata needs extended attributes.
    top = Path(tempfile.mkdtemp(prefix="mlgitops-s3-"))
    folder = top / "buckets"
    folder.mkdir()
    try:
        with running(folder) as endpoint:
            yield endpoint, folder
    finally:
        shutil.rmtree(top, ignore_errors=True)


@pytest.fixture
def s3(s3_server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> S3:
    """An empty bucket; the environment names its server and credentials, as a user's would."""
    endpoint, folder = s3_server
    monkeypatch.setenv("MLGITOPS_S3_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    bucket = f"b-{uuid.uuid4().hex[:12]}"
    boto3.client("s3", endpoint_url=endpoint).create_bucket(Bucket=bucket)
    return S3(endpoint, bucket, folder / bucket)


if __name__ == "__main__":
    print(building.program(SOURCES, PACKAGE))
