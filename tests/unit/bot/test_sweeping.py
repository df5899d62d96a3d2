"""Packages that nothing names, in a folder and in a real S3 server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from mlgitops import artifacts, digest
from mlgitops.artifacts import Store, open_store
from mlgitops.bot import sweeping
from mlgitops.bot.named import Named
from servers.s3 import S3, s3, s3_server

__all__ = ["s3", "s3_server"]
NOTHING = Named(frozenset(), frozenset())
DAY = 86_400.0


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return open_store(f"{server.uri}/models")
    return open_store((tmp_path / "store").as_uri())


def package(store: Store, tmp_path: Path, content: str, name: str = "iris") -> str:
    """Upload a package and return its digest as hex."""
    folder = tmp_path / f"package-{content}"
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "weights").write_text(content)
    sealed = digest.seal(folder)
    artifacts.upload(folder, store.uri, name)
    return digest.hex_of(sealed.digest)


def later(days: float) -> float:
    return time.time() + days * DAY


def test_only_what_nothing_names_and_what_is_old_goes(store: Store, tmp_path: Path) -> None:
    kept, going = package(store, tmp_path, "kept"), package(store, tmp_path, "going", "flowers/iris")
    store.put("runs/01ARZ3NDEKTSV4RRFFQ69G5FAV/sha256-" + "a" * 64 + "/run.json", b"{}")
    store.put("notes.txt", b"not ours")
    named = Named(frozenset({kept}), frozenset())
    found = sweeping.plan(store, named, now=later(31))
    assert [(one.place, one.sealed, found.named) for one in found.going] == [
        (f"flowers/iris/sha256-{going}", True, 1),
    ]
    assert sweeping.plan(store, named, now=later(29)).going == ()
    assert sweeping.plan(store, named, now=later(29)).young == 1
    assert sweeping.remove(store, found.going, named) == ()
    assert artifacts.check(f"{store.uri}/iris/sha256-{kept}", f"sha256:{kept}", deep=True)
    assert {key.split("/")[0] for key in store.list()} == {"iris", "notes.txt", "runs"}


def test_an_upload_that_broke_off_goes_too(store: Store, tmp_path: Path) -> None:
    place = f"iris/sha256-{'b' * 64}"
    store.put(f"{place}/model.skops", b"half")
    (found,) = sweeping.plan(store, NOTHING, now=later(31)).going
    assert (found.place, found.sealed, found.size) == (place, False, 4)


def test_what_is_uploaded_or_named_after_the_plan_stays(store: Store, tmp_path: Path) -> None:
    first, second = package(store, tmp_path, "first"), package(store, tmp_path, "second")
    found = sweeping.plan(store, NOTHING, now=later(31))
    old = [one for one in found.going if one.digest == second]
    time_told_in_seconds = max(one.modified for one in found.going)
    while time.time() < time_told_in_seconds + 1.1:  # S3's clock has whole seconds
        package(store, tmp_path, "second")
    named = Named(frozenset({first}), frozenset())
    assert sorted(sweeping.remove(store, found.going, named)) == sorted(one.place for one in found.going)
    assert artifacts.check(f"{store.uri}/{old[0].place}", f"sha256:{second}", deep=True)
