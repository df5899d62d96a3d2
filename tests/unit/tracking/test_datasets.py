from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mlgitops
from mlgitops import digest, tracking
from mlgitops.errors import InputError, NotFoundError
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
    ],
)
def test_equal_content_has_one_digest(one: object, other: object) -> None:
    assert of_value(one) == of_value(other)


def changed(change: Callable[[pd.DataFrame], Any]) -> pd.DataFrame:
    frame = FRAME.copy()
    result = change(frame)
    return frame if result is None else result


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
    ],
)
def test_any_difference_of_content_is_another_digest(one: object, other: object) -> None:
    assert of_value(one) != of_value(other)


def test_a_digest_is_the_same_in_another_process() -> None:
    source = (
        "import numpy as np, pandas as pd\n"
        "from mlgitops.tracking.datasets import of_value\n"
        "print(of_value({'x': np.arange(10) / 3, 'f': pd.DataFrame({'t': ['ä', 'b'], 'n': [1.5, None]})}))\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", source],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONHASHSEED": "7"},
    )
    ours = of_value({"x": np.arange(10) / 3, "f": pd.DataFrame({"t": ["ä", "b"], "n": [1.5, None]})})
    assert found.stdout.strip() == ours


def test_what_cannot_be_digested_says_what_can(tmp_path: Path) -> None:
    with mlgitops.start_run():
        with pytest.raises(NotFoundError, match="does not exist"):
            mlgitops.log_dataset(tmp_path / "absent.csv")
        with pytest.raises(InputError, match="download it"):
            mlgitops.log_dataset("s3://bucket/data.csv")
        with pytest.raises(InputError, match=r"test_datasets\.Odd has no digest yet"):
            mlgitops.log_dataset(Odd())


class Odd:
    pass
