"""``mlgitops reserve``: a number in the ledger for a version that was written by hand."""

from __future__ import annotations

from mlgitops.bot.context import Context, actor


def reserve(context: Context, model: str, version: str, digest: str) -> None:
    """Reserve a number for a digest.

    Raises:
        CheckFailedError: the number or the digest is reserved otherwise, or the number lies too far
            above all others; the message says what is free.
    """
    taken = [found.spec.version for found in context.tree.versions(model)]
    context.ledger.reserve_number(model, version, digest, "", actor(), taken)
