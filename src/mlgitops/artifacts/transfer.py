"""Sealed folders into a store and out of it again, each byte against its digest."""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mlgitops import digest as digests
from mlgitops.artifacts.locations import join
from mlgitops.artifacts.stores import PIECE, BrokenStreamError, Store, open_store
from mlgitops.digest import MANIFEST, FileEntry, Manifest
from mlgitops.errors import InputError, IntegrityError, MlgitopsError, NotFoundError, OutsideError

PARALLEL = 8  # files at a time
ATTEMPTS = 4  # downloads of one file that may break off
LARGEST_MANIFEST = 64 << 20  # bytes
_PARTIAL = ".partial-"


def upload(folder: Path, root_uri: str, name: str) -> str:
    """Put a sealed folder at ``<root_uri>/<name>/sha256-<hex>`` and return that URI.

    Repeating it is harmless and cheap. The manifest goes last, so that a folder with a
    manifest is complete.

    Raises:
        InputError: the folder is not sealed.
        IntegrityError: its files are no longer what its manifest says.
        OutsideError: the store cannot be reached, or refuses.
    """
    digest = digests.of_bytes(_manifest_of(folder))
    manifest = digests.verify(folder, digest)
    uri = join(root_uri, name, f"sha256-{digests.hex_of(digest)}")
    store = open_store(uri)
    try:
        _check(store, digest, deep=False)
    except (NotFoundError, IntegrityError):  # new, or to be repaired
        _each(lambda entry: store.put(entry.path, folder / entry.path), manifest.files)
    # Written again where it was there: whoever cleans the store up sees that somebody wants this package now.
    store.put(MANIFEST, manifest.to_bytes())
    return uri


def fetch(uri: str, digest: str, into: Path, mirrors: Iterable[str] = ()) -> Manifest:
    """Download a sealed folder and verify it; a folder that already holds it is left as it is.

    The folder appears complete: files are downloaded beside their place, renamed after
    the last one is verified, the manifest last. It may exist when it is empty (a mount).

    Args:
        uri: where it is.
        digest: what it must be.
        into: the folder to make or fill.
        mirrors: where else it is, tried in order when the first place fails.

    Raises:
        IntegrityError: some place holds other bytes, and no place the right ones.
        NotFoundError: it is nowhere.
        OutsideError: a place could not be reached (``ForbiddenError``: refused).
        InputError: ``into`` holds something else.
    """
    digests.hex_of(digest)
    if (into / MANIFEST).is_file():
        return _already_there(into, digest)
    failures: list[MlgitopsError] = []
    for place in (uri, *mirrors):
        try:
            return _fetch_from(open_store(place), digest, into)
        except (IntegrityError, OutsideError, NotFoundError) as error:
            failures.append(error)
    # The most alarming failure first: wrong bytes, then "try again", then "not there".
    for kind in (IntegrityError, OutsideError, NotFoundError):
        for failure in failures:
            if isinstance(failure, kind):
                raise failure
    raise AssertionError("unreachable: every place either returned or failed")


def check(uri: str, digest: str, *, deep: bool = False) -> Manifest:
    """Verify that a store holds a sealed folder: its manifest, and every file in its size.

    Args:
        uri: where it is.
        digest: what it must be.
        deep: read and digest every byte too.

    Raises:
        NotFoundError: the manifest or a file is missing; the message names what.
        IntegrityError: the manifest or a file differs.
        OutsideError: the store cannot be reached, or refuses.
    """
    return _check(open_store(uri), digest, deep=deep)


def _check(store: Store, digest: str, *, deep: bool) -> Manifest:
    manifest = _read_manifest(store, digest)
    sizes = store.list()
    missing = [entry.path for entry in manifest.files if entry.path not in sizes]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise NotFoundError(f"{store.uri} lacks {', '.join(missing[:3])}{more}; upload it again")
    doubtful = [entry for entry in manifest.files if deep or sizes[entry.path] != entry.size]
    _each(lambda entry: _read_verified(store, entry, len), doubtful)
    return manifest


def _fetch_from(store: Store, digest: str, into: Path) -> Manifest:
    manifest = _read_manifest(store, digest)
    try:
        into.mkdir(parents=True, exist_ok=True)
        _only_these(into, manifest)
        partial = Path(tempfile.mkdtemp(dir=into, prefix=_PARTIAL))
        try:
            _each(lambda entry: _fetch_file(store, entry, partial / entry.path), manifest.files)
            for entry in manifest.files:
                (into / entry.path).parent.mkdir(parents=True, exist_ok=True)
                (partial / entry.path).replace(into / entry.path)
            (partial / MANIFEST).write_bytes(manifest.to_bytes())
            (partial / MANIFEST).replace(into / MANIFEST)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    except OSError as error:
        raise OutsideError(f"cannot write {into}: {error.strerror or error}") from error
    return manifest


def _only_these(into: Path, manifest: Manifest) -> None:
    """Clear what an interrupted download left; refuse a folder with anything else in it."""
    ours = {into / entry.path: entry.digest for entry in manifest.files}
    for partial in into.glob(f"{_PARTIAL}*"):
        shutil.rmtree(partial)
    for path in into.rglob("*"):
        if path.is_symlink() or (path.is_file() and ours.get(path) != digests.of_file(path)):
            raise InputError(f"{into} holds {path.name}, which is no part of the download; choose an empty folder")


def _already_there(into: Path, digest: str) -> Manifest:
    try:
        return digests.verify(into, digest)
    except IntegrityError as error:
        raise InputError(f"{into} holds something else than {digest}; remove it or choose another folder") from error


def _fetch_file(store: Store, entry: FileEntry, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    for attempt in range(ATTEMPTS):
        try:
            with path.open("wb") as file:
                _read_verified(store, entry, file.write)
            return
        except BrokenStreamError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, not a secret


def _read_verified(store: Store, entry: FileEntry, keep: Callable[[bytes], object]) -> None:
    """Read one file to its end, or to the first byte too many, and compare its digest."""
    sha256, size = hashlib.sha256(), 0
    with store.open(entry.path) as reader:
        while size <= entry.size and (piece := reader.read(PIECE)):
            size += len(piece)
            sha256.update(piece)
            keep(piece)
    found = f"sha256:{sha256.hexdigest()}"
    if size > entry.size:
        found = f"more than the expected {entry.size} bytes"
    if found != entry.digest:
        raise IntegrityError(f"{store.uri}/{entry.path}", expected=entry.digest, found=found)


def _manifest_of(folder: Path) -> bytes:
    try:
        return (folder / MANIFEST).read_bytes()
    except OSError as error:
        raise InputError(f"{folder} has no {MANIFEST}; it is not a sealed folder") from error


def _read_manifest(store: Store, digest: str) -> Manifest:
    try:
        with store.open(MANIFEST) as reader:
            data = reader.read(LARGEST_MANIFEST)
    except NotFoundError as error:
        raise NotFoundError(f"{store.uri} holds no artifact (no {MANIFEST}); push it, or correct the URI") from error
    found = digests.of_bytes(data)
    if found != digest:
        raise IntegrityError(f"{store.uri}/{MANIFEST}", expected=digest, found=found)
    return Manifest.from_bytes(data)


def _each(work: Callable[[FileEntry], object], entries: Sequence[FileEntry]) -> None:
    """Do some work for every file, several at a time; the first failure stops what has not begun."""
    with ThreadPoolExecutor(PARALLEL, thread_name_prefix="artifacts") as pool:
        futures = [pool.submit(work, entry) for entry in entries]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
