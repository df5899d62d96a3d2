"""Would a server-side apply change anything, and what? Judged on the fields that we own.

The API server keeps, per field manager, the set of fields that its last apply named
(``managedFields``, format FieldsV1: ``f:<field>``, ``k:<keys>`` for an item of a keyed
list, ``v:<value>`` for an item of a set, ``.`` for the thing itself). Nothing differs
when that set names the same fields as what we would apply now, and each of them has
our value. Fields of others, and defaults that the server added, are theirs.
See https://kubernetes.io/docs/reference/using-api/server-side-apply/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from mlgitops.kube.resources import Raw

# Named in every apply, owned by nobody.
_IDENTITY = {"apiVersion", "kind"}
_METADATA_IDENTITY = {"name", "namespace", "resourceVersion", "uid"}
# What the server does not store when a Go struct's field says `omitempty`.
_EMPTY: tuple[Any, ...] = (None, {}, [], "", 0)
# Below these fields the server writes numbers in its own form: 0.5 becomes 500m.
_QUANTITIES = {"requests", "limits", "sizeLimit", "target"}
_QUANTITY = re.compile(r"([0-9.]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?")
_SCALE: Mapping[str | None, Decimal] = {
    None: Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), 1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), 1)},
}


# Inside a value that is owned as a whole nothing tells the server's defaults from what we wrote before and
# leave out now. A default that is missing here costs an apply that changes nothing; one too many would hide a change.
DEFAULTS: tuple[tuple[str, Any], ...] = (
    ("aggregation", "last"),  # of a ModelVersion's metric
    ("apiVersion", "v1"),  # of a fieldRef
    ("divisor", "0"),  # of a resourceFieldRef
    ("group", ""),  # of a route's backend
    ("group", "gateway.networking.k8s.io"),  # of a route's parent
    ("kind", "Gateway"),
    ("kind", "Service"),
    ("operator", "Equal"),  # of a ModelDeployment's toleration
    ("pause", "0s"),  # of a ModelDeployment's step
    ("protocol", "TCP"),  # of a NetworkPolicy's port
    ("type", "Exact"),  # of a match by header
    ("type", "PathPrefix"),
    ("weight", 1),
)


def differs(desired: Raw, live: Raw, field_manager: str) -> bool:
    """Tell whether applying ``desired`` as ``field_manager`` would change ``live``.

    ``live`` must carry that manager's ``managedFields`` (``Reflector(managers=…)``);
    without them the answer is True.
    """
    owned = _applied(live, field_manager)
    return owned is None or not _same_map(owned, _wanted(desired), live, number=False)


def in_our_words(live: Raw, desired: Raw, field_manager: str) -> Raw:
    """Return the part of ``live`` that applying ``desired`` is about, said as ``desired`` says it where both agree.

    That part is what ``desired`` names, whoever owns it now, and what the manager owns and would
    give up. So a comparison with ``desired`` shows exactly what the apply would change: no default
    of the server, no other manager's field, no number in another form.
    """
    seen = _seen(_applied(live, field_manager) or {}, _wanted(desired), live, number=False)
    metadata = {name: live["metadata"][name] for name in ("name", "namespace") if name in live["metadata"]}
    identity = {name: live[name] for name in _IDENTITY if name in live}
    return {**identity, **seen, "metadata": {**metadata, **seen.get("metadata", {})}}


def owns(live: Raw, field_manager: str, *path: str) -> bool:
    """Tell whether the last apply of a manager named a field, given by its path of plain fields."""
    owned: Any = _applied(live, field_manager)
    for name in path:
        owned = (owned or {}).get(f"f:{name}")
    return owned is not None


def _applied(live: Raw, field_manager: str) -> Mapping[str, Any] | None:
    """Return the fields that a manager's last apply named, None when it never applied anything."""
    for entry in live.get("metadata", {}).get("managedFields", ()):
        is_ours = entry.get("manager") == field_manager and entry.get("operation") == "Apply"
        if is_ours and not entry.get("subresource"):
            fields: Mapping[str, Any] = entry["fieldsV1"]
            return fields
    return None


def _wanted(desired: Raw) -> Raw:
    metadata = {name: value for name, value in desired.get("metadata", {}).items() if name not in _METADATA_IDENTITY}
    return {**{name: value for name, value in desired.items() if name not in _IDENTITY}, "metadata": metadata}


def _seen(owned: Mapping[str, Any], desired: Any, live: Any, *, number: bool) -> Any:
    """Return what is there of an owned or desired value; where nothing differs, as it is desired."""
    kinds = {name[0] for name in owned if name != "."}
    if desired is not None:
        agree = _same(owned, desired, live, number=number) if kinds else _covers(desired, live, number=number)
        if agree:
            return desired
    if isinstance(live, dict) and ("f" in kinds or isinstance(desired, dict)):
        return _seen_map(owned, desired if isinstance(desired, dict) else {}, live, number=number)
    if "k" in kinds and isinstance(live, list):
        return _seen_keyed(owned, desired if isinstance(desired, list) else [], live)
    if "v" in kinds and isinstance(live, list):
        values = [json.loads(name[2:]) for name in owned if name.startswith("v:")]
        return [item for item in live if item in values]
    return _without_defaults(live, desired)


def _without_defaults(live: Any, desired: Any) -> Any:
    """Return a value that is owned as a whole without the server's defaults; a field that we name is none."""
    if isinstance(live, dict):
        like = desired if isinstance(desired, dict) else {}
        return {
            name: _without_defaults(value, like.get(name))
            for name, value in live.items()
            if name in like or (name, value) not in DEFAULTS
        }
    if isinstance(live, list):
        items = desired if isinstance(desired, list) else []
        like = {name: value for item in items if isinstance(item, dict) for name, value in item.items()}
        return [_without_defaults(item, like) for item in live]
    return live


def _seen_map(owned: Mapping[str, Any], desired: Raw, live: Raw, *, number: bool) -> Raw:
    names = {name[2:] for name in owned if name.startswith("f:")}
    seen = {
        name: _seen(owned.get(f"f:{name}", {}), desired.get(name), live[name], number=number or name in _QUANTITIES)
        for name in (names | desired.keys()) & live.keys()
    }
    # What is empty and was not stored is there, as far as it can be.
    unstored = {name for name, value in desired.items() if name not in live and value in _EMPTY}
    empty = {name for name in unstored if name in names or desired[name] in (None, {}, [])}
    return {**seen, **{name: desired[name] for name in empty}}


def _seen_keyed(owned: Mapping[str, Any], desired: list[Any], live: list[Any]) -> list[Any]:
    keyed = [(json.loads(name[2:]), fields) for name, fields in owned.items() if name.startswith("k:")]
    ours = [next((item for item in desired if _has_keys(item, keys, lax=True)), None) for keys, _ in keyed]
    seen = []
    for (keys, fields), item in zip(keyed, ours, strict=True):
        theirs = next((other for other in live if _has_keys(other, keys, lax=False)), None)
        if theirs is not None:
            defaulted = {f"f:{key}" for key in keys if item is not None and key not in item}
            named = {field: value for field, value in fields.items() if field not in defaulted}
            seen.append(_seen(named, item, theirs, number=False))
    names = {key for keys, _ in keyed for key in keys}
    for item in desired:
        # Ours no more, for somebody else wrote it since.
        if not any(item is known for known in ours):
            keys = {key: item[key] for key in names if key in item}
            seen += [
                _seen({}, item, other, number=False) for other in live if keys and _has_keys(other, keys, lax=False)
            ]
    places = {json.dumps(item, sort_keys=True): place for place, item in enumerate(desired)}
    return sorted(seen, key=lambda item: places.get(json.dumps(item, sort_keys=True), len(places)))


def _same(owned: Mapping[str, Any], desired: Any, live: Any, *, number: bool) -> bool:
    kinds = {name[0] for name in owned if name != "."}
    if "f" in kinds:
        return isinstance(desired, dict) and isinstance(live, dict) and _same_map(owned, desired, live, number=number)
    if "k" in kinds:
        return isinstance(desired, list) and isinstance(live, list) and _same_keyed(owned, desired, live)
    if "v" in kinds:
        values = [json.loads(name[2:]) for name in owned if name.startswith("v:")]
        return isinstance(desired, list) and len(values) == len(desired) and all(value in desired for value in values)
    return _covers(desired, live, number=number)


def _same_map(owned: Mapping[str, Any], desired: Mapping[str, Any], live: Mapping[str, Any], *, number: bool) -> bool:
    names = {name[2:] for name in owned if name.startswith("f:")}
    # An empty map or list that nobody stored is neither wanted nor owned in earnest.
    wanted = {name for name, value in desired.items() if name in names or value not in (None, {}, [])}
    dropped = {name for name in names if name not in live and desired.get(name, ...) in _EMPTY}
    names, wanted = names - dropped, wanted - dropped
    return names == wanted and all(
        name in live and _same(owned[f"f:{name}"], desired[name], live[name], number=number or name in _QUANTITIES)
        for name in names
    )


def _same_keyed(owned: Mapping[str, Any], desired: list[Any], live: list[Any]) -> bool:
    keyed = [(json.loads(name[2:]), fields) for name, fields in owned.items() if name.startswith("k:")]
    if len(keyed) != len(desired):
        return False
    for keys, fields in keyed:
        ours = next((item for item in desired if _has_keys(item, keys, lax=True)), None)
        theirs = next((item for item in live if _has_keys(item, keys, lax=False)), None)
        if ours is None or theirs is None:
            return False
        # A key that the server defaulted (a port's protocol) is owned although we did not name it.
        defaulted = {f"f:{name}" for name in keys if name not in ours}
        named = {name: value for name, value in fields.items() if name not in defaulted}
        # An item without fields of its own is owned as a whole (an owner reference).
        if not (_same_map(named, ours, theirs, number=False) if fields else _covers(ours, theirs, number=False)):
            return False
    return True


def _has_keys(item: Any, keys: Mapping[str, Any], *, lax: bool) -> bool:
    return isinstance(item, dict) and all(item[name] == value if name in item else lax for name, value in keys.items())


def _covers(desired: Any, live: Any, *, number: bool) -> bool:
    """Tell whether an atomic value is what we want, defaults of the server aside."""
    if isinstance(desired, dict):
        return (
            isinstance(live, dict)
            and all(
                value is None or (name in live and _covers(value, live[name], number=number or name in _QUANTITIES))
                for name, value in desired.items()
            )
            and all((name, value) in DEFAULTS for name, value in live.items() if name not in desired)
        )
    if isinstance(desired, list):
        return (
            isinstance(live, list)
            and len(desired) == len(live)
            and all(_covers(ours, theirs, number=number) for ours, theirs in zip(desired, live, strict=True))
        )
    return bool(desired == live) or (number and _same_quantity(desired, live))


def _same_quantity(desired: Any, live: Any) -> bool:
    ours, theirs = (_QUANTITY.fullmatch(str(value)) for value in (desired, live))
    if not ours or not theirs:
        return False
    return Decimal(ours[1]) * _SCALE[ours[2]] == Decimal(theirs[1]) * _SCALE[theirs[2]]
