"""``python -m mlgitops.operator``: run until a signal; exit 3 when it ended by itself."""

from __future__ import annotations

import asyncio
import logging
import os
import sys

import kopf

from mlgitops.errors import MlgitopsError
from mlgitops.operator.options import Options

logger = logging.getLogger("mlgitops.operator")

_FAREWELL = 15.0  # seconds; kopf itself waits 5 for what it started, and we 2 for the lease


def main() -> int:
    """Run the operator and return its exit code: 0 after a signal, 2 wrong options, 3 start me again."""
    try:
        options = Options.from_command_line(sys.argv[1:])
        logging.basicConfig(level=options.log_level.upper(), format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    except (MlgitopsError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    # kopf tells every step of its own life; what it warns of is enough.
    logging.getLogger("kopf").setLevel(max(logging.WARNING, logging.getLogger().level))
    # kopf asks for the user's name, and fails where a container's user id has none.
    os.environ.setdefault("USER", "mlgitops")
    memo = kopf.Memo(options=options)
    try:
        asyncio.run(_run(options, memo))
    except Exception as error:
        logger.error("kopf ended: %s", error, exc_info=True)
        return 3
    return 3 if memo.get("failed") else 0


async def _run(options: Options, memo: kopf.Memo) -> None:
    """Run kopf until it ends, and wait only so long for its farewell: a watch that logs in anew may hold it."""
    namespaces = [options.namespace] if options.namespace else []
    ours = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(clusterwide=not namespaces, namespaces=namespaces, standalone=True, memo=memo)
    ending = asyncio.create_task(kopf.run_tasks(tasks, ignored=ours))
    await asyncio.wait({ending, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    await asyncio.wait({ending}, timeout=_FAREWELL)
    if not ending.done():
        logger.error("kopf has not ended within %.0f s; the process ends without it", _FAREWELL)
        logging.shutdown()
        os._exit(3)
    ending.result()


if __name__ == "__main__":
    sys.exit(main())
