"""Puts wrappers around a framework's functions and takes them out again.

A wrapper has the name, module, documentation and signature of what it wraps, so that it is
pickled by name and inspected as the original; when its framework is switched off, or it is
called from inside of another fit, it only calls the original.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, MutableMapping
from types import FunctionType, ModuleType
from typing import Any

from mlgitops.tracking.autolog.fits import Observer, begin

# Python's warnings do not count frames of the import system when they look for the caller
# of a function (``stacklevel``). With such a file name a wrapper does not count either, so
# a warning names the user's line and not ours.
_UNCOUNTED = "<importlib._bootstrap: autologging of mlgitops>"

Observing = Callable[[], Observer]


class Patches:
    """The wrappers of one framework."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self._methods: list[tuple[type, str, Any, Any]] = []  # class, name, original, wrapper
        self._functions: list[tuple[str, str, Any, Any]] = []  # package, name, original, wrapper
        self._entries: list[tuple[MutableMapping[str, Any], str, Any]] = []

    def method(self, owner: type, name: str, observing: Observing) -> None:
        """Wrap a method that a class defines itself; one that it inherits is its base's to wrap."""
        found = vars(owner).get(name)
        if any(made is found for *_, made in self._methods):
            return
        if isinstance(found, FunctionType):
            wrapper: Any = _wrapper(found, self.framework, observing)
        elif isinstance(getattr(found, "fn", None), FunctionType):
            wrapper = copy.copy(found)  # a method of scikit-learn that is there on a condition only
            wrapper.fn = _wrapper(found.fn, self.framework, observing)  # type: ignore[union-attr]
        else:
            return
        setattr(owner, name, wrapper)
        self._methods.append((owner, name, found, wrapper))

    def function(self, module: ModuleType, name: str, observing: Observing) -> None:
        """Wrap a function in its module and wherever its package has imported it to."""
        found = vars(module).get(name)
        if not isinstance(found, FunctionType) or any(made is found for *_, made in self._functions):
            return
        wrapper = _wrapper(found, self.framework, observing)
        package = module.__name__.partition(".")[0]
        _replace(package, name, found, wrapper)
        self._functions.append((package, name, found, wrapper))

    def entry(self, mapping: MutableMapping[str, Any], key: str, value: Any) -> None:
        """Add to a table of a framework, unless the key is taken."""
        if mapping.setdefault(key, value) is value:
            self._entries.append((mapping, key, value))

    def undo(self) -> None:
        """Put the originals back, where nobody has replaced the wrapper since."""
        for owner, name, original, wrapper in reversed(self._methods):
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
        for package, name, original, wrapper in self._functions:
            _replace(package, name, wrapper, original)
        for mapping, key, value in self._entries:
            if mapping.get(key) is value:
                del mapping[key]
        self._entries.clear()
        self._methods.clear()
        self._functions.clear()


def _replace(package: str, name: str, old: Any, new: Any) -> None:
    for key, module in list(sys.modules.items()):
        if key.partition(".")[0] == package and isinstance(module, ModuleType) and vars(module).get(name) is old:
            setattr(module, name, new)


def _wrapper(original: FunctionType, framework: str, observing: Observing) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        fit = begin(framework, observing, original, args, kwargs)
        if fit is None:
            return original(*args, **kwargs)
        try:
            result = original(*fit.call.args, **fit.call.kwargs)
        except BaseException as error:
            fit.fail(error)
            raise
        fit.succeed(result)
        return result

    call.__code__ = call.__code__.replace(co_filename=_UNCOUNTED)
    return functools.wraps(original)(call)
