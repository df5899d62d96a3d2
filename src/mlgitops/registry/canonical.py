"""How our own tools write an object into git: one way, so that a change is only what changed."""

from __future__ import annotations

import re
from typing import Any, Final

import yaml

from mlgitops import api
from mlgitops.api import Resource
from mlgitops.registry import scalars

_NEEDS_NO_QUOTES: Final = re.compile(r"[A-Za-z_/][A-Za-z0-9_./-]*")


_STRING: Final = "tag:yaml.org,2002:str"


class _Dumper(yaml.SafeDumper):
    """Keeps the order of keys and puts in quotes whatever a reader could take for a number or a date."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return dumper.represent_scalar(_STRING, text, style="|")
    plain = _NEEDS_NO_QUOTES.fullmatch(text) and scalars.means_text(text)
    return dumper.represent_scalar(_STRING, text, style=None if plain else '"')


def _list(dumper: yaml.SafeDumper, items: list[Any]) -> yaml.SequenceNode:
    numbers = bool(items) and all(isinstance(item, int) for item in items)
    return dumper.represent_sequence("tag:yaml.org,2002:seq", items, flow_style=numbers)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(list, _list)


def write(resource: Resource) -> bytes:
    """Return an object's YAML, as UTF-8 with line feeds; what equals its default is left out."""
    raw = api.dump(resource)
    raw.pop("status", None)
    text: str = yaml.dump(raw, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return text.encode()
