"""Whatever is logged reads back, and whatever bytes are in a record, reading it is safe."""

from __future__ import annotations

import json
import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlgitops import tracking
from tracking_runs import new_run

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
texts = st.text(max_size=40)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | texts
few = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(params=st.dictionaries(texts, scalars, max_size=5), values=st.lists(st.floats(), min_size=1, max_size=20))
def test_what_is_logged_reads_back(
    params: dict[str, object], values: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = new_run(Path(folder), "run")
        run.log_params(params)
        for value in values:
            run.log_metric("m", value)
        record = tracking.read(run.folder)
        points = [point.value for point in tracking.read_points(run.folder)]
        run.end()
        ended = tracking.read(run.folder)
    finite = {key: str(v) if isinstance(v, float) and not math.isfinite(v) else v for key, v in params.items()}
    assert record.params == ended.params == finite
    assert [repr(value) for value in points] == [repr(value) for value in values]
    assert repr(record.metrics) == repr(ended.metrics)
    assert record.metrics["m"].count == len(values)


@few
@given(cut=st.integers(0, 2000), junk=st.binary(max_size=60))
def test_a_file_that_was_cut_anywhere_keeps_every_whole_line(cut: int, junk: bytes) -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "runs" / RUN
        folder.mkdir(parents=True)
        (folder / "run.json").write_text(json.dumps({"format": 1, "id": RUN, "status": "running"}))
        whole = [f'{{"metric":"m","value":{n}.0,"step":{n},"time":1.0}}\n'.encode() for n in range(40)]
        data = b"".join(whole)[:cut]
        (folder / "w-x-1-0.jsonl").write_bytes(data + junk.replace(b"\n", b""))
        kept = [point.value for point in tracking.read_points(folder)]
        tracking.read(folder)
    expected = data.count(b"\n")
    assert kept[:expected] == [float(n) for n in range(expected)]
    assert len(kept) <= expected + 1


@few
@given(data=st.binary(max_size=300), lines=st.binary(max_size=300))
def test_no_bytes_make_reading_fail_in_an_unexpected_way(data: bytes, lines: bytes) -> None:
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top) / "runs" / RUN
        folder.mkdir(parents=True)
        (folder / "run.json").write_bytes(data)
        (folder / "w-x-1-0.jsonl").write_bytes(lines)
        assert tracking.list_runs(Path(top)) == ()
        (folder / "run.json").write_text('{"format": 1, "status": "running"}')
        assert tracking.read(folder).id == RUN
