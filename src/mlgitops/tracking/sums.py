"""What the lines of a run, or its final ``run.json``, add up to.

Records come from anywhere: wrong types are left out and counted, and nothing that they say is
trusted beyond being text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlgitops import digest as digests
from mlgitops.tracking import places, unsaved
from mlgitops.tracking.points import Summing, lines, to_number, to_point, writers
from mlgitops.tracking.shapes import Dataset, LoggedModel, Media, MetricSummary, Scalar, Shared
from mlgitops.tracking.voices import Voice, voice
from mlgitops.tracking.writer import MEMBER

_SCALARS = (str, int, float, bool, type(None))  # a tuple, since a union would be made anew for each of a million values
MOST_SERIES = 100_000  # that are summed up; a run may have points of more


@dataclass(slots=True)
class Contents:
    """What the lines of a run's writers add up to."""

    params: dict[str, Scalar] = field(default_factory=dict)
    metrics: dict[str, MetricSummary] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    datasets: list[Dataset] = field(default_factory=list)
    models: list[LoggedModel] = field(default_factory=list)
    saving: dict[str, str] = field(
        default_factory=dict
    )  # names of models that a process beside training saves, by token
    media: list[Media] = field(default_factory=list)
    seeds: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)  # what processes that are not the owner could not do
    damaged: int = 0
    newer: int = 0  # the highest format of a writer that is higher than ours
    not_summed: int = 0  # points of series beyond the first ``MOST_SERIES``
    shared: dict[str, Shared] = field(default_factory=dict)

    def problems(self, *, is_running: bool = False) -> list[str]:
        """Return what the lines lack, in words; of a run that goes on, digests of data are still being made."""
        found = self.unsaid()
        late = [] if is_running else [dataset.name for dataset in self.datasets if not dataset.digest]
        found += [f"the digest of data {name} was not made" for name in late]
        if self.damaged:
            found.append(f"{self.damaged} damaged lines were left out")
        return found

    def unsaid(self) -> list[str]:
        """Return those problems that no other part of a ``run.json`` tells, so that it must name them."""
        found = list(self.failures)
        if self.newer:
            found.append(f"a newer mlgitops wrote to it (format {self.newer}, known is {places.FORMAT}); update")
        if self.not_summed:
            found.append(f"only the first {MOST_SERIES} metrics are summed up; {self.not_summed} points are of others")
        return found


def summarise(folder: Path) -> Contents:
    """Add up the lines of a run's writers."""
    contents, total = Contents(), Total()
    for path in writers(folder):
        whose: Voice | None = None
        sums: dict[str, Summing] = {}
        for line in lines(path):
            whose = whose or voice(line, path.name)
            if point := to_point(line):
                summing = sums.get(point.metric)
                if summing is None:
                    if len(sums) >= MOST_SERIES:
                        contents.not_summed += 1
                        continue
                    summing = sums[point.metric] = Summing(whose.order)
                summing.add(point)
            elif not take(line, contents):
                contents.damaged += 1
        if whose:
            total.add(whose, sums)
    total.tell(contents)
    return contents


class Total:
    """Adds up what the files of a run add up to, taken in the order in which they began."""

    def __init__(self) -> None:
        self._sums: dict[str, Summing] = {}
        self._voices: dict[str, frozenset[Voice]] = {}
        self._left_out = 0

    def add(self, whose: Voice, sums: Mapping[str, Summing]) -> None:
        """Take in the sums of one file, which are this object's from now on."""
        alone = frozenset((whose,))
        for name, summing in sums.items():
            known = self._sums.get(name)
            if known is not None:
                known.merge(summing)
                self._voices[name] |= alone
            elif len(self._sums) < MOST_SERIES:
                self._sums[name], self._voices[name] = summing, alone
            else:
                self._left_out += summing.count

    def tell(self, contents: Contents) -> None:
        """Say what all of it adds up to."""
        contents.not_summed += self._left_out
        contents.metrics = {name: MetricSummary(*summing.values()) for name, summing in self._sums.items()}
        for name, voices in self._voices.items():
            if len(voices) > 1:
                first = min(voices)
                contents.shared[name] = Shared(len(voices), first.name if first.leads else "")


def of_run_json(raw: Mapping[str, Any]) -> Contents:
    """Return what a final run.json says."""
    contents = Contents()
    for name, value in _pairs(raw.get("params")):
        if _is_scalar(value):
            contents.params[name] = value
    for name, value in _pairs(raw.get("metrics")):
        summary = _summary(value) if isinstance(value, dict) else None
        if summary:
            contents.metrics[name] = summary
    contents.tags = {name: value for name, value in _pairs(raw.get("tags")) if isinstance(value, str)}
    contents.seeds = {name: value for name, value in _pairs(raw.get("seeds")) if type(value) is int}
    for kind in ("dataset", "model", "media"):
        found = raw.get("media" if kind == "media" else f"{kind}s")
        for item in found if isinstance(found, list) else []:
            take({kind: item}, contents)
    saving = raw.get("saving")
    for item in saving if isinstance(saving, list) else []:
        take({"model": {**item, "pending": True} if isinstance(item, dict) else item}, contents)
    for name, value in _pairs(raw.get("shared")):
        if isinstance(value, dict) and type(count := value.get("writers")) is int and name in contents.metrics:
            contents.shared[name] = Shared(count, text(value.get("last")))
    contents.damaged = raw["damaged"] if type(raw.get("damaged")) is int else 0
    return contents


def take(line: Mapping[str, Any], contents: Contents) -> bool:
    """Take in a line that is no point; say whether it made sense."""
    value = line.get("value")
    if isinstance(name := line.get("param"), str) and _is_scalar(value):
        contents.params[name] = value
    elif isinstance(name := line.get("tag"), str) and isinstance(value, str):
        contents.tags[name] = value
    elif isinstance(name := line.get("seed"), str) and type(value) is int:
        contents.seeds[name] = value
    elif isinstance(item := line.get("dataset"), dict):
        return _take_dataset(item, contents)
    elif isinstance(item := line.get("model"), dict):
        return _take_model(item, contents)
    elif isinstance(item := line.get("media"), dict):
        return _take_media(item, contents)
    elif isinstance(end := line.get("end"), str):
        if end == "failed" and line.get("role") == MEMBER:
            contents.failures.append(f"a process that took part failed: {text(line.get('error'))[:500]}")
    elif isinstance(line.get("writer"), dict):
        found = line.get("format")
        if type(found) is int and found > places.FORMAT:
            contents.newer = max(contents.newer, found)
    else:
        return contents.newer > 0 and bool(line)  # what a newer writer says is not damage
    return True


def text(value: object) -> str:
    """Return a value that should be text, empty when it is something else."""
    return value if isinstance(value, str) else ""


def _take_dataset(item: Mapping[str, Any], contents: Contents) -> bool:
    name, digest, rows = text(item.get("name")), text(item.get("digest")), item.get("rows")
    if not name or not (item.get("pending") is True or digests.PATTERN.fullmatch(digest)):
        return False
    dataset = Dataset(
        name=name,
        digest=digest if digests.PATTERN.fullmatch(digest) else "",
        context=text(item.get("context")) or None,
        uri=text(item.get("uri")) or None,
        rows=rows if type(rows) is int and rows >= 0 else None,
    )
    # A helper's answer takes the place of the question, whichever line is read first.
    same = [known for known in contents.datasets if (known.name, known.uri) == (name, dataset.uri)]
    if not dataset.digest and any(known.digest for known in same):
        return True
    contents.datasets = [known for known in contents.datasets if known.digest or known not in same]
    contents.datasets.append(dataset)
    return True


def _take_model(item: Mapping[str, Any], contents: Contents) -> bool:
    name, digest, token = (text(item.get(key)) for key in ("name", "digest", "token"))
    if not name or (token and not unsaved.is_promise(name, token)):
        return False
    is_pending, problem = item.get("pending") is True and bool(token), text(item.get("problem"))
    if not (is_pending or problem or digests.PATTERN.fullmatch(digest)):
        return False
    if token and not is_pending and contents.saving.get(token) != name:
        return True  # the answer for what was logged again before it came
    # A name that was logged again names the newest model only.
    contents.models = [model for model in contents.models if model.name != name]
    contents.saving = {key: other for key, other in contents.saving.items() if other != name}
    if is_pending:
        contents.saving[token] = name
        return True
    if problem:
        contents.failures.append(f"model {name} was not saved: {problem[:500]}")
        return True
    contents.models.append(LoggedModel(name, text(item.get("path")), digest, text(item.get("format"))))
    return True


def _take_media(item: Mapping[str, Any], contents: Contents) -> bool:
    kind, name, path, step = text(item.get("kind")), item.get("name"), text(item.get("path")), item.get("step")
    if not kind or not path or not isinstance(name, str) or not (step is None or type(step) is int):
        return False
    contents.media.append(Media(kind, name, path, step))
    return True


def _summary(raw: Mapping[str, Any]) -> MetricSummary | None:
    get = raw.get
    last, lowest, highest, mean, count, step = (
        get("last"),
        get("min"),
        get("max"),
        get("mean"),
        get("count"),
        get("step"),
    )
    if type(count) is not int or type(step) is not int:
        return None
    # The common case first: an index of ten thousand runs reads a hundred thousand of these.
    if not type(last) is type(lowest) is type(highest) is type(mean) is float:
        last, lowest, highest, mean = map(to_number, (last, lowest, highest, mean))
        if last is None or lowest is None or highest is None or mean is None:
            return None
    return MetricSummary(last, lowest, highest, mean, count, step)


def _is_scalar(value: object) -> bool:
    return isinstance(value, _SCALARS)


def _pairs(raw: object) -> list[tuple[str, Any]]:
    return list(raw.items()) if isinstance(raw, dict) else []
