"""Notices frameworks that are imported after autologging was turned on.

A finder in front of all others asks those others where a module of a watched package is,
and has its loader tell once the module ran. The loader itself is left as it was found, so
that a module looks the same with and without us; other imports cost one comparison.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType

Told = Callable[[ModuleType], None]


class Finder:
    """Stands first on ``sys.meta_path`` while packages are watched."""

    def __init__(self) -> None:
        self.watched: dict[str, Told] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return what the next finder knows of a module of a watched package; None for all others."""
        tell = self.watched.get(name.partition(".")[0])
        if tell is None:
            return None
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _tell_when_run(spec, tell)
                return spec
        return None


_finder = Finder()


def watch(package: str, tell: Told) -> None:
    """Call ``tell`` with each module of a package: those that are there now, later ones when they ran."""
    _finder.watched[package] = tell
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == package and isinstance(module, ModuleType):
            tell(module)


def unwatch(package: str) -> None:
    """Tell no more about a package."""
    _finder.watched.pop(package, None)
    if not _finder.watched and _finder in sys.meta_path:
        sys.meta_path.remove(_finder)


def _tell_when_run(spec: ModuleSpec, tell: Told) -> None:
    loader = spec.loader
    if loader is None or not hasattr(loader, "exec_module"):
        return  # a namespace has nothing to run
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        del loader.exec_module  # the class's own again
        run(module)
        tell(module)

    with contextlib.suppress(AttributeError):  # a loader that cannot be changed loads what is built in, no framework
        loader.exec_module = exec_module  # type: ignore[method-assign]
