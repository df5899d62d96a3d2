"""The one way to write by compare-and-swap: look, try, and look again before another try."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from mlgitops.errors import ConflictError, OutsideError, RefusedError

T = TypeVar("T")

ATTEMPTS = 20  # lost races; each means that somebody else got through
UNANSWERED = 3  # pushes that failed or were not answered


def settle(look: Callable[[], T | None], attempt: Callable[[], T]) -> T:
    """Return what ``look`` finds at the remote, or what ``attempt`` puts there.

    A push that was not answered may have been done, so nothing is ever tried again before
    ``look`` has fetched and found nothing.

    Args:
        look: fetches, and returns what is there or None.
        attempt: pushes with a lease on what ``look`` fetched.

    Raises:
        ConflictError: every attempt came second.
        RefusedError: the remote said no.
        OutsideError: the remote cannot be read, or keeps failing.
    """
    unanswered = 0
    last: OutsideError = ConflictError("nothing was tried")
    for number in range(ATTEMPTS):
        found = look()
        if found is not None:
            return found
        try:
            return attempt()
        except ConflictError as error:
            last = error
            time.sleep(random.uniform(0, 0.02 * (number + 1)))  # noqa: S311 - rivals need to drift apart, no secret
        except RefusedError:
            raise  # a clear no stays one
        except OutsideError as error:
            last = error
            unanswered += 1
            if unanswered == UNANSWERED:
                break
    found = look()
    if found is None:
        raise last
    return found
