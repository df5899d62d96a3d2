"""Adds up the lines of a live run, reading only those that were written since the last time."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from mlgitops.tracking import sums as limits
from mlgitops.tracking.points import Summing, raw_lines, to_object, to_point, writers
from mlgitops.tracking.records import Contents, MetricSummary, take
from mlgitops.tracking.voices import Voice, voice


class Tails:
    """How far each writer's file of a run was read, and what it adds up to until there.

    ``continued`` says whether every file that was known only grew, so that nothing that was said is unsaid;
    ``sizes`` holds what the files' sizes (bytes) and times (nanoseconds) were just before reading.
    """

    def __init__(self, text: str = "") -> None:
        """Go on from what ``dump`` returned; anything else means from the start."""
        try:
            found = json.loads(text) if text else {}
        except ValueError:
            found = {}
        self._files: dict[str, dict[str, Any]] = found
        self.sizes: dict[str, tuple[int, int]] = {}
        self.continued = bool(found)

    def dump(self) -> str:
        """Return the state as text."""
        return json.dumps(self._files, separators=(",", ":"))

    def sum_up(self, folder: Path) -> Contents:
        """Read on, and return what the run's lines add up to, as ``records.summarise`` does."""
        files = {path.name: self._read_on(path) for path in writers(folder)}
        self.continued = self.continued and self._files.keys() <= files.keys()
        self._files = files
        contents, total = Contents(), limits.Total()
        for file in self._files.values():
            contents.params |= file["params"]
            contents.tags |= file["tags"]
            contents.seeds |= file["seeds"]
            contents.damaged += file["damaged"]
            contents.newer = max(contents.newer, file["newer"])
            contents.not_summed += file["not_summed"]
            contents.failures += file["failures"]
            for kind, item in file["items"]:
                take({kind: item}, contents)
            total.add(Voice(*file["voice"]), {name: Summing.resume(state) for name, state in file["sums"].items()})
        total.tell(contents)
        return contents

    def grow(self, folder: Path) -> dict[str, MetricSummary] | None:
        """Read on in the files that are known, and return what the metrics with new points add up to.

        None when that cannot be said by the new lines alone: one is no point, or a file is another one;
        nothing of what this object says counts then.
        """
        changed: set[str] = set()
        for name, file in self._files.items():
            try:
                status = os.lstat(f"{folder}/{name}")
            except OSError:
                return None
            self.sizes[name] = (status.st_size, status.st_mtime_ns)
            if file["inode"] != status.st_ino or file["offset"] > status.st_size:
                return None
            if file["offset"] == status.st_size:
                continue
            for raw in raw_lines(folder / name, file["offset"]):
                point = to_point(to_object(raw))
                if point is None:
                    return None
                file["offset"] += len(raw)
                if point.metric not in file["sums"]:
                    is_shared = any(point.metric in other["sums"] for other in self._files.values())
                    if is_shared or len(file["sums"]) >= limits.MOST_SERIES:
                        return None  # to be read again as a whole, which tells who logs it, and what is left out
                    file["sums"][point.metric] = Summing(file["voice"][0]).state()
                summing = Summing.resume(file["sums"][point.metric])
                summing.add(point)
                file["sums"][point.metric] = summing.state()
                changed.add(point.metric)
        return {name: self._summary(name) for name in changed}

    def _summary(self, name: str) -> MetricSummary:
        first, *others = (Summing.resume(file["sums"][name]) for file in self._files.values() if name in file["sums"])
        for later in others:
            first.merge(later)
        return MetricSummary(*first.values())

    def _read_on(self, path: Path) -> dict[str, Any]:
        status = path.stat()
        self.sizes[path.name] = (status.st_size, status.st_mtime_ns)
        file = self._files.get(path.name)
        if file is not None and (file["inode"] != status.st_ino or file["offset"] > status.st_size):
            file, self.continued = None, False
        if file is None:
            file = {
                "inode": status.st_ino,
                "offset": 0,
                "voice": voice({}, path.name),
                "params": {},
                "tags": {},
                "seeds": {},
                "items": [],
                "damaged": 0,
                "newer": 0,
                "not_summed": 0,
                "failures": [],
                "sums": {},
            }
        if file["offset"] == status.st_size:
            return file
        contents = Contents(
            params=file["params"],
            tags=file["tags"],
            seeds=file["seeds"],
            failures=file["failures"],
            damaged=file["damaged"],
            newer=file["newer"],
        )
        sums = {name: Summing.resume(state) for name, state in file["sums"].items()}
        any_before = file["offset"] > 0
        for raw in raw_lines(path, file["offset"]):
            file["offset"] += len(raw)
            line = to_object(raw)
            if not any_before:
                file["voice"], any_before = voice(line, path.name), True
            if point := to_point(line):
                summing = sums.get(point.metric)
                if summing is None:
                    if len(sums) >= limits.MOST_SERIES:
                        file["not_summed"] += 1
                        continue
                    summing = sums[point.metric] = Summing(file["voice"][0])
                summing.add(point)
            elif not take(line, contents):
                contents.damaged += 1
            else:
                file["items"] += [(kind, line[kind]) for kind in ("dataset", "model", "media") if kind in line]
        file["damaged"], file["newer"] = contents.damaged, contents.newer
        file["sums"] = {name: summing.state() for name, summing in sums.items()}
        return file
