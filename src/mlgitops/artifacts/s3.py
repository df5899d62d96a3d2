"""A store in S3 or anything that speaks its protocol, by boto3.

Uploads carry a SHA-256 checksum that the server verifies. boto3 repeats requests that
fail before an answer; a body that breaks off is a ``BrokenStreamError``, so that the
caller can begin that file again.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlgitops.artifacts.locations import Location, segments
from mlgitops.artifacts.stores import BrokenStreamError, ForbiddenError, Reader, Store, Stored
from mlgitops.errors import ConflictError, InputError, MlgitopsError, NotFoundError, OutsideError, require

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client

ENDPOINT = "MLGITOPS_S3_ENDPOINT_URL"
CONNECTIONS = 16
PROBE = ".probe"  # what is written to see whether anything can be
_MISSING = {"404", "NoSuchKey", "NoSuchBucket", "NotFound"}
_THERE = {"409", "412", "PreconditionFailed", "ConditionalRequestConflict"}
_DENIED = {"401", "403", "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"}


class S3Store(Store):
    """A bucket and a prefix in it."""

    def __init__(self, location: Location) -> None:
        super().__init__(location)
        require("boto3", "s3")  # here, as what translates errors needs it too
        with _translated(self.uri):
            self._client = _client()

    def put(self, key: str, content: bytes | Path) -> None:
        """Upload; large files in parallel parts."""
        name = self._name(key)
        with _translated(f"{self.uri}/{key}"):
            if isinstance(content, Path):
                self._client.upload_file(
                    str(content), self.location.bucket, name, ExtraArgs={"ChecksumAlgorithm": "SHA256"}
                )
            else:
                self._client.put_object(Bucket=self.location.bucket, Key=name, Body=content, ChecksumAlgorithm="SHA256")

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[Reader]:
        """Begin a download."""
        what = f"{self.uri}/{key}"
        with _translated(what):
            body = self._client.get_object(Bucket=self.location.bucket, Key=self._name(key))["Body"]
        with contextlib.closing(body), _translated(what, streaming=True):
            yield body

    def create(self, key: str, content: bytes) -> None:
        """Upload on the condition that nothing is there; a repeated request may meet what it wrote itself."""
        name = self._name(key)
        try:
            with _translated(f"{self.uri}/{key}"):
                self._client.put_object(
                    Bucket=self.location.bucket, Key=name, Body=content, ChecksumAlgorithm="SHA256", IfNoneMatch="*"
                )
        except ConflictError:
            if self.get(key) != content:
                raise

    def probe(self, prefix: str) -> None:
        """Write an empty object, and remove it where that is allowed."""
        key = f"{prefix}/{PROBE}"
        self.put(key, b"")
        with contextlib.suppress(OutsideError):
            self.delete([key])

    def exists(self, key: str) -> bool:
        """Ask for the key's headers."""
        try:
            with _translated(f"{self.uri}/{key}"):
                self._client.head_object(Bucket=self.location.bucket, Key=self._name(key))
        except NotFoundError:
            return False
        return True

    def entries(self, prefix: str = "") -> dict[str, Stored]:
        """List in pages, in order of key."""
        parts = self.location.parts + (segments(prefix) if prefix else ())
        start = "/".join(parts) + "/" if parts else ""
        cut = len("/".join(self.location.parts)) + 1 if self.location.parts else 0
        found: dict[str, Stored] = {}
        with _translated(self.uri):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self.location.bucket, Prefix=start)
            for page in pages:
                # Some servers also list "folders" as empty keys that end in a slash.
                listed = (item for item in page.get("Contents", ()) if not item["Key"].endswith("/"))
                for item in listed:
                    stored = Stored(item["Size"], item["LastModified"].timestamp(), item["ETag"].strip('"'))
                    found[item["Key"][cut:]] = stored
        return found

    def delete(self, keys: Iterable[str]) -> None:
        """Remove one by one: not every server that speaks the protocol removes many at once."""
        for key in keys:
            with _translated(f"{self.uri}/{key}"):
                self._client.delete_object(Bucket=self.location.bucket, Key=self._name(key))

    def _name(self, key: str) -> str:
        return "/".join(self.location.parts + segments(key))


def _client() -> S3Client:
    """Return a client of its own for one store: retries, time limits (seconds) and no global session."""
    boto3 = require("boto3", "s3")
    from botocore.config import Config

    endpoint = os.environ.get(ENDPOINT) or None
    settings = Config(
        retries={"mode": "standard", "max_attempts": 5},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=CONNECTIONS,
        # Servers behind an explicit endpoint rarely have a DNS name for each bucket.
        s3={"addressing_style": "path" if endpoint else "auto"},
    )
    session = boto3.session.Session()
    region = session.region_name or "us-east-1"
    client: S3Client = session.client("s3", endpoint_url=endpoint, config=settings, region_name=region)
    return client


@contextlib.contextmanager
def _translated(what: str, *, streaming: bool = False) -> Iterator[None]:
    """Turn boto3's errors into ours, in one place."""
    from boto3.exceptions import S3UploadFailedError
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except MlgitopsError:
        raise
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise ForbiddenError(f"{what}: {error}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY") from error
    except ClientError as error:
        raise _of_answer(what, error) from error
    except S3UploadFailedError as error:
        cause = error.__context__
        raise (
            _of_answer(what, cause) if isinstance(cause, ClientError) else OutsideError(f"{what}: {error}")
        ) from error
    except BotoCoreError as error:
        raise (BrokenStreamError if streaming else OutsideError)(f"{what}: {error}") from error
    except ValueError as error:
        # boto3 says so of an endpoint or bucket name that cannot be used.
        raise InputError(f"{what}: {error}") from error


def _of_answer(what: str, error: BaseException) -> MlgitopsError:
    answer = getattr(error, "response", {})
    code = str(answer.get("Error", {}).get("Code", ""))
    status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
    if {code, status} & _MISSING:
        return NotFoundError(f"{what} does not exist")
    if {code, status} & _THERE:
        return ConflictError(f"{what} is there already")
    if {code, status} & _DENIED:
        return ForbiddenError(f"{what}: access denied ({code or status}); check the credentials of the store")
    return OutsideError(f"{what}: {error}")
