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
    namespaces = [options.namespace] if options.namespace else []
    try:
        asyncio.run(kopf.operator(clusterwide=not namespaces, namespaces=namespaces, standalone=True, memo=memo))
    except Exception as error:
        logger.error("kopf ended: %s", error, exc_info=True)
        return 3
    return 3 if memo.get("failed") else 0


if __name__ == "__main__":
    sys.exit(main())
