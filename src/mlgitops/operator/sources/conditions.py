"""What a RegistrySource's status says; pure."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mlgitops import api
from mlgitops.api.conditions import READY, RECONCILING, STALLED, make, replaced

# A status is read by people; a thousand broken files need not all stand in it.
_MESSAGE_LENGTH = 4000


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a synchronisation ended; ``kind`` is True for Ready, else Stalled or Reconciling.

    Stalled: nothing changes until git, the object or the cluster does. Reconciling: it is
    tried again and may work the next time.
    """

    reason: str
    message: str
    stalled: bool = False
    trying: bool = False

    @property
    def good(self) -> bool:
        """True when the cluster agrees with git."""
        return not self.stalled and not self.trying


def judged(source: api.RegistrySource, verdict: Verdict, now: str) -> api.RegistrySource:
    """Return the source with the conditions of a verdict; times change only with a condition's status."""
    generation = source.metadata.generation
    message = verdict.message if len(verdict.message) <= _MESSAGE_LENGTH else verdict.message[:_MESSAGE_LENGTH] + " …"
    wanted = [make(READY, verdict.good, verdict.reason, message, generation=generation)]
    for kind, holds in ((STALLED, verdict.stalled), (RECONCILING, verdict.trying)):
        if holds:
            wanted.append(make(kind, True, verdict.reason, message, generation=generation))
    conditions = replaced(source.status.conditions, wanted, now)
    return replace(source, status=replace(source.status, observed_generation=generation, conditions=conditions))
