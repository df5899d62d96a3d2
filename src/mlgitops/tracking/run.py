"""One run's handle: what a training script writes through, and what ends the run.

``log_metric``, ``log_param`` and ``set_tag`` never raise into training: what cannot be
written is counted, told once, and named in the record. ``MLGITOPS_STRICT=1`` raises
instead. What the caller can correct (``log_artifact``, ``log_dataset``, ``log_model``)
raises always.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from itertools import count
from json import dumps
from json.encoder import encode_basestring_ascii as quoted
from pathlib import Path
from types import TracebackType

from mlgitops.tracking import helper, places
from mlgitops.tracking.writer import Writer

TYPE_CHECKING = False  # a name that type checkers read as true, without importing typing
if TYPE_CHECKING:
    from typing import Any

    from mlgitops.tracking.records import Dataset, LoggedModel

_MOST_PREFIXES = 10_000  # metric names whose encoding is remembered
_LONGEST_ERROR = 500  # characters
_SPECIAL = {"nan": '"NaN"', "inf": '"Infinity"', "-inf": '"-Infinity"'}


class Run:
    """A run that is being written. Safe to share between threads; a forked child writes a file of its own."""

    def __init__(self, name: str, experiment: str, tags: Mapping[str, object], root: Path) -> None:
        self.id = places.new_run_id()
        self.name = name or Path(helper.entry_point()).stem or "run"
        self.experiment = experiment
        self.folder = root / "runs" / self.id
        self._owner = os.getpid()
        self._started = time.time()
        self._status = "running"
        self._error = ""
        self._problems: list[str] = []
        self._lost = 0
        self._lock = threading.Lock()
        self._steps: dict[str, count[int]] = {}
        self._prefixes: dict[str, str] = {}
        self._writer = Writer(self.folder)
        self._helper: helper.Helper | None = None
        self._begin(root)
        self.set_tags(tags)

    @property
    def status(self) -> str:
        """``running`` until it is ended, then ``finished`` or ``failed``."""
        return self._status

    def log_metric(self, name: str, value: float, step: int | None = None) -> None:
        """Write one point; without a step, one more than the metric's last."""
        try:
            number = float(value)
            text = repr(number)
            if number - number != 0.0:
                text = _SPECIAL[text]
            if step is None:
                # Both calls are atomic, so that threads without a step never share one.
                step = next(self._steps.get(name) or self._steps.setdefault(name, count()))
            else:
                step = int(step)
                self._steps[name] = count(step + 1)
            prefix = self._prefixes.get(name) or self._prefix(name)
            self._writer.write(f'{prefix}{text},"step":{step},"time":{time.time():.6f}}}\n'.encode())
        except Exception as error:
            self._failed("metric", error, name)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Write one point of each of several metrics, at the same step."""
        self._each("metrics", metrics, lambda name, value: self.log_metric(name, value, step))

    def log_param(self, name: str, value: object) -> None:
        """Write a parameter: text, numbers, booleans and None as they are, anything else as its text."""
        try:
            if not (value is None or isinstance(value, str | bool | int)):
                number = value if isinstance(value, float) else None
                value = number if number is not None and number - number == 0.0 else str(value)
            self._line("param", quoted(str(name)), f'"value":{dumps(value)}')
        except Exception as error:
            self._failed("parameter", error, name)

    def log_params(self, params: Mapping[str, object]) -> None:
        """Write several parameters."""
        self._each("parameters", params, self.log_param)

    def set_tag(self, name: str, value: object) -> None:
        """Write a tag, as text; a tag that is set again changes."""
        try:
            self._line("tag", quoted(str(name)), f'"value":{quoted(str(value))}')
        except Exception as error:
            self._failed("tag", error, name)

    def set_tags(self, tags: Mapping[str, object]) -> None:
        """Write several tags."""
        self._each("tags", tags, self.set_tag)

    def log_artifact(self, path: str | os.PathLike[str], name: str | None = None) -> Path:
        """Copy a file or folder into the record, as ``artifacts/<name>``, and return the copy.

        Raises:
            NotFoundError: there is nothing at the path.
            InputError: the name is no plain relative path, or the copy exists already.
            OutsideError: it cannot be copied.
        """
        from mlgitops.tracking.contents import copy_artifact

        return copy_artifact(Path(path), self.folder / places.ARTIFACTS, name)

    def log_dataset(
        self,
        data: object,
        name: str | None = None,
        context: str | None = None,
    ) -> Dataset:
        """Write which data the run used: its name, rows and the digest of its full content.

        Args:
            data: a file or folder, a numpy array, a pandas frame or series, or a tuple, list or mapping of such.
            name: what the data is called; for a path its name.
            context: what it was used for, such as ``training``.

        Raises:
            NotFoundError: there is nothing at the path.
            InputError: data of this kind has no digest yet.
        """
        from mlgitops.tracking.datasets import describe

        found, line = describe(data, name, context)
        self._line("dataset", dumps(line), "")
        return found

    def log_model(self, model: Any, name: str = "model", **options: Any) -> LoggedModel:
        """Save a model as a package of this run; see ``mlgitops.packages.save`` for the options.

        Raises:
            InputError: the name is no plain name, or the model cannot be saved safely.
            MissingExtraError: the framework of its format is not installed.
        """
        from mlgitops.tracking.models import save

        logged = save(self.folder, model, name, options)
        line = {"name": logged.name, "path": logged.path, "digest": logged.digest, "format": logged.format}
        self._line("model", dumps(line), "")
        return logged

    def end(self, status: str = "finished", error: str = "") -> None:
        """End the run: sum it up, seal the record and tell the next command; once, and by its owner only."""
        with self._lock:
            if self._status != "running":
                return
            self._status, self._error = status, error[:_LONGEST_ERROR]
        if os.getpid() != self._owner:
            self._writer.close()
            return
        from mlgitops.tracking import ending

        try:
            ending.end(self)
        except Exception as failure:
            self._failed("the end of the run", failure)
        finally:
            self._writer.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from mlgitops.tracking import session

        session.leave(self)
        if error is None:
            self.end()
        else:
            self.end("failed", f"{type(error).__name__}: {error}")

    def head(self) -> dict[str, object]:
        """Return what ``run.json`` says of a run from its start."""
        return {
            "format": places.FORMAT,
            "id": self.id,
            "name": self.name,
            "experiment": self.experiment,
            "status": self._status,
            "started_at": places.utc(self._started),
        }

    @property
    def problems(self) -> list[str]:
        """What the record lacks, in words."""
        lost = [f"{self._lost} values were not written"] if self._lost else []
        vanished = ["the run's folder was removed while it was written"] if self._writer.vanished else []
        return [*self._problems, *lost, *vanished, *([self._error] if self._error else [])]

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.time() - self._started

    def finish_capture(self) -> None:
        """Wait for code and environment, and make them part of this record."""
        if self._helper and self._helper.owner == os.getpid():
            self._helper.wait()
            self._helper.give(self.folder)

    def _begin(self, root: Path) -> None:
        try:
            places.prepare(root)
            self.folder.mkdir(parents=True)
            experiment = root / "experiments" / places.slug(self.experiment) / "experiment.json"
            if not experiment.exists():
                experiment.parent.mkdir(parents=True, exist_ok=True)
                experiment.write_text(f'{{"format":{places.FORMAT},"name":{quoted(self.experiment)}}}\n', "ascii")
            # Not files.write_atomic: what it imports would be half of the time that a start takes.
            new = self.folder / f".{places.RUN}"
            new.write_text(dumps(self.head()) + "\n", "ascii")
            new.replace(self.folder / places.RUN)
            self._writer.open()
            self._helper = helper.capture(self.folder)
        except OSError as error:
            self._failed("the start of the run", error)

    def _each(self, what: str, values: Mapping[str, Any], log: Callable[[str, Any], None]) -> None:
        try:
            pairs = list(values.items())
        except Exception as error:
            self._failed(what, error)
            return
        for name, value in pairs:
            log(name, value)

    def _line(self, kind: str, value: str, rest: str) -> None:
        comma = "," if rest else ""
        self._writer.write(f'{{"{kind}":{value}{comma}{rest},"time":{time.time():.6f}}}\n'.encode())

    def _prefix(self, name: str) -> str:
        if len(self._prefixes) >= _MOST_PREFIXES:
            self._prefixes.clear()
        self._prefixes[name] = prefix = f'{{"metric":{quoted(str(name))},"value":'
        return prefix

    def _failed(self, what: str, error: Exception, name: object = "") -> None:
        if os.environ.get("MLGITOPS_STRICT") == "1":
            raise error
        self._lost += 1
        if self._lost == 1:
            if isinstance(name, str) and name:
                what = f"{what} {name[:100]}"
            problem = f"{what}: {type(error).__name__}: {error}"[:_LONGEST_ERROR]
            self._problems.append(problem)
            print(f"mlgitops: run {self.id} is incomplete: {problem!a}; training goes on", file=sys.stderr)
