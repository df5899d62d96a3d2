"""Signed facts about digests, and the branch that keeps them.

A statement (in-toto, in a DSSE envelope, Ed25519) says something about a digest; the ledger
is an orphan branch of the registry where reserved version numbers and statements lie, each a
file of its own that never changes.
"""

from mlgitops.evidence.dsse import open_envelope, sign
from mlgitops.evidence.keys import Key
from mlgitops.evidence.ledger import BRANCH, Ledger, Reservation
from mlgitops.evidence.statement import Statement

__all__ = ["BRANCH", "Key", "Ledger", "Reservation", "Statement", "open_envelope", "sign"]
