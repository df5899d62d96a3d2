"""The operator from start to stop, without kopf: session, caches, workers, probes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import Sequence

from mlgitops import kube
from mlgitops.operator import probes
from mlgitops.operator.events import Events
from mlgitops.operator.options import Options
from mlgitops.operator.runtime import Controller, Lease, Manager
from mlgitops.operator.sources import agreement
from mlgitops.plan import labels

logger = logging.getLogger(__name__)

# A cluster has many pods that are none of ours.
SELECTORS = {kube.PODS: labels.DEPLOYMENT}


class App:
    """One operator in one event loop; ``run`` until cancelled.

    Args:
        options: what the command line says.
        controllers: what to reconcile.
    """

    def __init__(self, options: Options, controllers: Sequence[Controller]) -> None:
        self._options = options
        self._controllers = controllers
        self._manager: Manager | None = None
        self._failed = False

    @property
    def alive(self) -> bool:
        """True until the workers have ended by themselves."""
        return not self._failed

    @property
    def ready(self) -> bool:
        """True when every cache has had its first list."""
        return self._manager is not None and self._manager.ready

    def heard(self, resource: kube.Resource, raw: kube.Raw) -> None:
        """Tell of an object that another watch has seen, which checks our own watch."""
        if self._manager:
            self._manager.heard(resource, raw)

    async def run(self) -> None:
        """Reconcile until cancelled; any other end is an error.

        Raises:
            OutsideError: the lease was lost.
        """
        options = self._options
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(
                probes.serving(options.probes_port, alive=lambda: self.alive, ready=lambda: self.ready)
            )
            session = await stack.enter_async_context(
                kube.Session(kube.login(options.kubeconfig, options.context), user_agent="mlgitops-operator")
            )
            lease = self._lease(session)
            if lease:
                stack.push_async_callback(_released, lease)
            events = await stack.enter_async_context(Events(session))
            self._manager = Manager(
                session,
                self._controllers,
                field_manager=labels.FIELD_MANAGER,
                managers=[agreement.FIELD_MANAGER],
                selectors=SELECTORS,
                namespace=options.namespace,
                workers=options.workers,
                lease=lease,
                record=events.record,
            )
            try:
                await self._manager.run()
            except Exception:
                self._failed = True
                raise

    def _lease(self, session: kube.Session) -> Lease | None:
        if not self._options.lease:
            return None
        identity = f"{socket.gethostname()}_{os.getpid()}_{secrets.token_hex(4)}"
        return Lease(session, self._options.lease, self._options.lease_namespace, identity)


async def _released(lease: Lease) -> None:
    """Let the next instance start at once; when that fails it starts after the lease's duration."""
    with contextlib.suppress(kube.KubeError):
        async with asyncio.timeout(2):
            await lease.release()
