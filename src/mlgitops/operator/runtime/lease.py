"""Which of several operators works: the one that holds a Lease.

As client-go does it: the holder renews; another takes over when the record has not
changed for its duration by the *observer's* own clock, so that clocks need not agree.
"""

# ruff: noqa: N818 - named by what happened

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from mlgitops import kube
from mlgitops.errors import OutsideError

logger = logging.getLogger(__name__)


class LeaseLost(OutsideError):
    """Another instance holds the lease, or it could not be renewed in time; the process should end."""


class Lease:
    """A ``coordination.k8s.io`` Lease that one instance holds at a time.

    Args:
        session: the connection.
        name: the Lease's name.
        namespace: its namespace.
        identity: who we are; unique to this process.
        duration: seconds after which others may take it when it is not renewed.
        period: seconds between two tries to take or renew it.
        time: a monotonic clock in seconds; the event loop's when None.
    """

    def __init__(
        self,
        session: kube.Session,
        name: str,
        namespace: str,
        identity: str,
        *,
        duration: float = 15.0,
        period: float = 3.0,
        time: Callable[[], float] | None = None,
    ) -> None:
        self._session = session
        self._name = name
        self._namespace = namespace
        self._identity = identity
        self._duration = duration
        self._period = period
        self._time = time or asyncio.get_running_loop().time
        self._seen: tuple[Any, Any] | None = None
        self._seen_at = 0.0

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        while not await self._try():  # noqa: ASYNC110 - what is waited for happens on another machine
            await asyncio.sleep(self._period)
        logger.info("holding lease %s/%s as %s", self._namespace, self._name, self._identity)

    async def keep(self) -> None:
        """Renew until cancelled.

        Raises:
            LeaseLost: it is no longer ours.
        """
        renewed = self._time()
        while True:
            await asyncio.sleep(self._period)
            if await self._try():
                renewed = self._time()
            elif self._time() - renewed > self._duration - self._period or self._held_by_another():
                raise LeaseLost(f"lease {self._namespace}/{self._name} is no longer held by {self._identity}")

    async def release(self) -> None:
        """Let the next instance take it at once, when it is ours."""
        raw = await self._session.get(kube.LEASES, self._name, self._namespace)
        if raw["spec"].get("holderIdentity") == self._identity:
            raw["spec"]["holderIdentity"] = ""
            await self._session.update(raw)

    async def _try(self) -> bool:
        """Take or renew it; False when another holds it or the API server does not answer."""
        try:
            raw = await self._session.get(kube.LEASES, self._name, self._namespace)
        except kube.NotFound:
            return await self._write(None)
        except kube.KubeError as error:
            logger.warning("%s", error)
            return False
        spec = raw.get("spec") or {}
        record = (spec.get("holderIdentity"), spec.get("renewTime"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._time()
        holder = record[0]
        expired = self._time() - self._seen_at > float(spec.get("leaseDurationSeconds") or self._duration)
        return await self._write(raw) if not holder or holder == self._identity or expired else False

    def _held_by_another(self) -> bool:
        return self._seen is not None and self._seen[0] not in (None, "", self._identity)

    async def _write(self, raw: kube.Raw | None) -> bool:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        old = (raw or {}).get("spec") or {}
        ours = old.get("holderIdentity") == self._identity
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._duration)),
            "renewTime": now,
            "acquireTime": old.get("acquireTime") if ours else now,
            "leaseTransitions": int(old.get("leaseTransitions") or 0) + (0 if ours or not raw else 1),
        }
        try:
            if raw is None:
                metadata = {"name": self._name, "namespace": self._namespace}
                raw = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
                raw = await self._session.create(raw)
            else:
                raw = await self._session.update({**raw, "spec": spec})
        except kube.KubeError as error:
            logger.debug("%s", error)
            return False
        self._seen, self._seen_at = (raw["spec"]["holderIdentity"], raw["spec"]["renewTime"]), self._time()
        return True
