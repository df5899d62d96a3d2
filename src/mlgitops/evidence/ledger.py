"""The orphan branch of reserved numbers and signed statements.

Files are added and never change, so two writers never conflict over content; each push is a
fast-forward of exactly what was read. After a push that failed or was not answered, the ledger
is fetched and looked at before anything is tried again.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from mlgitops.api import names
from mlgitops.digest import canonical_json, hex_of
from mlgitops.errors import CheckFailedError, InputError, NotFoundError, OutsideError
from mlgitops.evidence.dsse import LARGEST
from mlgitops.git import Commit, Repository, settle

BRANCH = "mlgitops-ledger"
_REMOTE = f"refs/heads/{BRANCH}"
_LOCAL = "refs/mlgitops/ledger"
_NAME = re.compile(r"[0-9a-f]{16}")
# How far a number that somebody chose may lie above the highest one: one jump to the end would
# leave a model without numbers for ever.
GAP = 100


@dataclass(frozen=True, slots=True)
class Reservation:
    """A version number that belongs to one digest for ever; ``at`` is RFC 3339, UTC."""

    version: int
    digest: str
    run_id: str
    by: str
    at: str


class Ledger:
    """The ledger of one registry, read at one commit until it is fetched again."""

    def __init__(self, repository: Repository, url: str) -> None:
        self._repository = repository
        self._url = url
        self._commit: str | None = None
        self._known = False

    # --- reading

    def fetch(self) -> str | None:
        """Read the registry's ledger anew and return its commit; None when there is none yet.

        Raises:
            OutsideError: the registry cannot be read.
        """
        try:
            self._repository.fetch(self._url, f"+{_REMOTE}:{_LOCAL}")
            self._commit = self._repository.resolve(_LOCAL)
        except NotFoundError:
            with contextlib.suppress(OutsideError):  # another process may have removed it first
                self._repository.set_ref(_LOCAL, None)
            self._commit = None
        self._known = True
        return self._commit

    def last_fetched(self) -> Commit | None:
        """Return the newest commit that an earlier fetch left here: what can be said offline, and how old it is."""
        try:
            return self._repository.log(_LOCAL, limit=1)[0]
        except NotFoundError:
            return None

    @property
    def commit(self) -> str | None:
        """The commit that is being read; fetched when nothing was yet."""
        return self._commit if self._known else self.fetch()

    def reservations(self, model: str) -> dict[int, Reservation]:
        """Return a model's reserved numbers."""
        folder = f"models/{_name(model)}"
        if self.commit is None:
            return {}
        files = self._repository.tree(self.commit, folder)
        found = {}
        for path in files:
            version, _, last = path.removeprefix(f"{folder}/").partition("/")
            if last == "reserved.json" and names.is_version(version):
                found[int(version)] = _reservation(path, files[path])
        return found

    def reservation(self, model: str, version: int | str) -> Reservation | None:
        """Return who a number is reserved for, or None."""
        return self.reservations(model).get(int(_version(version)))

    def statements(self, model: str, version: int | str) -> tuple[bytes, ...]:
        """Return the envelopes about a version, unverified, in the order they came, newest first."""
        return tuple(self.named_statements(model, version).values())

    def named_statements(self, model: str, version: int | str) -> dict[str, bytes]:
        """Return the envelopes about a version by their name, unverified, newest first."""
        folder = f"models/{_name(model)}/{_version(version)}"
        if self.commit is None:
            return {}
        files = self._repository.tree(self.commit, folder)
        envelopes = {}
        for path in self._repository.arrivals(self.commit, folder):
            name = path.rpartition("/")[2].removesuffix(".dsse.json")
            if path in files and _NAME.fullmatch(name) and files.size(path) <= LARGEST:
                envelopes[name] = files[path]
        return envelopes

    # --- writing

    def reserve(
        self,
        model: str,
        digest: str,
        run_id: str,
        by: str,
        taken: Iterable[int | str] = (),
        asked: Iterable[int | str] = (),
    ) -> int:
        """Reserve the next free number for a digest, or return the one it has.

        Args:
            model: the model's name.
            digest: the package's digest.
            run_id: the run that made it; empty when unknown.
            by: who reserves.
            taken: numbers in use on the base branch.
            asked: numbers that open pull requests ask for; those more than ``GAP`` above all others do not count.

        Raises:
            CheckFailedError: the model has no number left.
            OutsideError: the registry cannot be read or written.
        """
        hex_of(digest)
        merged = max((int(number) for number in taken), default=0)
        wanted = [int(number) for number in asked]

        def look() -> int | None:
            self.fetch()
            found = [number for number, held in self.reservations(model).items() if held.digest == digest]
            return min(found, default=None)

        def attempt() -> int:
            highest = max(merged, *self.reservations(model), 0)
            number = 1 + max(highest, *(number for number in wanted if number <= highest + GAP), 0)
            if not names.is_version(str(number)):
                raise CheckFailedError(f"model {model} has no number left after {highest}; go on under another name")
            self._reserve(model, number, digest, run_id, by)
            return number

        return settle(look, attempt)

    def reserve_number(
        self, model: str, version: int | str, digest: str, run_id: str, by: str, taken: Iterable[int | str] = ()
    ) -> None:
        """Reserve one given number for a digest, as for a version that was written by hand.

        Args:
            model: the model's name.
            version: the number.
            digest: the package's digest.
            run_id: the run that made it; empty when unknown.
            by: who reserves.
            taken: numbers in use on the base branch.

        Raises:
            CheckFailedError: the number, or the digest, is reserved otherwise, or the number lies more
                than ``GAP`` above all others; the message says what is free.
            OutsideError: the registry cannot be read or written.
        """
        hex_of(digest)
        number = int(_version(version))
        merged = max((int(found) for found in taken), default=0)

        def look() -> Reservation | None:
            self.fetch()
            held = self.reservations(model)
            if number in held and held[number].digest != digest:
                raise CheckFailedError(
                    f"{model}:{number} is reserved for {held[number].digest}, not for {digest}; "
                    f"the next free number is {1 + max(held)}"
                )
            for other, found in held.items():
                if other != number and found.digest == digest:
                    raise CheckFailedError(f"{digest} is reserved as {model}:{other} already; use that number")
            highest = max(merged, *held, 0)
            if number not in held and number > highest + GAP:
                raise CheckFailedError(
                    f"{model}:{number} lies more than {GAP} above {highest}, the highest number in use; "
                    f"the next free number is {highest + 1}"
                )
            return held.get(number)

        def attempt() -> Reservation:
            return self._reserve(model, number, digest, run_id, by)

        settle(look, attempt)

    def append(self, model: str, version: int | str, envelope: bytes, name: str) -> None:
        """Add a signed statement; nothing happens when a statement of that name is there.

        Raises:
            InputError: the name is not 16 hex digits.
            OutsideError: the registry cannot be read or written.
        """
        if not _NAME.fullmatch(name):
            raise InputError(f"{name!r} is not a statement's name; expected 16 hex digits")
        path = f"models/{_name(model)}/{_version(version)}/{name}.dsse.json"

        def look() -> str | None:
            commit = self.fetch()
            return path if commit and path in self._repository.blobs(commit, path) else None

        def attempt() -> str:
            self._add({path: envelope}, f"State {name} about {model}:{version}")
            return path

        settle(look, attempt)

    # --- inside

    def _reserve(self, model: str, number: int, digest: str, run_id: str, by: str) -> Reservation:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        content = {"version": number, "digest": digest, "runId": run_id, "by": by, "at": at}
        path = f"models/{_name(model)}/{number}/reserved.json"
        self._add({path: canonical_json(content) + b"\n"}, f"Reserve {model}:{number}")
        return Reservation(number, digest, run_id, by, at)

    def _add(self, files: Mapping[str, bytes], message: str) -> None:
        commit = self._repository.commit(self._commit, files, message)
        self._repository.push(self._url, {_REMOTE: commit}, {_REMOTE: self._commit})
        self._repository.set_ref(_LOCAL, commit)
        self._commit = commit


def _reservation(path: str, data: bytes) -> Reservation:
    try:
        raw = json.loads(data)
        hex_of(raw["digest"])
        return Reservation(int(raw["version"]), raw["digest"], str(raw["runId"]), str(raw["by"]), str(raw["at"]))
    except (ValueError, KeyError, TypeError, InputError) as error:
        raise InputError(f"{path} on the branch {BRANCH} is not a reservation: {error}") from error


def _name(model: str) -> str:
    if not names.is_name(model):
        raise InputError(f"{model!r} is not a model's name")
    return model


def _version(version: int | str) -> str:
    if not names.is_version(str(version)):
        raise InputError(f"{version!r} is not a version; expected a whole number from 1")
    return str(version)
