"""What a container asks for and may use: refused here when the API server would refuse every pod of it.

CEL's standard functions cannot compare quantities, so these rules stand beside the schema.
See https://github.com/kubernetes/kubernetes/blob/master/pkg/apis/core/validation/validation.go
(validateResourceRequirements).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from mlgitops.api.pods import Resources
from mlgitops.registry.documents import Path
from mlgitops.registry.structure import Finding

_QUANTITY: Final = re.compile(r"\+?([0-9]*\.?[0-9]*)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?")
_STANDARD: Final = ("cpu", "memory", "ephemeral-storage")
_PAGES: Final = "hugepages-"
_DECIMAL: Final = ("n", "u", "m", "", "k", "M", "G", "T", "P", "E")
_SCALE: Final[Mapping[str, Decimal]] = {
    **{unit: Decimal(1000) ** power for power, unit in enumerate(_DECIMAL, -3)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


def quantity(value: int | str) -> Decimal:
    """Return a sound quantity, such as ``250m`` or ``1Gi``, as a number of cores or bytes."""
    found = _QUANTITY.fullmatch(str(value))
    assert found, value
    number, unit = Decimal(found[1] or 0), found[2] or ""
    if unit[:1] in ("e", "E") and unit not in _SCALE:
        return number.scaleb(int(unit[1:]))
    return number * _SCALE[unit]


def impossible(resources: Resources) -> Iterator[Finding]:
    """Yield what the API server refuses in the resources of a container, with paths below them."""
    for part, asked in (("requests", resources.requests), ("limits", resources.limits)):
        for name, value in asked.items():
            path = (part, name)
            if not (name in _STANDARD or name.startswith(_PAGES) or "/" in name):
                yield path, f"is no resource; known: {', '.join(_STANDARD)}, or a device such as nvidia.com/gpu"
            elif not _is_divisible(name) and quantity(value) != quantity(value).to_integral_value():
                yield path, f"must be a whole number, not {value}"
    for name, value in resources.requests.items():
        yield from _beyond(name, value, resources.limits.get(name))


def _beyond(name: str, request: int | str, limit: int | str | None) -> Iterator[Finding]:
    path: Path = ("requests", name)
    if limit is None:
        if not _is_divisible(name):
            yield path, f"needs the same number below limits: {name} is never shared"
    elif not _is_divisible(name) and quantity(request) != quantity(limit):
        yield path, f"must equal the limit, which is {limit}: {name} is never shared"
    elif quantity(request) > quantity(limit):
        yield path, f"must be at most the limit, which is {limit}, not {request}"


def _is_divisible(name: str) -> bool:
    """Tell whether containers may share a resource: not devices, not huge pages."""
    return not name.startswith(_PAGES) and ("/" not in name or "kubernetes.io/" in name)
