"""Autologging: what a framework's training would have had to say, said for it.

    import mlgitops

    mlgitops.autolog()

From then on each outermost ``fit`` of a known framework is a run, or part of the active
one. ``switch`` turns integrations on and off, ``imports`` notices frameworks that are
imported later, ``patches`` puts wrappers in and takes them out, ``fits`` is what happens
around one ``fit``. There is a module a framework; nothing here imports one.
docs/design/0014 says what is promised to the user's code.
"""

from mlgitops import lazy

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from mlgitops.tracking.autolog.switch import autolog as autolog

__getattr__ = lazy.attributes(__name__, {"autolog": "switch"})
