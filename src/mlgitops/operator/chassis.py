"""kopf's part: the life of the process, login, and a second watch that checks ours.

kopf decides nothing here. Its handlers see raw events only, so it writes no annotation
and no finalizer; reconciling is ours (``runtime``), because a handler that is told
*what happened* is wrong whenever it missed something. When kopf ends (a watch answered
404 still does that), the process ends and is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import logging
import os
import signal
from collections.abc import Iterator
from typing import Any

import kopf

from mlgitops import kube
from mlgitops.operator.kinds import MODEL_DEPLOYMENTS, MODEL_OVERRIDES, MODEL_STAGES, REGISTRY_SOURCES
from mlgitops.operator.options import Options

logger = logging.getLogger(__name__)

# What people touch; a second watch of everything would double the API server's work.
CHECKED = (REGISTRY_SOURCES, MODEL_DEPLOYMENTS, MODEL_OVERRIDES, MODEL_STAGES)


class _Endless:
    """Waits between kopf's tries, without an end: an API server may be away for an hour."""

    def __iter__(self) -> Iterator[float]:
        yield from (0.2, 0.5, 1, 2, 3, 5)
        while True:
            yield 5


class _NoDiffBase(kopf.DiffBaseStorage):
    """Keeps nothing: without change handlers kopf never needs to know what was before."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence, which costs nothing to copy."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps nothing: raw-event handlers have no progress."""

    def fetch(self, **_: Any) -> Any:
        """Return nothing."""
        return None

    def store(self, **_: Any) -> None:
        """Keep nothing."""

    def purge(self, **_: Any) -> None:
        """Keep nothing."""

    def touch(self, **_: Any) -> None:
        """Keep nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence as it is."""
        return copy.copy(essence)


def register(registry: kopf.OperatorRegistry) -> None:
    """Register the handlers; ``memo.options`` overrides the environment's."""
    kopf.on.startup(registry=registry)(_start)
    kopf.on.cleanup(registry=registry)(_stop)
    kopf.on.login(registry=registry)(_login)
    for resource in CHECKED:
        kopf.on.event(resource.group, resource.version, resource.plural, registry=registry, id=resource.plural)(_heard)


async def _start(settings: kopf.OperatorSettings, memo: Any, **_: Any) -> None:
    # Imported late: the controllers are most of the program, and this module is what `kopf run` imports first.
    from mlgitops.operator.app import App
    from mlgitops.operator.controllers import controllers

    settings.peering.standalone = True
    settings.persistence.diffbase_storage = _NoDiffBase()
    settings.persistence.progress_storage = _NoProgress()
    settings.networking.error_backoffs = _Endless()
    settings.posting.enabled = False
    memo.app = App(_options(memo), controllers())
    memo.running = asyncio.create_task(memo.app.run(), name="mlgitops")
    memo.running.add_done_callback(lambda task: _ended(task, memo))


def _ended(task: asyncio.Task[None], memo: Any) -> None:
    """End the process when our own part ended by itself; whoever runs us starts it again."""
    if not task.cancelled() and task.exception():
        memo.failed = True
        logger.error("the operator stops: %s", task.exception(), exc_info=task.exception())
        os.kill(os.getpid(), signal.SIGTERM)


async def _stop(memo: Any, **_: Any) -> None:
    memo.running.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await memo.running


async def _login(memo: Any, **_: Any) -> kopf.ConnectionInfo:
    options = _options(memo)
    found = kube.login(options.kubeconfig, options.context)
    return kopf.ConnectionInfo(
        server=found.server,
        ca_data=found.ca,
        insecure=found.insecure,
        token=await asyncio.to_thread(found.read_token),
        certificate_data=found.certificate,
        private_key_data=found.private_key,
        default_namespace=found.namespace,
    )


async def _heard(event: Any, resource: kopf.Resource, memo: Any, **_: Any) -> None:
    known = next((kind for kind in CHECKED if kind.plural == resource.plural), None)
    if known and event["type"] != "DELETED":
        # kopf gives each object a memo of its own, which inherits from the operator's.
        memo.app.heard(known, dict(event["object"]))


def _options(memo: Any) -> Options:
    return memo.options if "options" in memo else Options.from_environment()
