"""Which extra brings a module that is not installed, as the package's own metadata says."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires

from packaging.requirements import Requirement

# Distributions that are not called as their module is.
_DISTRIBUTIONS = {"sklearn": "scikit-learn"}


def extra_of(module: str) -> str | None:
    """Return an extra that asks for a module's distribution, the smallest first; None when no extra does."""
    top = module.split(".")[0]
    wanted = _plain(_DISTRIBUTIONS.get(top, top))
    try:
        stated = [Requirement(text) for text in requires("mlgitops") or ()]
    except PackageNotFoundError:
        return None
    markers = [str(one.marker or "") for one in stated if _plain(one.name) == wanted]
    found = [match[1] for marker in markers if (match := re.search(r"extra == ['\"]([a-z0-9-]+)['\"]", marker))]
    return min(found, key=lambda extra: (extra == "all", extra), default=None)


def _plain(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
