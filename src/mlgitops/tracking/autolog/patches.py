"""Puts wrappers around a framework's functions and takes them out again.

A wrapper has the name, module, documentation and signature of what it wraps, so that it is
pickled by name and inspected as the original; when its framework is switched off, or it is
called from inside of another fit, it only calls the original.
"""

from __future__ import annotations

import copy
import functools
import sys
from collections.abc import Callable, Mapping, MutableMapping
from types import CellType, FunctionType, ModuleType
from typing import Any

from mlgitops.tracking.autolog.fits import Observer, begin

# Python's warnings do not count frames of the import system when they look for the caller
# of a function (``stacklevel``). With such a file name a wrapper does not count either, so
# a warning names the user's line and not ours.
_UNCOUNTED = "<importlib._bootstrap: autologging of mlgitops>"

Observing = Callable[[], Observer]
Tell = Callable[[FunctionType, tuple[Any, ...], Mapping[str, Any], Any], None]  # function, arguments, result


class Patches:
    """The wrappers of one framework."""

    def __init__(self, framework: str) -> None:
        self.framework = framework
        self._methods: list[tuple[type, str, Any, Any]] = []  # class, name, original, wrapper
        self._made: set[int] = set()  # identities of those wrappers
        self._functions: list[tuple[str, str, Any, Any]] = []  # package, name, original, wrapper
        self._entries: list[tuple[MutableMapping[str, Any], str, Any]] = []
        self._cells: list[tuple[CellType, Any, Any]] = []  # cell, original, wrapper

    def method(self, owner: type, name: str, observing: Observing) -> None:
        """Observe a method that a class defines itself; one that it inherits is its base's to wrap."""
        self._wrap_method(owner, name, lambda found: _wrapper(found, self.framework, observing))

    def answers(self, owner: type, name: str, tell: Tell) -> None:
        """Be told of each answer of a method that a class defines itself."""
        self._wrap_method(owner, name, lambda found: _listener(found, tell))

    def answers_inside(self, function: FunctionType, name: str, tell: Tell) -> None:
        """Be told of each answer of the function that a decorator's function keeps under a name and calls.

        What the user has, and pickles by its name, stays the object that it is, also where it was
        imported before.
        """
        cell = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=False)).get(name)
        found = cell.cell_contents if cell is not None else None
        if cell is None or not isinstance(found, FunctionType) or any(made is found for *_, made in self._cells):
            return
        cell.cell_contents = wrapper = _listener(found, tell)
        self._cells.append((cell, found, wrapper))

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
        for cell, original, wrapper in self._cells:
            if cell.cell_contents is wrapper:
                cell.cell_contents = original
        for owner, name, original, wrapper in reversed(self._methods):
            if vars(owner).get(name) is wrapper:
                setattr(owner, name, original)
        for package, name, original, wrapper in self._functions:
            _replace(package, name, wrapper, original)
        for mapping, key, value in self._entries:
            if mapping.get(key) is value:
                del mapping[key]
        self._cells.clear()
        self._entries.clear()
        self._methods.clear()
        self._made.clear()
        self._functions.clear()

    def _wrap_method(self, owner: type, name: str, wrap: Callable[[FunctionType], Any]) -> None:
        found = vars(owner).get(name)
        if found is None or id(found) in self._made:
            return
        if isinstance(found, FunctionType):
            wrapper: Any = wrap(found)
        elif isinstance(getattr(found, "fn", None), FunctionType):
            wrapper = copy.copy(found)  # a method of scikit-learn that is there on a condition only
            wrapper.fn = wrap(found.fn)
        else:
            return
        setattr(owner, name, wrapper)
        self._made.add(id(wrapper))
        self._methods.append((owner, name, found, wrapper))


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

    return _disguised(call, original)


def _listener(original: FunctionType, tell: Tell) -> Any:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = original(*args, **kwargs)
        tell(original, args, kwargs, result)
        return result

    return _disguised(call, original)


def _disguised(call: Any, original: FunctionType) -> Any:
    call.__code__ = call.__code__.replace(co_filename=_UNCOUNTED)
    return functools.wraps(original)(call)
