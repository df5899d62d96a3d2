"""What the API server would refuse in the objects that a deployment becomes, and no schema of ours can say.

Its pods, selectors, autoscaler and NetworkPolicy are judged by rules of Kubernetes' own,
which compare quantities and addresses or take a label's name apart. Here they are judged
before the merge. See https://github.com/kubernetes/kubernetes/tree/master/pkg/apis for each kind's validation.go.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from mlgitops.registry.documents import Path
from mlgitops.registry.resources import quantity
from mlgitops.registry.structure import Finding

_LABELS: Final = ("matchLabels", "nodeSelector", "labels")
_LABEL: Final = re.compile(r"(?:(?P<prefix>[^/]*)/)?([A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def impossible(value: Any, path: Path = ()) -> Iterator[Finding]:
    """Yield what would be refused of the children of a deployment with a sound spec, each with its path."""
    items = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        place = (*path, key)
        if item is None:
            continue
        if key in _LABELS and isinstance(item, Mapping):
            yield from _labels(item, place)
        elif key == "parentRefs" and isinstance(item, list):
            yield from _gateways(item, place)
        elif key == "ipBlock" and isinstance(item, Mapping):
            yield from _addresses(item, place)
        elif key in ("value", "averageValue") and path[-3:-2] == ("metrics",) and not quantity(item):
            yield place, "must be more than 0"
        elif key == "metric" and isinstance(item, str) and "/" in item:
            yield place, f"must be a name without a slash, not {item}"
        else:
            yield from impossible(item, place)


def _labels(labels: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    for name in labels:
        if not _is_label(name):
            yield (*path, name), "is no name of a label, such as team or example.com/team"


def _is_label(name: str) -> bool:
    found = _LABEL.fullmatch(name)
    prefix = found["prefix"] if found else None
    return found is not None and (prefix is None or (len(prefix) <= 253 and _SUBDOMAIN.fullmatch(prefix) is not None))


def _gateways(parents: list[Any], path: Path) -> Iterator[Finding]:
    """Yield a Gateway that stands twice, unless each time with another listener."""
    seen: dict[tuple[Any, Any], list[Any]] = {}
    for number, parent in enumerate(parents):
        listeners = seen.setdefault((parent["name"], parent.get("namespace")), [])
        listener = parent.get("sectionName")
        if listeners and (listener is None or None in listeners or listener in listeners):
            yield (*path, number), "names a Gateway again; give each its own sectionName, or remove one"
        listeners.append(listener)


def _addresses(block: Mapping[str, Any], path: Path) -> Iterator[Finding]:
    whole = _network(block["cidr"])
    if whole is None:
        example = "such as 10.0.0.0/8 or 2001:db8::/32, with nothing after its prefix"
        yield (*path, "cidr"), f"{block['cidr']} is no block of addresses, {example}"
        return
    for number, text in enumerate(block.get("except") or ()):
        part = _network(text)
        if part is None or part.version != whole.version or not part.subnet_of(whole) or part == whole:  # type: ignore[arg-type]
            yield (*path, "except", number), f"{text} must be a block of addresses within {block['cidr']} and smaller"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        return None
