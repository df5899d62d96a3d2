"""Whatever is asked, the index answers what a plain reading of the records answers."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlgitops import tracking
from mlgitops.tracking import RunRecord
from mlgitops.tracking.query import reading
from mlgitops.tracking.query.language import FilterError
from mlgitops.tracking.query.parser import parse_filter, parse_order
from mlgitops.tracking.query.search import search_runs
from mlgitops.tracking.query.team import duck, shelf
from mlgitops.tracking.query.team import parts as team_parts
from mlgitops.tracking.query.team.shelf import Shard

pytestmark = pytest.mark.slow

NUMBERS = (-math.inf, -1.5, 0.0, 0.1, 1.0, 2.0, 1e300, math.inf)
TEXTS = ("", "0.1", "1", "True", "None", "relu", "Relu", "rel%", "re'lu", "naïve", "日本", "a_b", "axb", "-inf")
PARAMS: tuple[Any, ...] = (*TEXTS, 1, 0.1, True, False, None, 10**30, -1.5)
KEYS = ("a", "b.c", "val/loss", "ключ", 'quo"te', "max")
DIGESTS = ("sha256:" + "0" * 64, "sha256:" + "1" * 64)


def special(value: float) -> float | str:
    return value if math.isfinite(value) else "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, tuple[RunRecord, ...]]]:
    """Thirty records in which every value meets every other sooner or later."""
    root = tmp_path_factory.mktemp("records")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        for number in range(30):
            write(root, number)
        yield root, tracking.list_runs(root)


def write(root: Path, number: int) -> None:
    folder = root / "runs" / f"01{number:024d}"
    folder.mkdir(parents=True)
    values = [*NUMBERS, math.nan]
    numbers = [special(values[(number + shift) % len(values)]) for shift in range(4)]
    summary = dict(zip(("last", "min", "max", "mean"), numbers, strict=True)) | {"count": number, "step": number % 3}
    present = [key for place, key in enumerate(KEYS) if (number + place) % 4]
    record = {
        "format": 1,
        "id": folder.name,
        "name": TEXTS[number % len(TEXTS)],
        "experiment": "even" if number % 2 == 0 else "odd",
        "status": "finished" if number % 5 else "failed",
        "started_at": f"2026-01-{number + 1:02d}T12:00:00.000Z",
        "finished_at": f"2026-01-{number + 1:02d}T12:{number:02d}:00.000Z" if number % 3 else None,
        "metrics": dict.fromkeys(present, summary),
        "params": {key: PARAMS[(number * 7 + place) % len(PARAMS)] for place, key in enumerate(present)},
        "tags": {key: TEXTS[(number * 3 + place) % len(TEXTS)] for place, key in enumerate(present)},
        "datasets": [
            {"name": name, "digest": DIGESTS[(number + place) % 2], "context": context, "rows": number}
            for place, (name, context) in enumerate((("iris", "train"), ("train", None)))
            if (number + place) % 3
        ],
    }
    (folder / "run.json").write_text(json.dumps(record))
    if number % 4:
        code = {"commit": "abc" if number % 2 else "", "dirty": number % 3 == 0}
        (folder / "capture.json").write_text(json.dumps({"format": 1, "code": code}))


@dataclass(frozen=True)
class Asked:
    """A filter, and the same question in plain Python."""

    text: str
    holds: Callable[[RunRecord], bool]


Values = Callable[[RunRecord], list[Any]]
COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<>": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def as_number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return None if math.isnan(number) else number


def quote(key: str) -> str:
    return "`" + key + "`"


def literal(value: str | float) -> str:
    return repr(value) if isinstance(value, float) else "'" + value.replace("'", "''") + "'"


def some(values: Values, test: Callable[[Any], bool]) -> Callable[[RunRecord], bool]:
    return lambda record: any(value is not None and test(value) for value in values(record))


def metric(key: str, part: str) -> Values:
    return lambda record: [as_number(getattr(record.metrics[key], part))] if key in record.metrics else []


def texts_of(group: str, key: str) -> Values:
    return lambda record: [str(getattr(record, group)[key])] if key in getattr(record, group) else []


def numbers_of(group: str, key: str) -> Values:
    return lambda record: [as_number(getattr(record, group)[key])] if key in getattr(record, group) else []


def attribute(name: str) -> Values:
    return lambda record: [getattr(record, name) or None]


def data(name: str, part: str) -> Values:
    return lambda record: [getattr(d, part) or None for d in record.datasets if name in ("", d.name, d.context)]


def code(part: str) -> Values:
    return lambda record: [str(getattr(record.source, part)) or None] if record.source else []


numbers = st.sampled_from(NUMBERS)
texts = st.sampled_from(TEXTS)
keys = st.sampled_from(KEYS)
groups = st.sampled_from(("params", "tags"))
parts = st.sampled_from(("last", "min", "max", "mean", "count", "step"))
text_fields = st.one_of(
    st.tuples(groups, keys).map(lambda pair: (f"{pair[0]}.{quote(pair[1])}", texts_of(*pair))),
    st.sampled_from([("name", attribute("name")), ("attributes.experiment_name", attribute("experiment"))]),
    st.sampled_from([("git.commit", code("commit")), ("git.dirty", code("dirty"))]),
    st.sampled_from(["", "train", "iris", "nothing"]).map(
        lambda name: (f"dataset.{name}.digest".replace("..", "."), data(name, "digest"))
    ),
)
metric_fields = st.one_of(
    st.tuples(keys, parts).map(lambda pair: (f"metrics.{quote(pair[0])}.{pair[1]}", metric(*pair))),
    keys.map(lambda key: (f"metric.{quote(key)}", metric(key, "last"))),
)
number_fields = metric_fields | (
    st.tuples(groups, keys).map(lambda pair: (f"{pair[0]}.{quote(pair[1])}", numbers_of(*pair)))
)
known_texts = texts | st.sampled_from(["even", "abc", "False", *DIGESTS])


@st.composite
def comparisons(draw: st.DrawFn) -> Asked:
    if draw(st.booleans()):
        name, values = draw(text_fields)
        value: Any = draw(known_texts)
    else:
        name, values = draw(number_fields)
        value = draw(numbers)
    operator = draw(st.sampled_from(sorted(COMPARE)))
    return Asked(f"{name} {operator} {literal(value)}", some(values, lambda found: COMPARE[operator](found, value)))


@st.composite
def lists(draw: st.DrawFn) -> Asked:
    key, group = draw(keys), draw(groups)
    wanted = draw(st.lists(numbers | known_texts, min_size=1, max_size=4))
    inside = [value for value in wanted if isinstance(value, str)]
    counted = [value for value in wanted if isinstance(value, float)]
    negated = draw(st.booleans())

    def holds(record: RunRecord) -> bool:
        if not (found := texts_of(group, key)(record)):
            return False
        number = numbers_of(group, key)(record)[0]
        if negated:
            return found[0] not in inside and (not counted or (number is not None and number not in counted))
        return found[0] in inside or (number is not None and number in counted)

    words = "not in" if negated else "IN"
    return Asked(f"{group}.{quote(key)} {words} ({', '.join(literal(value) for value in wanted)})", holds)


@st.composite
def patterns(draw: st.DrawFn) -> Asked:
    name, values = draw(text_fields)
    pattern = "".join(draw(st.lists(st.sampled_from(["%", "_", "re", "LU", "a", "0", "'"]), max_size=5)))
    ignoring, negated = draw(st.booleans()), draw(st.booleans())
    expression = "".join({"%": ".*", "_": "."}.get(c, re.escape(c)) for c in pattern)

    def test(found: str) -> bool:
        return bool(re.fullmatch(expression, found, re.DOTALL | (re.I if ignoring else 0))) != negated

    words = ("not " if negated else "") + ("ilike" if ignoring else "LIKE")
    return Asked(f"{name} {words} {literal(pattern)}", some(values, test))


@st.composite
def absences(draw: st.DrawFn) -> Asked:
    group, key, negated = draw(groups), draw(keys), draw(st.booleans())
    words = "is not null" if negated else "IS NULL"
    return Asked(f"{group}.{quote(key)} {words}", lambda record: (key in getattr(record, group)) == negated)


def joined(terms: list[Asked], word: str, over: Callable[[Iterator[bool]], bool]) -> Asked:
    text = f" {word} ".join(f"({term.text})" for term in terms)
    return Asked(text, lambda record: over(term.holds(record) for term in terms))


questions = st.recursive(
    comparisons() | lists() | patterns() | absences(),
    lambda terms: st.one_of(
        st.lists(terms, min_size=1, max_size=3).map(lambda found: joined(found, "and", all)),
        st.lists(terms, min_size=1, max_size=3).map(lambda found: joined(found, "OR", any)),
        terms.map(lambda term: Asked(f"not ({term.text})", lambda record: not term.holds(record))),
    ),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(asked=questions)
def test_a_filter_finds_what_plain_python_finds(asked: Asked, records: tuple[Path, tuple[RunRecord, ...]]) -> None:
    root, all_runs = records
    assert [run.id for run in search_runs(asked.text, root=root)] == [run.id for run in all_runs if asked.holds(run)]


@settings(max_examples=60, deadline=None)
@given(field=metric_fields, descending=st.booleans(), limit=st.integers(0, 40))
def test_an_order_puts_missing_values_last_and_the_newest_first_among_equals(
    field: tuple[str, Values], descending: bool, limit: int, records: tuple[Path, tuple[RunRecord, ...]]
) -> None:
    (name, values), (root, all_runs) = field, records

    def key(run: RunRecord) -> tuple[bool, float]:
        found = [value for value in values(run) if value is not None]
        return not found, (-found[0] if descending else found[0]) if found else 0.0

    found = search_runs(order_by=f"{name} {'desc' if descending else 'asc'}", limit=limit, root=root)
    assert [run.id for run in found] == [run.id for run in sorted(all_runs, key=key)][:limit]


@pytest.fixture(scope="module")
def shards(records: tuple[Path, tuple[RunRecord, ...]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Shard, ...]:
    """The same records as a team's index."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path_factory.mktemp("team-cache")))
        patch.setattr(team_parts, "CHUNK", 8)
        uri = tmp_path_factory.mktemp("team").as_uri()
        shelf.publish(uri, records[0])
        return shelf.mirror(uri)


@settings(max_examples=80, deadline=None)
@given(asked=questions, field=metric_fields, descending=st.booleans(), limit=st.none() | st.integers(0, 40))
def test_a_teams_index_gives_the_same_answers(
    asked: Asked,
    field: tuple[str, Values],
    descending: bool,
    limit: int | None,
    records: tuple[Path, tuple[RunRecord, ...]],
    shards: tuple[Shard, ...],
) -> None:
    order = f"{field[0]} {'desc' if descending else 'asc'}"
    found = duck.search(shards, parse_filter(asked.text), parse_order(order), limit)
    wanted = search_runs(asked.text, order_by=order, limit=limit, root=records[0])
    assert [in_order(run) for run in found] == [in_order(replace(run, folder=folder(shards, run))) for run in wanted]


def folder(shards: tuple[Shard, ...], run: RunRecord) -> Path:
    return shards[0].tables["runs"][0].parent / "runs" / run.id


def test_the_index_gives_back_each_record_as_it_is_read(records: tuple[Path, tuple[RunRecord, ...]]) -> None:
    root, all_runs = records
    assert [in_order(run) for run in search_runs(root=root)] == [in_order(run) for run in all_runs]


def in_order(run: RunRecord) -> str:
    return repr(replace(run, metrics=dict(sorted(run.metrics.items()))))  # text, because NaN is not equal to itself


WORDS = "metrics.a params.`x` and or not ( ) in , = < 1 - . 't' ' ` is null like dataset.digest status true desc"
words = st.sampled_from([*WORDS.split(), "start_time >", "'2026-01-01'", "\x00", "é", "\n"])


@settings(max_examples=300, deadline=None)
@given(text=st.lists(words, max_size=12).map(" ".join) | st.text(max_size=30))
def test_any_text_is_a_filter_or_an_error_that_points_into_it(text: str) -> None:
    for parse in (parse_filter, parse_order):
        try:
            parse(text)
        except FilterError as error:
            assert 1 <= error.column <= len(text) + 1
            assert str(error).splitlines()[-1].endswith("^")


POINT = {"metric": "loss", "value": 0.5, "step": 1, "time": 1.5}
LINES = (
    POINT,
    POINT | {"value": "NaN", "step": 7},
    POINT | {"metric": "acc", "context": {"subset": "val"}},
    {"param": "C", "value": 1.0},
    {"tag": "team", "value": "flowers"},
    {"dataset": {"name": "iris", "digest": DIGESTS[0], "context": "train"}},
    {"model": {"name": "m", "path": "../../etc", "digest": DIGESTS[1], "format": "onnx"}},
    {"seed": "numpy", "value": 4},
    {"end": "finished"},
    {"metric": "loss", "value": [], "step": "x", "time": None},
    {"metric": 5},
)
RAW = (
    b"{\n",
    b"\n",
    b"\xff\xfe\n",
    b"[1]\n",
    b"[" * 5000 + b"\n",
    b'{"metric": "lo',
    b'ss", "value": 1}\n',
    b"\x00" * 9,
)
actions = st.one_of(
    st.sampled_from(LINES).map(lambda line: json.dumps(line).encode() + b"\n"),
    st.sampled_from(RAW),
    st.sampled_from(["truncate", "replace", "second file", "link", "remove", "meta", "finish", "look"]),
)


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(actions, max_size=12))
def test_whatever_is_done_to_a_live_record_the_index_says_what_reading_it_says(
    steps: list[bytes | str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("live")
    folder = top / "runs" / f"01{0:024d}"
    folder.mkdir(parents=True)
    head = {"format": 1, "id": folder.name, "name": "run", "experiment": "e", "status": "running"}
    (folder / "run.json").write_text(json.dumps(head | {"started_at": "2026-01-01T00:00:00.000Z"}))
    (folder / "capture.json").write_text(json.dumps({"format": 1}))
    header = json.dumps({"writer": {"host": "elsewhere", "pid": 1, "role": "owner"}, "time": 1.0}).encode() + b"\n"
    first = folder / "w-elsewhere-1-0.jsonl"
    first.write_bytes(header)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLGITOPS_CACHE_DIR", str(top / "cache"))
        patch.setattr(reading, "SETTLED", 0)
        for number, step in enumerate(["look", *steps, "look"]):
            do(step, folder, first, header, number)
            wanted = [in_order(run) for run in tracking.list_runs(top)]
            assert [in_order(run) for run in search_runs(root=top)] == wanted


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "last", "path", "a"]), inner),
    max_leaves=6,
)
RUN_KEYS = (
    *("name", "experiment", "status", "started_at", "finished_at", "params", "metrics", "tags", "datasets", "models"),
    *("media", "seeds", "problems", "parent", "group", "resumed_at", "damaged"),
)
hostile = st.fixed_dictionaries(
    {"format": st.just(1)},
    optional=dict.fromkeys(RUN_KEYS, json_values) | {"status": st.sampled_from(["finished", "failed", "x", 5])},
)
captures = st.fixed_dictionaries(
    {"format": st.just(1)},
    optional=dict.fromkeys(("code", "entry_point", "python", "host", "gpus", "argv", "cpus", "memory"), json_values),
)


@settings(max_examples=150, deadline=None)
@given(run=hostile, capture=captures | json_values, remark=json_values, asked=questions)
def test_a_record_with_anything_in_it_is_searched_as_it_is_read(
    run: object, capture: object, remark: object, asked: Asked, tmp_path_factory: pytest.TempPathFactory
) -> None:
    top = tmp_path_factory.mktemp("hostile")
    folder = top / "runs" / f"01{0:024d}"
    (folder / "meta").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps(run))
    (folder / "capture.json").write_text(json.dumps(capture))
    (folder / "meta" / f"01{0:024d}.json").write_text(json.dumps(remark))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLGITOPS_CACHE_DIR", str(top / "cache"))
        assert [in_order(found) for found in search_runs(root=top)] == [in_order(r) for r in tracking.list_runs(top)]
        search_runs(asked.text, order_by=["started_at", "params.a desc"], root=top).to_arrow()


def do(step: bytes | str, folder: Path, first: Path, header: bytes, number: int) -> None:
    if isinstance(step, bytes):
        with first.open("ab") as file:
            file.write(step)
    elif step == "truncate":
        os.truncate(first, first.stat().st_size // 2)
    elif step == "replace":
        first.unlink()
        first.write_bytes(header + json.dumps(POINT).encode() + b"\n")
    elif step == "second file":
        (folder / f"w-elsewhere-2-{number}.jsonl").write_bytes(header + json.dumps(POINT).encode() + b"\n")
    elif step == "link":
        (folder / f"w-elsewhere-3-{number}.jsonl").symlink_to("/etc/passwd")
    elif step == "remove":
        first.unlink()
        first.write_bytes(b"")
    elif step == "meta":
        (folder / "meta").mkdir(exist_ok=True)
        (folder / "meta" / f"01{number:024d}.json").write_text(json.dumps({"tag": "best", "value": str(number)}))
    elif step == "finish":
        raw = json.loads((folder / "run.json").read_text())
        (folder / "new").write_text(json.dumps(raw | {"status": "finished", "metrics": {}}))
        (folder / "new").rename(folder / "run.json")
