"""When git is asked, and what it said last: in memory only, asked again after a restart."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

from mlgitops import api
from mlgitops.api.source import RegistrySourceSpec
from mlgitops.errors import InputError, InvalidError, MlgitopsError, NotFoundError
from mlgitops.git import UnverifiedError
from mlgitops.kube import Key, Session
from mlgitops.operator.sources.access import Access, SecretError, access
from mlgitops.operator.sources.checkout import Checkout, Head, checkout, remote_head
from mlgitops.operator.sources.conditions import Verdict

T = TypeVar("T")

REQUESTED = ("mlgitops.dev/requestedAt", "reconcile.fluxcd.io/requestedAt")


@dataclass(frozen=True, slots=True)
class Heard:
    """What git said about one source.

    ``asked_at`` is in seconds of the event loop's clock; ``remote`` is the ref that was
    followed and the object that it named; ``checkout`` is the newest one that could be read, which stays in
    force while ``failure`` says why a newer one could not.
    """

    spec: RegistrySourceSpec
    asked_at: float
    request: str | None = None
    remote: Head | None = None
    checkout: Checkout | None = None
    failure: Verdict | None = None


class Remotes:
    """Asks git for sources: at most once an interval, and nothing is fetched when nothing is new."""

    def __init__(self) -> None:
        self._heard: dict[Key, Heard] = {}
        # Of their own: a remote that hangs must not take the threads that others need.
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="git")

    def forget(self, key: Key) -> None:
        """Drop what is known of a source that is gone."""
        self._heard.pop(key, None)

    def is_due(self, key: Key, source: api.RegistrySource, interval: float) -> bool:
        """Tell whether git is to be asked now: interval over, object changed, or a person asks."""
        heard = self._heard.get(key)
        return (
            heard is None
            or heard.spec != source.spec
            or heard.request != requested(source)
            or self._now() - heard.asked_at >= interval
        )

    def last(self, key: Key) -> Heard:
        """Return what was heard last of a source that is not due."""
        return self._heard[key]

    async def ask(self, key: Key, source: api.RegistrySource, session: Session) -> Heard:
        """Ask the remote, and read the commit when it is a new one."""
        spec, before = source.spec, self._heard.get(key)
        heard = Heard(spec, self._now(), requested(source))
        if before and before.spec == spec:
            heard = replace(heard, remote=before.remote, checkout=before.checkout, failure=before.failure)
        try:
            allowed = await access(source, session)
            remote = await self._run(lambda: remote_head(spec, allowed))
        except MlgitopsError as error:
            # Says nothing about a commit: whichever the ref names when it answers again is read then.
            heard = replace(heard, failure=_verdict(error), remote=None)
        else:
            if remote != heard.remote:
                heard = await self._read(replace(heard, remote=remote), remote, allowed)
        self._heard[key] = heard
        return heard

    async def _read(self, heard: Heard, head: Head, allowed: Access) -> Heard:
        """Read the commit that the remote named; what is broken in one commit stays broken."""
        try:
            found = await self._run(lambda: checkout(heard.spec, head, allowed))
            return replace(heard, checkout=found, failure=None)
        except MlgitopsError as error:
            failure = _verdict(error)
            return replace(heard, failure=failure, remote=None if failure.trying else head)

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def requested(source: api.RegistrySource) -> str | None:
    """Return the last request to look now, by whichever of the annotations asked."""
    found = [source.metadata.annotations[name] for name in REQUESTED if name in source.metadata.annotations]
    return "/".join(found)[:128] or None


def _verdict(error: MlgitopsError) -> Verdict:
    message = str(error)
    if isinstance(error, SecretError):
        return Verdict("SecretUnusable", message, stalled=True)
    if isinstance(error, UnverifiedError):
        return Verdict("VerificationFailed", message, stalled=True)
    if isinstance(error, InvalidError):
        return Verdict("InvalidObjects", message, stalled=True)
    if isinstance(error, NotFoundError):
        return Verdict("RevisionNotFound", message, stalled=True)
    if isinstance(error, InputError):
        return Verdict("InvalidSource", message, stalled=True)
    return Verdict("GitUnreachable", message, trying=True)
