"""``mlgitops gc artifacts``: packages in the store that no registry names, and their removal."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlgitops.artifacts import Store, Stored
from mlgitops.bot.named import Named
from mlgitops.digest import MANIFEST

GRACE = 30 * 86_400.0  # seconds that a package stays though nothing names it yet: uploads come before proposals
_PACKAGE = re.compile(r"(?:[^/]+/)+?sha256-([0-9a-f]{64})(?=/)")
_RECORDS = "runs/"  # of the store: `mlgitops gc runs` cleans those


@dataclass(frozen=True, slots=True)
class Package:
    """A folder of a store that is named by its digest; ``modified`` is its youngest file's time, since the epoch.

    ``sealed`` says whether its manifest is there; without it an upload broke off.
    """

    place: str
    digest: str
    files: tuple[str, ...]
    size: int
    modified: float
    sealed: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """Packages that go, and how many stay because something names them or because they are young."""

    going: tuple[Package, ...]
    named: int
    young: int


def plan(store: Store, named: Named, *, grace: float = GRACE, now: float | None = None) -> Sweep:
    """Return which packages of a store may go: those that nothing names and that are older than ``grace`` seconds.

    Raises:
        OutsideError: the store cannot be listed.
    """
    moment = time.time() if now is None else now
    going, kept, young = [], 0, 0
    for package in packages(store.entries()):
        if package.digest in named.digests:
            kept += 1
        elif moment - package.modified < grace:
            young += 1
        else:
            going.append(package)
    return Sweep(tuple(going), kept, young)


def packages(entries: Mapping[str, Stored]) -> tuple[Package, ...]:
    """Return the packages among a store's keys; what is none of ours is none."""
    found: dict[str, list[str]] = {}
    for key in entries:
        match = _PACKAGE.match(key)
        if match and not key.startswith(_RECORDS):
            found.setdefault(match.group(), []).append(key)
    return tuple(_package(place, keys, entries) for place, keys in found.items())


def remove(store: Store, going: Iterable[Package], named: Named) -> tuple[str, ...]:
    """Remove packages, each one's manifest first; return the places of those that are named or uploaded anew, and stay.

    Args:
        store: where they are.
        going: what a plan found.
        named: what registries name by now.

    Raises:
        OutsideError: the store cannot be reached, or refuses.
    """
    spared = []
    for package in going:
        now = packages(store.entries(package.place))
        if package.digest in named.digests or any(found.modified > package.modified for found in now):
            spared.append(package.place)
            continue
        # Whoever still finds the manifest finds everything else.
        store.delete(sorted(package.files, key=lambda key: not key.endswith(f"/{MANIFEST}")))
    return tuple(spared)


def _package(place: str, keys: list[str], entries: Mapping[str, Stored]) -> Package:
    return Package(
        place=place,
        digest=place.rpartition("-")[2],
        files=tuple(keys),
        size=sum(entries[key].size for key in keys),
        modified=max(entries[key].modified for key in keys),
        sealed=f"{place}/{MANIFEST}" in entries,
    )
