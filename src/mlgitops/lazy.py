"""Names of a package that are fetched from its modules when they are first used: an import costs what is needed.

    _HOMES = {"Repository": "repository", "edit": "edit"}  # name → module; a module's own name is the module
    __getattr__ = lazy.attributes(__name__, _HOMES)

See https://peps.python.org/pep-0562/.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def attributes(package: str, homes: Mapping[str, str]) -> Callable[[str], object]:
    """Return the ``__getattr__`` of a package: it imports a name's home below it, and keeps what it found.

    The function raises AttributeError for a name without a home.
    """

    def fetch(name: str) -> object:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(f"{package}.{homes[name]}")
        value: object = module if homes[name] == name else getattr(module, name)
        setattr(sys.modules[package], name, value)  # the next use finds it without coming here
        return value

    return fetch
