"""What happens around one fit: a run, the observer that knows the framework, and the end.

Only the outermost fit of a thread is a run: estimators inside of a pipeline, a search or a
cross-validation belong to what fits them. A fit logs into the active run; without one it
starts a run and ends it. Whatever goes wrong in here stays in here.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from types import FrameType
from typing import Any, ClassVar

from mlgitops.tracking import session
from mlgitops.tracking.autolog.budget import Budget
from mlgitops.tracking.disabled import DisabledRun
from mlgitops.tracking.run import Run

LIFT = "autolog(full=True) lifts the limit"

# Frames of these packages above a fit mean that the user did not call it: some fit, search or
# cross-validation did, in this thread or in a worker thread of it.
_CALLERS = frozenset({"sklearn", "imblearn", "optuna_integration", "xgboost", "lightgbm", "statsmodels"})


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for; see ``switch.autolog``."""

    full: bool = False
    log_models: bool | None = None
    log_datasets: bool = True
    max_child_runs: int = 5
    log_checkpoints: bool | None = None
    log_every_n_steps: int = 0


@dataclass(slots=True)
class Call:
    """A call of a function that is observed; an observer may change its arguments before it is made."""

    original: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def arguments(self) -> Mapping[str, Any]:
        """Return the arguments by the names of the parameters, with defaults.

        Raises:
            TypeError: they do not fit; the call will raise the same.
        """
        bound = inspect.signature(self.original).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return bound.arguments

    def put(self, name: str, change: Callable[[Any], Any]) -> None:
        """Change one argument, however it was passed; ``change`` gets what it is, or its default."""
        signature = inspect.signature(self.original)
        position = list(signature.parameters).index(name)
        if position < len(self.args):
            self.args = (*self.args[:position], change(self.args[position]), *self.args[position + 1 :])
        else:
            self.kwargs = {**self.kwargs, name: change(self.kwargs.get(name, signature.parameters[name].default))}


class Observer:
    """Knows one kind of fit. One is made for each; its methods may raise, training goes on."""

    name: ClassVar[str] = ""  # of what it observes
    joins: ClassVar[frozenset[str]] = frozenset()  # names of what it lets take part in its own fit

    def wants(self, call: Call) -> bool:
        """Return whether a call is a training to log."""
        del call
        return True

    def run_name(self, call: Call) -> str:
        """Return what a run that is started for this fit is called."""
        return call.original.__name__

    def before(self, fit: Fit) -> None:
        """Log what is known before training, and add callbacks."""

    def leave(self, fit: Fit) -> None:
        """Take out of the user's objects what ``before`` put there; called however the training ended."""

    def after(self, fit: Fit, result: Any) -> None:
        """Log what is known after training, within ``fit.budget``."""


@dataclass(slots=True)
class Fit:
    """One observed call, from before it to after it."""

    observer: Observer
    options: Options
    call: Call
    run: Run
    budget: Budget
    owned: bool
    outermost: bool
    seconds: float = 0.0  # that the training took
    _token: Token[Fit | None] | None = None
    _began: float = 0.0

    def note(self, what: str, text: str) -> None:
        """Write into the record what was left out, or done on a part of the data."""
        self.run.set_tag(f"autolog.{what}", text)

    def name_estimator(self, estimator: Any) -> None:
        """Say in the record what was trained."""
        kind = type(estimator)
        self.run.set_tags(
            {"estimator_name": kind.__name__, "estimator_class": f"{kind.__module__}.{kind.__qualname__}"}
        )

    def fail(self, error: BaseException) -> None:
        """End after a training that raised."""
        self._take_back()
        self._end("failed", f"{type(error).__name__}: {error}")

    def succeed(self, result: Any) -> None:
        """Log what is known after a training, and end."""
        self.seconds = time.perf_counter() - self._began
        self.budget.allow(self.seconds)
        self._take_back()
        try:
            with self.budget, unnoticed(f"what follows {self.observer.name}"):
                self.observer.after(self, result)
        finally:
            self._end("finished")

    def enter(self) -> None:
        """Become the fit that fits inside of it belong to."""
        self._token = _current.set(self)
        self._began = time.perf_counter()

    def _take_back(self) -> None:
        with unnoticed(f"the end of {self.observer.name}"):
            self.observer.leave(self)

    def _end(self, status: str, error: str = "") -> None:
        if self._token is not None:
            _current.reset(self._token)
            self._token = None
        if self.owned:
            with unnoticed("the end of a run"):
                session.leave(self.run)
                _owned.discard(self.run.id)
                self.run.end(status, error)


_current: ContextVar[Fit | None] = ContextVar("mlgitops_fit", default=None)
_owned: set[str] = set()  # ids of runs that were started for one fit and are nobody else's
_enabled: dict[str, Options] = {}  # frameworks that are switched on


def enable(framework: str, options: Options) -> None:
    """Observe the fits of a framework from now on."""
    _enabled[framework] = options


def disable(framework: str) -> None:
    """Observe them no more; wrappers that somebody still holds call what they wrap."""
    _enabled.pop(framework, None)


def begin(
    framework: str,
    observing: Callable[[], Observer],
    original: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Fit | None:
    """Return the fit that begins with a call, or None when nothing is to be observed; never raises."""
    options = _enabled.get(framework)
    if options is None:
        return None
    fit = None
    with unnoticed(f"the start of a fit with {framework}"):
        observer, call, outer = observing(), Call(original, args, kwargs), _current.get()
        if outer is not None and observer.name in outer.observer.joins:
            fit = Fit(observer, options, call, outer.run, outer.budget, owned=False, outermost=False)
        elif outer is None and observer.wants(call) and not is_called_by_a_framework(sys._getframe(1)):  # noqa: SLF001
            fit = _start(observer, options, call)
    if fit is not None:
        with fit.budget, unnoticed(f"what precedes {fit.observer.name}"):
            fit.observer.before(fit)
        fit.enter()
    return fit


def _start(observer: Observer, options: Options, call: Call) -> Fit | None:
    run = session.active_run()
    owned = run is None or run.id in _owned  # a run of another thread's fit is no run to log into
    if run is None or owned:
        run = session.start_run(observer.run_name(call))
        _owned.add(run.id)
    if isinstance(run, DisabledRun):
        if owned:
            session.leave(run)
        return None
    run.set_tag("autolog", observer.name)
    return Fit(observer, options, call, run, Budget(lifted=options.full), owned, outermost=True)


def is_called_by_a_framework(frame: FrameType | None) -> bool:
    """Return whether some framework, and not the user, called what runs in a frame."""
    caller = frame.f_back if frame is not None else None
    while caller is not None:
        if str(caller.f_globals.get("__name__")).partition(".")[0] in _CALLERS:
            return True
        caller = caller.f_back
    return False


def is_inside() -> bool:
    """Return whether a fit is going on here."""
    return _current.get() is not None


@contextlib.contextmanager
def inside_of_no_fit() -> Iterator[None]:
    """Let fits count as outermost again: those of a trial are the trial's, not the study's."""
    token = _current.set(None)
    try:
        yield
    finally:
        _current.reset(token)


@contextlib.contextmanager
def unnoticed(what: str) -> Iterator[None]:
    """Keep what we do from training: no error, no warning and no random number of ours reaches it."""
    states = _random_states()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if os.environ.get("MLGITOPS_STRICT") == "1":
            raise
        _tell(what, error)
    finally:
        for restore, state in states:
            restore(state)


def _random_states() -> list[tuple[Callable[[Any], object], Any]]:
    states: list[tuple[Callable[[Any], object], Any]] = []
    random, numpy = sys.modules.get("random"), sys.modules.get("numpy")
    if random is not None:
        states.append((random.setstate, random.getstate()))
    if numpy is not None and hasattr(numpy, "random"):
        states.append((numpy.random.set_state, numpy.random.get_state()))
    return states


_told: set[str] = set()


def _tell(what: str, error: Exception) -> None:
    """Say once of each kind of failure that something is missing from the record."""
    kind = f"{what}: {type(error).__name__}"
    if kind not in _told:
        _told.add(kind)
        print(f"mlgitops: autologging left out {kind}: {str(error)[:300]!a}; training goes on", file=sys.stderr)
