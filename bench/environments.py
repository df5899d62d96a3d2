"""Environments of the peers: pinned and hashed in ``peers/<name>.txt``, made in the cache when first needed."""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "tools"))

import isolated  # noqa: E402 - a tool, and no package


def python(peer: str) -> Path:
    """Return the Python of a peer's environment; install the environment when the cache does not have it."""
    return isolated.python(HERE / "peers" / f"{peer}.txt", "peers")
