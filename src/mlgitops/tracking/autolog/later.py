"""Scores on data that came after the fit: ``model.score``, and metrics of what the model predicted.

A fitted model is remembered, weakly, with its run; so is what it predicts when the user asks: where it lies and a
fingerprint of what it holds, since numpy does not resize an array that anything refers to. A metric
of such an array, or of a view of it, is that model's, under the name of the data that was predicted.
Nothing of this counts inside of a fit, a search or a cross-validation.
"""

from __future__ import annotations

import atexit
import contextlib
import inspect
import os
import sys
import threading
import weakref
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType, FunctionType
from typing import Any

import numpy as np

from mlgitops.tracking import places, records
from mlgitops.tracking.autolog import fits, naming
from mlgitops.tracking.autolog.budget import Budget
from mlgitops.tracking.autolog.patches import Patches
from mlgitops.tracking.run import Run

PREDICTING = ("predict", "predict_proba", "predict_log_proba", "decision_function")
CALLS = "metric_info.json"  # as in MLflow: what a metric's name does not say of the call
_MOST_PREDICTIONS = 64
_SAMPLE = 4096  # values of a prediction that its fingerprint is of
_LONGEST_CALL = 200  # characters
_PATIENCE = 1.0  # seconds for another thread's score; a lock that was held at a fork is never given back


@dataclass(slots=True)
class Known:
    """The run of a fitted model, and what was logged of the model since."""

    run: Run
    budget: Budget
    finished_at: str = ""  # of a run that ended
    counts: dict[str, int] = field(default_factory=dict)  # points, by the metric's name
    calls: dict[tuple[str, str], list[str]] = field(default_factory=dict)  # by metric and data
    taken: frozenset[str] = frozenset()  # names of metrics of the fit
    is_full: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def log(self, metric: str, data: str, call: str, value: float) -> None:
        """Log one score; of a call with other arguments by a name of its own, ``f1_score-2_X_test``."""
        with self._alone() as may_write:
            if may_write:
                self._log(metric, data, call, value)

    def log_all(self, values: Mapping[str, float], subset: str) -> None:
        """Log scores that have names of their own; where the fit had that name too, in the context of a subset."""
        with self._alone() as may_write:
            if not may_write:
                return
            for name, value in values.items():
                self.counts[name] = self.counts.get(name, -1) + 1
                self.run.log_metric(name, value, self.counts[name], subset if name in self.taken else None)
            self._finish(subset)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        """Yield whether there is a record to write to, with time left, while no other thread writes to it."""
        locked = self.lock.acquire(timeout=_PATIENCE)
        try:
            yield not self.is_full and self._is_writable()
        finally:
            if locked:
                self.lock.release()

    def _log(self, metric: str, data: str, call: str, value: float) -> None:
        calls = self.calls.setdefault((metric, data), [])
        is_new = call not in calls
        if is_new:
            calls.append(call)
        number = calls.index(call) + 1
        name = f"{metric}_{data}" if number == 1 else f"{metric}-{number}_{data}"
        self.counts[name] = self.counts.get(name, -1) + 1
        self.run.log_metric(name, value, self.counts[name])
        if is_new and call:
            self.run.log_dict(self._told_calls(), CALLS)
        self._finish(name)

    def _finish(self, last: str) -> None:
        if self.budget.left <= 0:
            self.is_full = True
            self.run.set_tag("autolog.scores", f"those after {last} are left out: no time; {fits.LIFT}")
        self._add_up()

    def _is_writable(self) -> bool:
        """Return whether there is a record to write to; one that ended is joined first."""
        if self.run.status == "running":
            return True
        if not (self.run.folder / places.RUN).exists():
            return False
        from mlgitops.tracking import beginning

        self.finished_at = records.read(self.run.folder).finished_at or ""
        self.run = beginning.join(self.run.folder)
        return True

    def _add_up(self) -> None:
        """Bring the sums of a record that ended up to date, and hold nothing of it any longer."""
        if self.finished_at:
            from mlgitops.tracking import ending

            self.run.writer.close()
            ending.add_up_again(self.run.folder, self.run.problems, finished_at=self.finished_at)
            _push_later(self.run)

    def _told_calls(self) -> Mapping[str, str]:
        return {
            f"{metric}_{data}" if number == 0 else f"{metric}-{number + 1}_{data}": f"{metric}({call})"
            for (metric, data), calls in self.calls.items()
            for number, call in enumerate(calls)
            if call
        }


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model predicted: whose it is and of which data."""

    known: Known
    data: str
    fingerprint: int


_models: dict[int, tuple[weakref.ref[Any], Known]] = {}  # by identity
_predictions: dict[int, Prediction] = {}  # by identity of the array that holds the values, the oldest first
_to_push: dict[tuple[int, str], Run] = {}  # by process and id: runs that were written to after they had been pushed


def listen(kind: type, patches: Patches) -> None:
    """Listen to what a class of models predicts and scores."""
    for name in PREDICTING:
        patches.answers(kind, name, predicted)
    patches.answers(kind, "score", scored)


def remember(fit: fits.Fit, *models: Any, taken: Iterable[str] = ()) -> None:
    """Let later scores of fitted models be logged to the run of their fit; with a budget as large as the fit's own.

    ``taken`` are names of metrics of the fit that a score may have too.
    """
    with fit.budget.uncounted():
        _push()  # here, as this run is going to be pushed too; at the exit of Python it takes a process a run
    budget = Budget(lifted=fit.options.full)
    budget.allow(fit.seconds)
    known = Known(fit.run, budget, taken=frozenset(taken))
    for model in models:
        with contextlib.suppress(TypeError):  # what cannot be referred to weakly is not remembered

            def forget(_: Any, key: int = id(model)) -> None:
                _models.pop(key, None)

            _models[id(model)] = (weakref.ref(model, forget), known)


def predicted(original: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
    """Take in what a model predicted."""
    known = _known(*args[:1])
    if known is None or not isinstance(result, np.ndarray):
        return
    frame = sys._getframe(1).f_back  # noqa: SLF001 - the documented way to a caller's frame
    if _is_nobodys(sys._getframe(1)):  # noqa: SLF001
        return
    with known.budget, fits.unnoticed("a prediction"):
        rows, holder = args[1] if len(args) > 1 else next(iter(kwargs.values())), _holder(result)
        if holder is not _holder(rows):
            _predictions.pop(id(holder), None)
            while len(_predictions) >= _MOST_PREDICTIONS:
                del _predictions[next(iter(_predictions))]
            data = _name(original, rows, frame)
            _predictions[id(holder)] = Prediction(known, data, _fingerprint(holder))


def scored(original: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
    """Log what a model's own ``score`` says."""
    known = _known(*args[:1])
    if known is None or not _is_number(result) or _is_nobodys(sys._getframe(1)):  # noqa: SLF001
        return
    frame = sys._getframe(1).f_back  # noqa: SLF001
    with known.budget, fits.unnoticed("a score"):
        rows = args[1] if len(args) > 1 else next(iter(kwargs.values()))
        known.log(f"{type(args[0]).__name__}_score", _name(original, rows, frame), "", float(result))


def measured(original: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any) -> None:
    """Log what a metric says of a model's predictions."""
    if not _predictions or not _is_number(result):
        return
    decorator = sys._getframe(1).f_back  # noqa: SLF001 - scikit-learn's own, between the user's call and the function
    found = _prediction((*args, *kwargs.values()))
    if found is None or _is_nobodys(decorator):
        return
    with found.known.budget, fits.unnoticed("a metric"):
        found.known.log(original.__name__, found.data, _call(original, args, kwargs), float(result))


def evaluated(model: Any, values: Mapping[str, float], subset: str) -> None:
    """Log what a framework's own evaluation of a fitted model measured."""
    known = _known(model)
    if known is None or _is_nobodys(sys._getframe(2)):  # noqa: SLF001 - that of the wrapper
        return
    with known.budget:
        known.log_all(values, subset)


def _known(model: Any = None) -> Known | None:
    reference, known = _models.get(id(model), (None, None))
    return known if reference is not None and reference() is model else None


def _is_nobodys(frame: FrameType | None) -> bool:
    """Return whether a call is no user's own: a fit, a framework or another score made it."""
    caller = frame.f_back if frame is not None else None
    if caller is not None and str(caller.f_globals.get("__name__")).startswith("catboost."):
        return True  # whose ``train`` and ``cv`` fit for the user, so that it is no such framework to fits
    return fits.is_inside() or fits.is_called_by_a_framework(frame)


def _prediction(values: Iterable[Any]) -> Prediction | None:
    for value in values:
        if isinstance(value, np.ndarray):
            holder = _holder(value)
            found = _predictions.get(id(holder))
            if found is not None and found.fingerprint == _fingerprint(holder):
                return found
    return None


def _holder(value: Any) -> Any:
    """Return the array that holds the values of a view."""
    while isinstance(value, np.ndarray) and isinstance(value.base, np.ndarray):
        value = value.base
    return value


def _fingerprint(values: np.ndarray[Any, Any]) -> int:
    """Return a number that other contents at the same place do not have, by chance aside."""
    flat = values.ravel(order="K")  # as it lies in memory
    some = flat[:: max(1, flat.size // _SAMPLE)]
    return zlib.crc32(some.tobytes(), zlib.crc32(f"{values.shape}{values.dtype}".encode()))


def _name(original: FunctionType, rows: Any, frame: FrameType | None) -> str:
    parameter = list(inspect.signature(original).parameters)[1]
    return naming.name_of(rows, frame, original.__name__, 0, parameter)


def _call(original: FunctionType, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> str:
    """Return the arguments of a call that are no data, as they would be written."""
    given = inspect.signature(original).bind(*args, **kwargs).arguments
    plain = {name: value for name, value in given.items() if isinstance(value, str | int | float)}
    return ", ".join(f"{name}={value!r}" for name, value in plain.items())[:_LONGEST_CALL]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _push_later(run: Run) -> None:
    """Have a run that ended pushed again, after the next fit or at the exit of Python."""
    atexit.unregister(_push)
    atexit.register(_push)
    _to_push[os.getpid(), run.id] = run


def _push() -> None:
    """Push runs that were written to after they had been pushed, where a store is set; a fork leaves its parent's."""
    from mlgitops.tracking import ending

    while _to_push:
        (process, _), run = _to_push.popitem()
        if process == os.getpid():
            with fits.unnoticed("pushing again"):
                ending.push(run.folder)
