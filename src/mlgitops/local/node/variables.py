"""A container's environment, as Kubernetes makes it."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Any

from mlgitops.errors import InputError, NotFoundError
from mlgitops.kube import NotFound

Raw = dict[str, Any]
# Reads a ConfigMap's or Secret's data as text, by kind and name.
Reader = Callable[[str, str], Awaitable[Mapping[str, str]]]

_REFERENCE = re.compile(r"\$(?:\$|\((?P<name>[-._A-Za-z0-9]+)\))")
_INDEXED = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_SUFFIXES = {name: Decimal(10) ** power for name, power in _DECIMAL.items()} | {
    name: Decimal(2) ** power for name, power in _BINARY.items()
}
_QUANTITY = re.compile(r"([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)([A-Za-z]*)")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` by a variable; an unknown one stays as it is, ``$$(NAME)`` becomes ``$(NAME)``.

    https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/
    """

    def value(found: re.Match[str]) -> str:
        name = found["name"]
        return "$" if name is None else variables.get(name, found.group())

    return _REFERENCE.sub(value, text)


def field_of(pod: Raw, path: str) -> str:
    """Return a field of a pod as the downward API gives it.

    Raises:
        InputError: the downward API has no such field.
    """
    metadata, spec, status = pod["metadata"], pod["spec"], pod.get("status", {})
    indexed = _INDEXED.fullmatch(path)
    if indexed:
        return str((metadata.get(indexed[1]) or {}).get(indexed[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        pairs = (metadata.get(path.partition(".")[2]) or {}).items()
        return "\n".join(f'{name}="{value}"' for name, value in sorted(pairs))
    found = {
        "metadata.name": metadata["name"],
        "metadata.namespace": metadata.get("namespace", ""),
        "metadata.uid": metadata["uid"],
        "spec.nodeName": spec.get("nodeName", ""),
        "spec.serviceAccountName": spec.get("serviceAccountName", ""),
        "status.hostIP": status.get("hostIP", ""),
        "status.podIP": status.get("podIP", ""),
        "status.podIPs": ",".join(entry["ip"] for entry in status.get("podIPs", ())),
        "status.hostIPs": ",".join(entry["ip"] for entry in status.get("hostIPs", ())),
    }
    if path not in found:
        raise InputError(f"the downward API has no field {path!r}; it has: {', '.join(found)}")
    return str(found[path])


def quantity(text: str) -> Decimal:
    """Return a Kubernetes quantity such as ``250m``, ``1Gi`` or ``1e3`` as a number.

    Raises:
        InputError: it is none.
    """
    found = _QUANTITY.fullmatch(text)
    if not found or found[2] not in _SUFFIXES:
        raise InputError(f"{text!r} is not a quantity; expected a number such as 250m or 1Gi")
    return Decimal(found[1]) * _SUFFIXES[found[2]]


def capacity() -> dict[str, str]:
    """Return the processors and bytes of memory of this machine, as quantities."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {"cpu": str(os.cpu_count() or 1), "memory": str(memory)}


def resource_of(pod: Raw, container: Raw, reference: Raw) -> str:
    """Return a container's request or limit in units of the divisor, rounded up; without a limit, all there is."""
    named = reference.get("containerName")
    everyone = (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
    owner = next((other for other in everyone if other["name"] == named), container)
    kind, _, name = reference["resource"].partition(".")
    amount = (owner.get("resources", {}).get(kind) or {}).get(name)
    if amount is None:
        amount = capacity().get(name, "0") if kind == "limits" else "0"
    divisor = quantity(str(reference.get("divisor") or "1")) or 1
    return str(int((quantity(str(amount)) / divisor).to_integral_value(ROUND_CEILING)))


async def variables(pod: Raw, container: Raw, given: Mapping[str, str], read: Reader) -> dict[str, str]:
    """Return a container's environment.

    Args:
        pod: the pod; its status already has the pod's address.
        container: the container's part of the spec.
        given: what the node sets; the container's own entries win.
        read: reads ConfigMaps and Secrets.

    Raises:
        NotFoundError: a ConfigMap, Secret or key that is not optional does not exist.
        InputError: an entry asks for what there is not.
    """
    found = dict(given)
    for source in container.get("envFrom", ()):
        found.update(await _all_of(source, read))
    for entry in container.get("env", ()):
        value = await _value(pod, container, entry, found, read)
        if value is not None:
            found[entry["name"]] = value
    return found


async def _all_of(source: Raw, read: Reader) -> dict[str, str]:
    for kind, field in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
        if field in source:
            try:
                data = await read(kind, source[field]["name"])
            except NotFound:
                if source[field].get("optional"):
                    return {}
                raise
            return {f"{source.get('prefix', '')}{name}": value for name, value in data.items()}
    return {}


async def _value(pod: Raw, container: Raw, entry: Raw, so_far: Mapping[str, str], read: Reader) -> str | None:
    source = entry.get("valueFrom")
    if source is None:
        return expand(entry.get("value", ""), so_far)
    if "fieldRef" in source:
        return field_of(pod, source["fieldRef"]["fieldPath"])
    if "resourceFieldRef" in source:
        return resource_of(pod, container, source["resourceFieldRef"])
    for kind, field in (("ConfigMap", "configMapKeyRef"), ("Secret", "secretKeyRef")):
        if field in source:
            return await _key(kind, source[field], read)
    raise InputError(f"variable {entry['name']} has a source that the process node does not know: {', '.join(source)}")


async def _key(kind: str, reference: Raw, read: Reader) -> str | None:
    name, key, optional = reference["name"], reference["key"], bool(reference.get("optional"))
    try:
        data = await read(kind, name)
    except NotFound:
        if optional:
            return None
        raise
    if key in data:
        return data[key]
    if optional:
        return None
    raise NotFoundError(f"{kind} {name} has no key {key!r}; it has: {', '.join(data) or 'none'}")


def texts(raw: Raw) -> dict[str, str]:
    """Return a ConfigMap's or Secret's data as text."""
    if raw.get("kind") == "Secret":
        return {
            name: base64.b64decode(value).decode("utf-8", "replace") for name, value in (raw.get("data") or {}).items()
        }
    return dict(raw.get("data") or {})
