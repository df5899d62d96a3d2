"""One RegistrySource: ask git, make the namespace agree, say how it went.

Git is asked once an interval. The cluster is compared whenever one of the source's
objects changes too, at most once a second: an object that somebody edited is put right.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime

from mlgitops import api
from mlgitops.api import conditions, durations
from mlgitops.errors import InvalidError
from mlgitops.kube import Key, Raw
from mlgitops.operator import kinds, statuses
from mlgitops.operator.runtime import Context, Controller, Result, Stalled
from mlgitops.operator.sources.agreement import INVENTORY, WATCHES, agree
from mlgitops.operator.sources.conditions import Verdict, judged
from mlgitops.operator.sources.watching import Heard, Remotes

# Seconds; what is asked more often than this is asked this often.
_SHORTEST_INTERVAL = 0.5
_BETWEEN_COMPARISONS = 1.0


def controller() -> Controller:
    """Return the controller of RegistrySources."""
    return Controller(
        resource=kinds.REGISTRY_SOURCES, reconcile=Sources().reconcile, watches=WATCHES, indexes=INVENTORY
    )


class Sources:
    """Reconciles RegistrySources; what it remembers it can ask for again."""

    def __init__(self) -> None:
        self._remotes = Remotes()
        self._compared_at: dict[Key, float] = {}

    async def reconcile(self, key: Key, context: Context) -> Result:
        """Bring one namespace nearer to its repository; look again after the interval."""
        raw = context.get(kinds.REGISTRY_SOURCES, key)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self._remotes.forget(key)
            self._compared_at.pop(key, None)
            return Result()
        source = _read(raw)
        suspension = source.spec.suspend
        if suspension and not _is_over(suspension.until, context.now()):
            await _say(context, raw, source, _suspended(source))
            return Result(after=_seconds_left(suspension.until, context.now()))
        failed = conditions.find(source.status.conditions, conditions.READY)
        interval = _wait(source, failed=failed is not None and failed.status == "False")
        now = asyncio.get_running_loop().time()
        if self._remotes.is_due(key, source, interval):
            heard = await self._remotes.ask(key, source, context.session)
        elif now - self._compared_at.get(key, 0.0) < _BETWEEN_COMPARISONS:
            return Result(after=_BETWEEN_COMPARISONS)
        else:
            heard = self._remotes.last(key)
        verdict = await agree(context, source, heard.checkout) if heard.checkout else None
        self._compared_at[key] = asyncio.get_running_loop().time()
        judged_source, said = _judged(source, heard, verdict)
        await _say(context, raw, judged_source, said)
        next_at = heard.asked_at + _wait(source, failed=not said.good)
        return Result(after=max(0.01, next_at - asyncio.get_running_loop().time()))


def _wait(source: api.RegistrySource, *, failed: bool) -> float:
    """Return the seconds from one question to the remote to the next."""
    again = source.spec.retry_interval if failed else None
    return max(_SHORTEST_INTERVAL, durations.seconds(again or source.spec.interval))


def _read(raw: Raw) -> api.RegistrySource:
    try:
        found = api.parse(raw)
    except InvalidError as error:
        raise Stalled(str(error), reason="Invalid") from error
    assert isinstance(found, api.RegistrySource)
    return found


def _judged(source: api.RegistrySource, heard: Heard, agreement: Verdict | None) -> tuple[api.RegistrySource, Verdict]:
    """Return the source with its revisions, and the worse of what git and the cluster said."""
    verdict = heard.failure or agreement
    assert verdict is not None, "git answers with a checkout or a failure"
    commit = heard.checkout.commit if heard.checkout else None
    status = replace(source.status, last_handled_reconcile_at=heard.request)
    if heard.remote and heard.failure:
        status = replace(status, last_attempted_revision=heard.remote.name)
    elif commit and not heard.failure:
        status = replace(status, last_attempted_revision=commit)
    if agreement and agreement.good:
        status = replace(status, last_applied_revision=commit)
    return replace(source, status=status), verdict


async def _say(context: Context, raw: Raw, source: api.RegistrySource, verdict: Verdict) -> None:
    """Write the status when it says something new, and post an Event about it."""
    decided = judged(source, verdict, context.now().isoformat(timespec="seconds").replace("+00:00", "Z"))
    await statuses.write(context, raw, decided)
    old = conditions.find(source.status.conditions, conditions.READY)
    if old is None or (old.reason, old.message) != (verdict.reason, verdict.message):
        context.event(raw, verdict.reason, verdict.message, "Normal" if verdict.good else "Warning")


def _suspended(source: api.RegistrySource) -> Verdict:
    assert source.spec.suspend is not None
    by = f" by {source.spec.suspend.by}" if source.spec.suspend.by else ""
    until = f" until {source.spec.suspend.until}" if source.spec.suspend.until else ""
    agreed = conditions.is_true(source.status.conditions, conditions.READY)
    return Verdict("Suspended", f"suspended{by}{until}: {source.spec.suspend.reason}", stalled=not agreed)


def _is_over(until: str | None, now: datetime) -> bool:
    left = _seconds_left(until, now)
    return left is not None and left <= 0


def _seconds_left(until: str | None, now: datetime) -> float | None:
    return (datetime.fromisoformat(until) - now).total_seconds() if until else None
