"""One run's handle: what a training script writes through, and what ends the run.

``log_metric``, ``log_param`` and ``set_tag`` never raise into training: what cannot be
written is counted, told once, and named in the record. ``MLGITOPS_STRICT=1`` raises
instead. What the caller can correct (``log_artifact``, ``log_dataset``, ``log_model``, an image
that is none) raises always.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from types import TracebackType

from mlgitops.tracking import helper, places
from mlgitops.tracking.attachments import Attachments
from mlgitops.tracking.writer import MEMBER, OWNER, TornError, Writer

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.companion import Companion
    from mlgitops.tracking.locks import Held

_MOST_PREFIXES = 10_000  # series whose encoding is remembered
_MOST_STEPS = 100_000  # series whose next step is remembered
_MOST_LINES = 10_000  # in one write
_LONGEST_END = 200  # characters of a point's line after its name
_LONGEST_ERROR = 500  # characters
_SPECIAL = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}
_VANISHED = "the run's folder was removed while it was written"
_ENDS = ("finished", "failed", "preempted")


class Run(Attachments):
    """A run that is being written. Safe to share between threads; a forked child writes a file of its own.

    Pickled, as when it is given to a worker process, it becomes a handle there that joins the same run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        name: str = "",
        experiment: str = "default",
        parent: str = "",
        group: str = "",
        is_owner: bool = True,
    ) -> None:
        self.id = folder.name
        self.name = name or Path(helper.entry_point()).stem or "run"
        self.experiment = experiment
        self.parent = parent
        self.group = group
        self.folder = folder
        self.is_owner = is_owner
        self.started_at = places.utc(time.time())
        self.resumed_at: list[str] = []
        self.outer: Run | None = None  # what was active where this one was started
        self.owner_lock: Held | None = None
        self.helper: helper.Helper | None = None
        self.digesting = []
        self.writer = Writer(folder, OWNER if is_owner else MEMBER)
        self._companion: Companion | None = None
        self._process = os.getpid()
        self._began = time.monotonic()
        self._status = "running"
        self._error = ""
        self._problems: list[str] = []
        self._lost = 0
        self._told = False
        self._lock = threading.RLock()  # a signal may end the run while it is being ended
        self._steps: dict[str, count[int]] = {}
        self._floor = 0  # the first step of a series that is not remembered
        self._prefixes: dict[str, str] = {}
        self._series: dict[object, str] = {}  # by name and context as they were given

    @property
    def status(self) -> str:
        """``running`` until it is ended, then ``finished``, ``failed`` or ``preempted``."""
        return self._status

    @property
    def root(self) -> Path:
        """The folder that keeps this record and others."""
        return self.folder.parent.parent

    def log_metric(
        self, name: str, value: float, step: int | None = None, context: Mapping[str, object] | str | None = None
    ) -> None:
        """Write one point; without a step, one more than the last of the same metric and context.

        ``context`` says of what the value is, such as ``{"subset": "val"}``, for which ``"val"`` is short.
        """
        try:
            self.writer.write(self._point(name, value, step, context).encode())
        except Exception as error:
            self.failed("metric", error, name)

    def log_metrics(
        self,
        metrics: Mapping[str, float],
        step: int | None = None,
        context: Mapping[str, object] | str | None = None,
    ) -> None:
        """Write one point of each of several metrics, at the same step, by one system call."""
        self._write_each("metric", metrics, lambda name, value: self._point(name, value, step, context))

    def log_param(self, name: str, value: object) -> None:
        """Write a parameter: text, numbers (numpy's too), booleans and None as they are, anything else as its text."""
        self._write_each("parameter", {name: value}, self._param)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Write several parameters."""
        self._write_each("parameter", params, self._param)

    def set_tag(self, name: str, value: object) -> None:
        """Write a tag, as text; a tag that is set again changes."""
        self._write_each("tag", {name: value}, self._tag)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Write several tags."""
        self._write_each("tag", tags, self._tag)

    def log_seeds(self, values: Mapping[str, int]) -> None:
        """Write what random generators were seeded with, by library."""
        self._write_each("seed", values, lambda name, value: self._text("seed", quoted(name), f'"value":{int(value)}'))

    def go_on_after(self, last_steps: Mapping[str, int]) -> None:
        """Let points without a step follow these, the last ones of each series."""
        self._steps = {name: count(step + 1) for name, step in last_steps.items()}

    def end(self, status: str = "finished", error: str = "") -> None:
        """End the run: sum it up, seal the record and tell the next command; once, and by its owner only.

        Raises:
            InputError: the status is none of finished, failed and preempted.
        """
        if status not in _ENDS:
            from mlgitops.errors import InputError

            raise InputError(f"a run cannot end as {status!r}; known: {', '.join(_ENDS)}")
        with self._lock:
            if self._status != "running":
                return
            self._status, self._error = status, error[:_LONGEST_ERROR]
        if os.getpid() != self._process:
            self.writer.close()
            return
        from mlgitops.tracking import ending, session

        raised: list[Exception] = []
        try:
            for step in (self._finish_helpers, self._write_end, self._tell_vanished, lambda: ending.end(self)):
                try:
                    step()
                except Exception as failure:
                    try:
                        self.failed("the end of the run", failure)
                    except Exception as strict:  # raised when the record says how the run ended
                        raised.append(strict)
        finally:
            self.writer.close()
            if self.owner_lock:
                self.owner_lock.close()
            session.leave(self)
            self.writer.on_reopening = lambda: atexit.register(ending.add_up_late, self)
        if raised:
            raise raised[0]

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from mlgitops.tracking import session

        session.leave(self)
        if error is None or (isinstance(error, SystemExit) and not error.code):
            self.end()
        else:
            self.end("failed", f"{type(error).__name__}: {error}")

    def __reduce__(self) -> tuple[Callable[..., Run], tuple[str, ...]]:
        from mlgitops.tracking.session import attach

        return attach, (str(self.root), self.id)

    def head(self) -> dict[str, object]:
        """Return what ``run.json`` says of a run from its start."""
        known = {
            "parent": self.parent,
            "group": self.group,
            "resumed_at": self.resumed_at,
            "problems": self.problems if self.resumed_at else [],
        }
        return {
            "format": places.FORMAT,
            "id": self.id,
            "name": self.name,
            "experiment": self.experiment,
            "status": self._status,
            "started_at": self.started_at,
            **{key: value for key, value in known.items() if value},
        }

    @property
    def problems(self) -> list[str]:
        """What the record lacks, in words."""
        lost = [f"{self._lost} values were not written"] if self._lost else []
        vanished = [_VANISHED] if self.writer.vanished else []
        return [*self._problems, *lost, *vanished, *([self._error] if self._error else [])]

    @property
    def seconds(self) -> float:
        """Seconds since the start, or since it was resumed."""
        return time.monotonic() - self._began

    def accompany(self, system_metrics: bool | float | None, push_every: float | None) -> None:
        """Have a companion process sample the machine and push this run, where that is asked for."""
        told = os.environ.get("MLGITOPS_SYSTEM_METRICS") or os.environ.get("MLGITOPS_PUSH_EVERY")
        if not self.is_owner or not (system_metrics or push_every or told):
            return
        from mlgitops.tracking import companion

        try:
            self._companion = companion.start(self.folder, system_metrics, push_every)
        except Exception as error:
            self.failed("system metrics and pushing", error)

    def finish_capture(self) -> None:
        """Wait for code and environment, and make them part of this record."""
        if self.helper and self.helper.owner == os.getpid():
            # A process that is taken away has other things to save.
            self.helper.wait(2.0 if self._status == "preempted" else helper.PATIENCE)
            self.helper.give(self.folder)
        if places.is_strict() and not (self.folder / places.CAPTURE).exists():
            from mlgitops.errors import OutsideError

            raise OutsideError(f"code and environment of run {self.id} were not captured")

    def add_problem(self, problem: str) -> None:
        """Say what the record lacks."""
        self._problems.append(problem)

    def failed(self, what: str, error: Exception, name: object = "") -> None:
        """Count what could not be written and tell it once; raise the error in strict mode."""
        if places.is_strict():
            raise error
        self._lost += error.lines if isinstance(error, TornError) else 1
        if self._told:
            return
        if isinstance(name, str) and name:
            what = f"{what} {name[:100]}"
        # Of a value that is none of its kind the message says enough.
        kind = "" if isinstance(error, ValueError | TypeError) else f"{type(error).__name__}: "
        problem = f"{what}: {kind}{error}"[:_LONGEST_ERROR]
        self._problems.append(problem)
        self._tell(problem)

    def _finish_helpers(self) -> None:
        """Let the processes beside this one write what they still have to say."""
        beside = self._companion.stop() if self._companion else ""
        for digesting in self.digesting:
            if self._status == "preempted" or digesting.wait(1.0):
                continue
            from mlgitops.tracking.digesting import PATIENCE

            print(f"mlgitops: waiting for the digest of data {digesting.name!a}", file=sys.stderr)
            digesting.wait(PATIENCE)
        lost = [f"the digest of data {one.name!a} was not made" for one in self.digesting if one.has_failed]
        lost += [f"the process beside training failed: {beside}"] if beside else []
        if lost and places.is_strict():
            from mlgitops.errors import OutsideError

            raise OutsideError("; ".join(lost))

    def _tell_vanished(self) -> None:
        """Tell what no write noticed: what is written to a removed file is nowhere."""
        if not self.writer.vanished:
            return
        if places.is_strict():
            from mlgitops.errors import OutsideError

            raise OutsideError(f"{self.folder}: {_VANISHED}")
        if not self._told:
            self._tell(_VANISHED)

    def _tell(self, problem: str) -> None:
        self._told = True
        print(f"mlgitops: run {self.id} is incomplete: {problem!a}; training goes on", file=sys.stderr)

    def _write_end(self) -> None:
        role = OWNER if self.is_owner else MEMBER
        self._line("end", quoted(self._status), f'"role":"{role}","error":{quoted(self._error)}')

    def _point(self, name: str, value: float, step: int | None, context: Mapping[str, object] | str | None) -> str:
        if context is not None:
            name = self._in_context(name, context)
        number = float(value)
        text = repr(number)
        if number - number != 0.0:
            text = _SPECIAL[text]
        prefix = self._prefixes.get(name) or self._prefix(name)
        if step is None:
            # Both calls are atomic, so that threads without a step never share one.
            step = next(self._steps.get(name) or self._steps.setdefault(name, count(self._floor)))
        else:
            step = int(step)
            self._steps[name] = count(step + 1)
        return f'{prefix}{text},"step":{step},"time":{time.time():.6f}}}\n'

    def _in_context(self, name: str, context: Mapping[str, object] | str) -> str:
        """Return the series of a metric in a context, its encoding being remembered."""
        asked = (name, type(context), str(context))  # its text, because values may be equal, or not hashable
        known = self._series.get(asked)
        if known is None or known not in self._prefixes:
            from mlgitops.tracking import series

            given = series.context_of(context)
            known = series.key(str(name), given)
            self._remember(known, f'{{"metric":{quoted(str(name))},"context":{dumps(given)},"value":')
            if len(self._series) >= _MOST_PREFIXES:
                self._series.clear()
            self._series[asked] = known
        return known

    def _prefix(self, name: str) -> str:
        return self._remember(name, f'{{"metric":{quoted(str(name))},"value":')

    def _remember(self, known: str, prefix: str) -> str:
        if len(self._prefixes) >= _MOST_PREFIXES:
            self._prefixes.clear()
        if len(self._steps) >= _MOST_STEPS:
            # Beyond so many series, steps that nobody gives may leave numbers out, and never repeat one.
            self._floor = max(self._floor, *(next(steps) for steps in self._steps.copy().values()))
            self._steps.clear()
        self._prefixes[known] = _fitting(prefix)
        return prefix

    def _param(self, name: str, value: object) -> str:
        if not (value is None or isinstance(value, str | bool | int)):
            number = value if isinstance(value, float) else _plain(value)
            is_finite = isinstance(number, bool | int) or (number is not None and number - number == 0.0)
            value = number if is_finite else str(value)
        return self._text("param", quoted(str(name)), f'"value":{dumps(value)}')

    def _tag(self, name: str, value: object) -> str:
        return self._text("tag", quoted(str(name)), f'"value":{quoted(str(value))}')

    def _write_each(self, what: str, values: Mapping[str, Any], line: Callable[[str, Any], str]) -> None:
        """Write a line for each value; one that cannot be written does not take the others with it."""
        try:
            pairs: Iterable[tuple[str, Any]] = list(values.items())
        except Exception as error:
            self.failed(f"{what}s", error)
            return
        lines = []
        for name, value in pairs:
            try:
                lines.append(line(name, value))
            except Exception as error:
                self.failed(what, error, name)
        for start in range(0, len(lines), _MOST_LINES):
            some = lines[start : start + _MOST_LINES]
            try:
                self.writer.write("".join(some).encode())
            except Exception as error:
                self.failed(what, error)

    def _text(self, kind: str, value: str, rest: str) -> str:
        comma = "," if rest else ""
        return _fitting(f'{{"{kind}":{value}{comma}{rest},"time":{time.time():.6f}}}\n')

    def _line(self, kind: str, value: str, rest: str = "") -> None:
        self.writer.write(self._text(kind, value, rest).encode())


def _plain(value: object) -> bool | int | float | None:
    """Return a number of numpy as one of Python, None for anything else."""
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not isinstance(value, numpy.generic):
        return None
    if isinstance(value, numpy.floating):
        return float(str(value))  # the shortest that is the same number, as 0.1 is of 32 bits
    found = value.item()
    return found if isinstance(found, bool | int) else None


def _fitting(line: str) -> str:
    """Return a line, or its beginning, that readers take for one of ours; they stop at one that is longer."""
    if len(line) > places.LONGEST_LINE - _LONGEST_END:
        raise ValueError(f"{len(line)} characters are too long for a line; at most {places.LONGEST_LINE} are read")
    return line
