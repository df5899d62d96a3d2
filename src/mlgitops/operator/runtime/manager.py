"""Runs controllers: caches, queue and workers, from start to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from typing import TypeAlias

from mlgitops import kube
from mlgitops.errors import OutsideError
from mlgitops.kube import Change, Key, Raw, Resource, Session
from mlgitops.operator.runtime import clock
from mlgitops.operator.runtime.caches import Caches
from mlgitops.operator.runtime.controller import Context, Controller, Recorder, Watch
from mlgitops.operator.runtime.lease import Lease
from mlgitops.operator.runtime.outcomes import Stalled, Waiting
from mlgitops.operator.runtime.queue import Queue
from mlgitops.operator.runtime.schedule import Priority

logger = logging.getLogger(__name__)

Item: TypeAlias = tuple[int, Key]

# How long our own watch may lag behind another watch of the same kind.
_PATIENCE = 10.0


def _log_event(raw: Raw, type_: str, reason: str, message: str) -> None:
    logger.info("%s: %s %s: %s: %s", type_, raw.get("kind"), "/".join(kube.key_of(raw)), reason, message)


class Manager:
    """Keeps the caches of some controllers and reconciles their keys until it is stopped.

    Args:
        session: the connection for reads and writes.
        controllers: what to reconcile.
        field_manager: the owner of what ``Context.apply`` writes.
        managers: further field managers whose ownership the caches keep.
        selectors: label selectors of resources of which only some objects matter.
        namespace: one namespace, or None for all.
        workers: so many keys are worked on at once.
        lease: work only while holding it; the caches are kept always.
        record: posts a Kubernetes Event.
        now: the clock that decisions see.
        silence: seconds without any byte until a watch is judged dead.
    """

    def __init__(
        self,
        session: Session,
        controllers: Sequence[Controller],
        *,
        field_manager: str,
        managers: Collection[str] = (),
        selectors: Mapping[Resource, str] | None = None,
        namespace: str | None = None,
        workers: int = 16,
        lease: Lease | None = None,
        record: Recorder = _log_event,
        now: clock.Clock = clock.system,
        silence: float = 90.0,
    ) -> None:
        self.caches = Caches(
            session, namespace=namespace, managers={field_manager, *managers}, selectors=selectors, silence=silence
        )
        self.queue: Queue[Item] = Queue()
        self._session = session
        self._controllers = tuple(controllers)
        self._field_manager = field_manager
        self._workers = workers
        self._lease = lease
        self._record = record
        self._now = now
        self._settling: set[asyncio.Task[None]] = set()
        self._checks: set[Resource] = set()
        for number, controller in enumerate(self._controllers):
            self._declare(number, controller)

    def _declare(self, number: int, controller: Controller) -> None:
        for index in controller.indexes:
            self.caches.add_index(index)
        for resource in controller.resources:
            self.caches.add(resource)
        self.caches.add(controller.resource).subscribe(lambda change: self._own_change(number, change))
        for watch in controller.watches:
            self.caches.add(watch.resource).subscribe(self._related(number, watch))

    @property
    def ready(self) -> bool:
        """True when every cache has had its first list."""
        return self.caches.synced

    async def run(self) -> None:
        """Reconcile until cancelled.

        Raises:
            LeaseLost: another instance took the lease; the process should end.
        """
        try:
            await self.caches.start()
            async with asyncio.TaskGroup() as tasks:
                if self._lease:
                    await self._lease.acquire()
                    tasks.create_task(self._lease.keep())
                for _ in range(self._workers):
                    tasks.create_task(self._work())
        finally:
            for task in self._settling:
                task.cancel()
            await self.caches.stop()

    def heard(self, resource: Resource, raw: Raw) -> None:
        """Tell of an object that another watch has seen; if ours stays behind, it is listed again."""
        reflector = self.caches.reflector(resource)
        if not reflector or not reflector.synced or reflector.reached(kube.version_of(raw)) or resource in self._checks:
            return
        self._checks.add(resource)
        self._background(self._check(resource, kube.version_of(raw)))

    async def _check(self, resource: Resource, version: str) -> None:
        reflector = self.caches.add(resource)
        try:
            async with asyncio.timeout(_PATIENCE):
                await reflector.wait_reached(version)
        except TimeoutError:
            logger.warning("our watch of %s missed version %s; listing again", resource.plural, version)
            reflector.relist()
        finally:
            self._checks.discard(resource)

    def _own_change(self, number: int, change: Change) -> None:
        self.queue.add((number, change.key), _urgency(change, synced=self.caches.add(change.resource).synced))

    def _related(self, number: int, watch: Watch) -> Callable[[Change], None]:
        def changed(change: Change) -> None:
            synced = self.caches.add(change.resource).synced
            for raw in (change.old, change.new):
                for key in watch.keys(raw, self.caches) if raw else ():
                    self.queue.add((number, key), watch.priority if synced else Priority.INITIAL)

        return changed

    async def _work(self) -> None:
        while True:
            item = await self.queue.take()
            context = Context(self._session, self.caches, self._now, self._field_manager, self._record)
            try:
                await self._reconcile(item, context)
            finally:
                self._background(self._give_back(item, context))

    async def _give_back(self, item: Item, context: Context) -> None:
        try:
            await context.writes.settle()
        finally:
            self.queue.done(item)

    async def _reconcile(self, item: Item, context: Context) -> None:
        number, key = item
        controller = self._controllers[number]
        what = controller.resource.label(*key)
        try:
            result = await controller.reconcile(key, context)
        except Stalled as error:
            logger.info("%s stalled, %s: %s", what, error.reason, error)
        except Waiting as error:
            logger.debug("%s waits, %s: %s", what, error.reason, error)
            self.queue.add(item, Priority.RETRY, after=error.after)
        except kube.Conflict as error:
            # Somebody wrote between our read and our write; the watch brings the new state in a moment.
            logger.debug("%s: %s; reading again", what, error)
            self.queue.add(item, Priority.RETRY, after=0.02)
        except kube.TooManyRequests as error:
            self.queue.add(item, Priority.RETRY, after=error.retry_after)
        except Exception as error:  # one key's failure must not end the others' work
            expected = isinstance(error, OutsideError)
            wait = self.queue.retry(item)
            logger.warning("%s: %s; trying again in %.1f s", what, error, wait, exc_info=not expected)
        else:
            self.queue.forget(item)
            if result.after is not None:
                self.queue.add(item, Priority.RETRY, after=result.after)

    def _background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._settling.add(task)
        task.add_done_callback(self._settling.discard)


def _urgency(change: Change, *, synced: bool) -> Priority:
    """A person changes spec or annotations; the rest is the echo of status and controllers."""
    if not synced:
        return Priority.INITIAL
    if change.old is None or change.new is None:
        return Priority.PERSON
    old, new = change.old["metadata"], change.new["metadata"]
    same = old.get("generation") == new.get("generation") and old.get("annotations") == new.get("annotations")
    return Priority.CHILD if same else Priority.PERSON
