from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import scipy.sparse
from PIL import Image
from pyarrow import parquet

import mlgitops
from mlgitops import digest, tracking
from mlgitops.cli import run_page
from mlgitops.errors import InputError, NotFoundError
from mlgitops.tracking import datasets, filedigests
from mlgitops.tracking.datasets import of_value

FRAME = pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.to_datetime(["2026-01-01", "2026-01-02"])})


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_bytes(b"a,b\n1,2\n")
    with mlgitops.start_run() as run:
        mlgitops.log_dataset(tmp_path / "train.csv", context="training")
    (found,) = tracking.read(run.folder).datasets
    assert found == tracking.Dataset(
        "train.csv", digest.of_bytes(b"a,b\n1,2\n"), "training", (tmp_path / "train.csv").as_uri(), None
    )


def test_a_folder_has_the_digest_of_its_content(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "deep" / "file").write_bytes(b"x")
    with mlgitops.start_run():
        first = mlgitops.log_dataset(str(tmp_path / "one"), name="images")
        second = mlgitops.log_dataset(tmp_path / "two")
        (tmp_path / "two" / "deep" / "file").write_bytes(b"y")
        third = mlgitops.log_dataset(tmp_path / "two")
    assert first.digest == second.digest != third.digest
    assert first.name == "images"


def test_rows_are_those_of_the_data(tmp_path: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_dataset(np.zeros((7, 3)), "array")
        mlgitops.log_dataset(FRAME, "frame")
        mlgitops.log_dataset((np.zeros((5, 2)), np.zeros(5)), "pair")
    assert [(found.name, found.rows) for found in tracking.read(run.folder).datasets] == [
        ("array", 7),
        ("frame", 2),
        ("pair", 5),
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.arange(6).reshape(2, 3), np.asfortranarray(np.arange(6).reshape(2, 3))),
        (np.arange(6)[::2], np.array([0, 2, 4])),
        (np.arange(3, dtype="<i4"), np.arange(3, dtype=">i4")),
        (FRAME, FRAME.copy()),
        (np.array(["a", "b"], dtype=object), np.array(["a", "b"], dtype=object)),
        ({"x": np.ones(2), "y": np.zeros(2)}, {"y": np.zeros(2), "x": np.ones(2)}),
        ({1: np.ones(2), "1": np.zeros(2)}, {"1": np.zeros(2), np.int64(1): np.ones(2)}),
        ({frozenset("abcdef"): 1}, {frozenset("fedcba"): 1}),
        (pd.DataFrame({1: [2.0]}), pd.DataFrame([[2.0]], columns=np.array([1]))),
        (pd.Series(pd.Categorical(["a", "b"])), pd.Series(["a", "b"]).astype("category")),
    ],
)
def test_equal_content_has_one_digest(one: object, other: object) -> None:
    assert of_value(one) == of_value(other)


LONG = np.arange(5000.0)
LONG_BUT_ONE = np.where(LONG == 2500.0, -1.0, LONG)


def changed(change: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    frame = FRAME.copy()
    result = change(frame)
    return frame if result is None else result


def categorical(categories: str, *, ordered: bool = False) -> pd.Series[str]:
    return pd.Series(pd.Categorical(["a", "b"], categories=list(categories), ordered=ordered))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(3, 2)),
        (np.arange(3, dtype="i4"), np.arange(3, dtype="i8")),
        (np.array([1.0, 2.0]), np.array([1.0, np.nextafter(2.0, 3.0)])),
        (np.array(["ab", "c"], dtype=object), np.array(["a", "bc"], dtype=object)),
        (np.array(["1"], dtype=object), np.array([1], dtype=object)),
        (np.float64(1.0), np.array([1.0])),
        (FRAME, changed(lambda frame: frame.rename(columns={"a": "z"}))),
        (FRAME, changed(lambda frame: frame.set_index("a", drop=False))),
        (FRAME, changed(lambda frame: frame.iloc[::-1])),
        (FRAME, changed(lambda frame: frame[["b", "a", "c"]])),
        (FRAME, changed(lambda frame: frame.fillna("None"))),
        (FRAME["a"], FRAME["a"].rename("z")),
        ((np.ones(2), np.zeros(2)), (np.zeros(2), np.ones(2))),
        (np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0])),
        (np.array([(1, 2.0)], [("a", "i4"), ("b", "f8")]), np.array([(1, 2.0)], [("z", "i4"), ("b", "f8")])),
        (pd.Series([LONG]), pd.Series([LONG_BUT_ONE])),  # whose text leaves out the middle
        (pd.Series([np.array([0.1])]), pd.Series([np.array([0.1 + 1e-12])])),  # whose text rounds
        (pd.Series([{"a": [LONG]}]), pd.Series([{"a": [LONG_BUT_ONE]}])),
        (pd.Series([pd.DataFrame({"a": LONG})]), pd.Series([pd.DataFrame({"a": LONG_BUT_ONE})])),
        (pd.Series([{"a", "b"}]), pd.Series([{"a", "c"}])),
        (categorical("ab"), categorical("ba")),  # the same values, which models know by other numbers
        (categorical("ab"), categorical("abc")),
        (categorical("ab"), categorical("ab", ordered=True)),
        (pd.DataFrame({1: [2.0]}), pd.DataFrame({"1": [2.0]})),
        (pd.DataFrame({None: [2.0]}), pd.DataFrame({"None": [2.0]})),
        (FRAME, FRAME.rename_axis("id")),
        (FRAME.rename_axis("id"), FRAME.rename_axis("key")),
        (FRAME.rename_axis("id"), FRAME.rename_axis("id", axis="columns")),
        (FRAME["a"], FRAME["a"].rename_axis("id")),
        (FRAME["a"].rename(None), FRAME["a"].rename("None")),
        (FRAME.index, FRAME.index.rename("id")),
        ({1: "a", "1": "b"}, {"1": "b"}),
        ({1: "a"}, {"1": "a"}),
        ({True: "a"}, {1: "a"}),
    ],
)
def test_any_difference_of_content_is_another_digest(one: object, other: object) -> None:
    assert of_value(one) != of_value(other)


def test_a_digest_is_the_same_in_another_process() -> None:
    source = (
        "import numpy as np, pandas as pd\n"
        "from mlgitops.tracking.datasets import of_value\n"
        "frame = pd.DataFrame({'t': ['ä', 'b'], 's': [{'a', 'b'}, {'c'}], 'n': [1.5, None]})\n"
        "print(of_value({'x': np.arange(10) / 3, 'f': frame}))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", source],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7"},
    )
    frame = pd.DataFrame({"t": ["ä", "b"], "s": [{"a", "b"}, {"c"}], "n": [1.5, None]})
    ours = of_value({"x": np.arange(10) / 3, "f": frame})
    assert found.stdout.strip() == ours


def test_what_cannot_be_digested_says_what_can(tmp_path: Path) -> None:
    with mlgitops.start_run():
        with pytest.raises(NotFoundError, match="does not exist"):
            mlgitops.log_dataset(tmp_path / "absent.csv")
        with pytest.raises(InputError, match="download it"):
            mlgitops.log_dataset("s3://bucket/data.csv")
        with pytest.raises(InputError, match=r"test_datasets\.Odd has no digest yet"):
            mlgitops.log_dataset(Odd())
        with pytest.raises(InputError, match=r"test_datasets\.Odd has no digest yet"):
            mlgitops.log_dataset(pd.Series([Odd()]))  # its text is a place in memory


class Odd:
    pass


TABLE = pa.table(
    {
        "n": pa.array([1, None, 3, 4], pa.int32()),
        "x": pa.array([0.5, float("nan"), None, -0.0]),
        "s": pa.array(["a", "bc", None, ""]),
        "b": pa.array([True, None, False, True]),
        "t": pa.array([1, 2, None, 4], pa.timestamp("us")),
        "d": pa.array([1, 2, None, 4], pa.date32()),
        "l": pa.array([[1], [], None, [2, 3]]),
        "c": pa.array(["x", "y", "x", None]).dictionary_encode(),
    }
)


def in_pieces(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1, 3)])


def of_other_layout(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("s")
    table = table.set_column(place, "s", table.column("s").cast(pa.large_string()))
    place = table.schema.get_field_index("c")
    return table.set_column(place, "c", table.column("c").cast(pa.string()))


def with_garbage_below_empty_cells(table: pa.Table) -> pa.Table:
    cells = pa.array(["a", "bc", "GARBAGE", ""])
    masked = pc.if_else(pa.array([True, True, False, True]), cells, None)
    numbers = pa.Array.from_buffers(
        pa.int32(), 4, [pa.py_buffer(bytes([0b1101])), pa.py_buffer(np.array([1, 99, 3, 4], "i4"))], 1
    )
    table = table.set_column(table.schema.get_field_index("s"), "s", masked)
    return table.set_column(0, "n", numbers)


@pytest.mark.parametrize(
    "other",
    [
        in_pieces(TABLE),
        of_other_layout(TABLE),
        with_garbage_below_empty_cells(TABLE),
        pa.concat_tables([TABLE, TABLE]).slice(4),
        TABLE.replace_schema_metadata({"made": "elsewhere"}),
        TABLE.combine_chunks().to_batches()[0],
    ],
    ids=["pieces", "layout", "garbage", "slice", "metadata", "batch"],
)
def test_a_table_of_arrow_is_its_content_and_not_its_layout(other: pa.Table) -> None:
    assert of_value(other) == of_value(TABLE)


@pytest.mark.parametrize("column", TABLE.column_names)
def test_a_change_of_any_cell_of_a_table_is_another_digest(column: str) -> None:
    place = TABLE.schema.get_field_index(column)
    swapped = TABLE.column(column).take(pa.array([1, 0, 2, 3]))
    assert of_value(TABLE.set_column(place, column, swapped)) != of_value(TABLE)
    assert of_value(TABLE.rename_columns([f"{name}_" for name in TABLE.column_names])) != of_value(TABLE)


def test_texts_that_are_cut_elsewhere_are_others() -> None:
    assert of_value(pa.table({"s": ["ab", "c"]})) != of_value(pa.table({"s": ["a", "bc"]}))
    assert of_value(pa.table({"s": ["", None]})) != of_value(pa.table({"s": [None, ""]}))


def test_a_frame_of_polars_is_its_table_of_arrow() -> None:
    rows = {"n": [1, None], "s": ["ä", None], "f": [0.5, 1.5]}
    assert of_value(pl.DataFrame(rows)) == of_value(pa.table(rows)) != of_value(pl.DataFrame(rows).reverse())
    with pytest.raises(InputError, match="LazyFrame has no digest yet"):
        of_value(pl.DataFrame(rows).lazy())


def test_a_sparse_matrix_is_its_entries_in_any_order() -> None:
    one = scipy.sparse.coo_matrix(([1.0, 2.0], ([0, 1], [1, 0])), shape=(2, 3))
    other = scipy.sparse.csc_matrix(one)
    assert of_value(one) == of_value(other) != of_value(one * 2)


class Tensor:
    """What a tensor of PyTorch offers, which is not installed here."""

    def __init__(self, values: Any, dtype: str = "torch.float32") -> None:
        self.values = np.asarray(values, "f4")
        self.dtype = dtype

    def detach(self) -> Tensor:
        return self

    def cpu(self) -> Tensor:
        return self

    def float(self) -> Tensor:
        return Tensor(self.values)

    def numpy(self) -> Any:
        if self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16")
        return self.values


class Rows:
    """A data set as PyTorch's data loaders take it."""

    def __init__(self, *rows: object) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> object:
        return self.rows[number]


def test_a_tensor_is_its_array_and_a_data_set_its_rows(root: Path) -> None:
    assert of_value(Tensor([1, 2])) == of_value(np.array([1, 2], "f4"))
    assert of_value(Tensor([1, 2], "torch.bfloat16")) != of_value(Tensor([1, 2]))
    rows = Rows((Tensor([1]), 0), (Tensor([2]), 1))
    assert of_value(rows) == of_value(Rows((np.array([1], "f4"), 0), (np.array([2], "f4"), 1)))
    assert of_value(rows) != of_value(Rows((Tensor([2]), 1), (Tensor([1]), 0)))
    assert of_value(Rows(Image.new("L", (2, 2)))) != of_value(Rows(Image.new("L", (2, 2), 1)))
    with mlgitops.start_run():
        assert mlgitops.log_dataset(rows).rows == 2


def test_rows_that_are_not_asked_for_by_number_are_an_input_error() -> None:
    class Keyed(Rows):
        def __getitem__(self, number: object) -> object:
            raise KeyError(number)

    with pytest.raises(InputError, match="row 0 of a "):
        of_value(Keyed(1))


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGITOPS_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache" / "digests.sqlite"


def old(path: Path, data: bytes) -> Path:
    """Write a file that has been there for long."""
    path.write_bytes(data)
    os.utime(path, (1e9, 1e9))
    return path


def read_count(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the files that are read from now on; what is settled is a matter of a file's time only."""
    read: list[Path] = []
    whole = digest.of_file
    monkeypatch.setattr(digest, "of_file", lambda path: (read.append(path), whole(path))[1])
    monkeypatch.setattr(filedigests, "_is_settled", lambda path: path.stat().st_mtime < 1.1e9)
    return read


def test_a_file_that_did_not_change_is_read_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_count(monkeypatch)
    folder = tmp_path / "data"
    folder.mkdir()
    for name in ("a", "b"):
        old(folder / name, name.encode())
    expected = digest.Manifest.of_folder(folder, lambda path: digest.of_bytes(path.read_bytes())).digest
    for _ in range(2):
        with filedigests.cached() as digests:
            assert digests.of(folder) == expected
    assert sorted(path.name for path in read) == ["a", "b"]
    old(folder / "b", b"c")
    with filedigests.cached() as digests:
        assert digests.unread(folder) == 1
        assert digests.of(folder) != expected
    assert sorted(path.name for path in read) == ["a", "b", "b"]


def test_a_file_that_is_changed_behind_its_time_is_read_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_count(monkeypatch)
    path = old(tmp_path / "data", b"1")
    with filedigests.cached() as digests:
        before = digests.of(path)
        old(path, b"2")  # the same size, time and inode
        assert digests.of(path) != before


def test_a_file_that_was_written_just_now_is_not_remembered(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"1")
    with filedigests.cached() as digests:
        digests.of(tmp_path / "data")
        assert digests.unread(tmp_path / "data") == 1


def test_a_damaged_cache_costs_a_reading(cache: Path, tmp_path: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"no database" * 1000)
    path = old(tmp_path / "data", b"1")
    with filedigests.cached() as digests:
        assert digests.of(path) == digest.of_bytes(b"1")


def test_large_data_is_digested_beside_training_and_the_end_waits_for_it(
    root: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(datasets, "LARGE", 10)
    path = old(tmp_path / "train.csv", b"0" * 100)
    with mlgitops.start_run() as run:
        assert mlgitops.log_dataset(path, context="training").digest == ""
        assert tracking.read(run.folder).datasets[0].name == "train.csv"
    record = tracking.read(run.folder)
    assert record.datasets == (
        tracking.Dataset("train.csv", digest.of_bytes(b"0" * 100), "training", path.as_uri(), None),
    )
    assert record.problems == ()
    with mlgitops.start_run():
        assert mlgitops.log_dataset(tmp_path / "train.csv", wait=True).digest == record.datasets[0].digest


def test_data_whose_digest_was_not_made_is_said_to_lack_it(root: Path, tmp_path: Path) -> None:
    with mlgitops.start_run() as run:
        run._line("dataset", '{"name": "train", "pending": true}')
        assert tracking.read(run.folder).problems == ()
        assert "digest pending" in run_page.page(tracking.read(run.folder))
    record = tracking.read(run.folder)
    assert record.datasets == (tracking.Dataset("train", ""),)
    assert record.problems == ("the digest of data train was not made",)
    assert "no digest" in run_page.page(record)


def test_rows_of_a_parquet_file_are_known_where_its_reader_is(root: Path, tmp_path: Path) -> None:
    parquet.write_table(TABLE.select(["n"]), tmp_path / "train.parquet")
    with mlgitops.start_run():
        assert mlgitops.log_dataset(tmp_path / "train.parquet").rows == 4
