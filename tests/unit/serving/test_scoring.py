from __future__ import annotations

from importlib.metadata import version
from typing import Any

import pytest

from unit.serving.harness import Server

pytestmark = pytest.mark.slow

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
NAMES = ["a", "b", "c", "d"]
RECORDS = [dict(zip(NAMES, row, strict=True)) for row in ROWS]
COLUMNS = {name: [row[place] for row in ROWS] for place, name in enumerate(NAMES)}
CSV = b"a,b,c,d\n5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n"


@pytest.mark.parametrize(
    "request_",
    [
        {"dataframe_split": {"columns": NAMES, "data": ROWS}},
        {"dataframe_split": {"columns": NAMES, "index": [7, 8], "data": ROWS}},
        {"dataframe_records": RECORDS},
        {"instances": ROWS},
        {"instances": RECORDS},
        {"inputs": ROWS},
        {"inputs": COLUMNS},
    ],
)
def test_each_of_mlflows_forms_is_answered(table_server: Server, request_: Any) -> None:
    answer = table_server.post("/invocations", request_)
    assert (answer.status, answer.json) == (200, {"predictions": [0, 2]})


def test_columns_are_matched_by_name(table_server: Server) -> None:
    split = {"columns": NAMES[::-1], "data": [row[::-1] for row in ROWS]}
    assert table_server.post("/invocations", {"dataframe_split": split}).json == {"predictions": [0, 2]}


def test_csv_is_answered(table_server: Server) -> None:
    assert table_server.post("/invocations", CSV, "text/csv; charset=utf-8").json == {"predictions": [0, 2]}


def test_a_model_of_one_matrix_takes_rows(running: Server) -> None:
    assert running.post("/invocations", {"inputs": ROWS}).json == {"predictions": [0, 2]}
    assert running.post("/invocations", {"inputs": {"input": ROWS}}).json == {"predictions": [0, 2]}


def test_answers_carry_version_and_id(table_server: Server) -> None:
    answer = table_server.post("/invocations", {"instances": ROWS}, **{"X-Request-Id": "mine"})
    assert (answer.headers["x-mlgitops-version"], answer.headers["x-request-id"]) == ("3", "mine")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"rows": ROWS}, "expected an object with one of: dataframe_split"),
        ([1], "expected an object with one of"),
        ({"instances": ROWS, "inputs": ROWS}, "expected an object with one of"),
        ({"dataframe_split": {"columns": NAMES, "data": [[1.0]]}}, "as many values in every row"),
        ({"dataframe_split": [1]}, "as many values in every row"),
        ({"dataframe_records": [{"a": 1.0, "b": 2.0}]}, "lacks c, d; the model takes: a, b, c, d"),
        ({"instances": [[1.0, 2.0]]}, "rows with 4 values each"),
        ({"instances": [["x"] * 4]}, "is not 1 FP64 values"),
        ({"inputs": {**COLUMNS, "d": [1.0]}}, "different numbers of rows"),
    ],
)
def test_a_bad_request_is_told_why(table_server: Server, request_: Any, message: str) -> None:
    answer = table_server.post("/invocations", request_)
    assert answer.status == 400
    assert message in answer.json["error"]


@pytest.mark.parametrize(
    "body", [b"", b"a,b\n1", b"a,b,c,d\n", b"a,b,c,d\n1,2,3\n", b"a,b,c,d\n1,2,3,x\n", b"\xff", b'a,"b\n']
)
def test_bad_csv_is_refused(table_server: Server, body: bytes) -> None:
    assert table_server.post("/invocations", body, "text/csv").status == 400


def test_another_content_type_is_refused(table_server: Server) -> None:
    answer = table_server.post("/invocations", b"x", "application/x-python-pickle")
    assert (answer.status, "application/json, text/csv" in answer.json["error"]) == (415, True)


def test_the_version_is_ours(running: Server) -> None:
    assert running.get("/version").body.decode() == version("mlgitops")
