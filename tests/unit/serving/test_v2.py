from __future__ import annotations

import json
import struct
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest

from unit.serving.harness import Server

pytestmark = pytest.mark.slow

ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]]
FLAT = [value for row in ROWS for value in row]
INFER = "/v2/models/iris/infer"


def tensor(**changes: Any) -> dict[str, Any]:
    return {"name": "input", "shape": [2, 4], "datatype": "FP64", "data": FLAT, **changes}


def test_the_server_names_itself_and_its_extensions(running: Server) -> None:
    assert running.get("/v2").json == {
        "name": "mlgitops",
        "version": version("mlgitops"),
        "extensions": ["binary_tensor_data"],
    }


@pytest.mark.parametrize("path", ["/v2/models/iris", "/v2/models/iris/versions/3"])
def test_metadata_is_the_signature(running: Server, path: str) -> None:
    assert running.get(path).json == {
        "name": "iris",
        "versions": ["3"],
        "platform": "mlgitops_skops",
        "inputs": [{"name": "input", "datatype": "FP64", "shape": [-1, 4]}],
        "outputs": [
            {"name": "predict", "datatype": "INT64", "shape": [-1]},
            {"name": "predict_proba", "datatype": "FP64", "shape": [-1, 3]},
        ],
    }


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/v2/models/iris/ready", "/ping", "/health"])
def test_a_loaded_model_is_live_and_ready(running: Server, path: str) -> None:
    assert running.get(path).status == 200


def test_an_answer_carries_version_id_and_all_outputs(running: Server) -> None:
    answer = running.infer(ROWS, id="mine")
    assert answer.status == 200
    assert (answer.json["model_name"], answer.json["model_version"], answer.json["id"]) == ("iris", "3", "mine")
    predict, probabilities = answer.json["outputs"]
    assert predict == {"name": "predict", "datatype": "INT64", "shape": [2], "data": [0, 2]}
    assert probabilities["shape"] == [2, 3]
    assert sum(probabilities["data"]) == pytest.approx(2.0)


def test_the_versioned_path_answers_too_and_another_version_does_not(running: Server) -> None:
    assert running.post("/v2/models/iris/versions/3/infer", {"inputs": [tensor()]}).status == 200
    assert running.post("/v2/models/iris/versions/4/infer", {"inputs": [tensor()]}).status == 404


def test_a_request_without_an_id_gets_one(running: Server) -> None:
    first, second = running.infer(ROWS).json["id"], running.infer(ROWS).json["id"]
    assert first and second and first != second


def test_the_id_in_the_header_is_kept(running: Server) -> None:
    answer = running.post(INFER, {"inputs": [tensor()]}, **{"X-Request-Id": "from-the-gateway"})
    assert answer.json["id"] == "from-the-gateway"


def test_only_wanted_outputs_are_answered(running: Server) -> None:
    answer = running.infer(ROWS, outputs=[{"name": "predict_proba"}])
    assert [output["name"] for output in answer.json["outputs"]] == ["predict_proba"]


def test_data_may_be_nested_as_its_shape(running: Server) -> None:
    assert running.post(INFER, {"inputs": [tensor(data=ROWS)]}).json["outputs"][0]["data"] == [0, 2]


@pytest.mark.parametrize("datatype", ["FP32", "INT64"])
def test_numbers_of_another_datatype_are_cast_where_nothing_is_lost(running: Server, datatype: str) -> None:
    data = [int(value) for value in FLAT]
    assert running.post(INFER, {"inputs": [tensor(datatype=datatype, data=data)]}).status == 200


def test_raw_tensors_go_in_and_come_out(running: Server) -> None:
    raw = np.array(ROWS).astype("<f8").tobytes()
    described = {"name": "input", "shape": [2, 4], "datatype": "FP64", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [described], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    answer = running.post(INFER, head + raw, "application/octet-stream", **length)
    size = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.body[:size])["outputs"]
    assert [output["parameters"]["binary_data_size"] for output in outputs] == [16, 48]
    assert struct.unpack("<2q", answer.body[size : size + 16]) == (0, 2)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([tensor(data=FLAT[:-1])], "is not 8 FP64 values of the shape [2, 4]"),
        ([tensor(data=["1"] * 8)], "is not 8 FP64 values"),
        ([tensor(data=[[1.0], [2.0]])], "is not 8 FP64 values"),
        ([tensor(data=[[[1.0]]])], "nested 3 deep"),
        ([tensor(datatype="INT64", data=[1.5] * 8)], "is not 8 INT64 values"),
        ([tensor(datatype="UINT8", data=[300] * 8)], "is not 8 UINT8 values"),
        ([tensor(datatype="FP80")], "unknown datatype; expected one of: BOOL"),
        ([tensor(datatype="BYTES", data=["a"] * 8)], "expected FP64"),
        ([tensor(shape=[8])], "has shape [8]; expected [-1, 4]"),
        ([tensor(shape=[-2, -4])], "no usable shape"),
        ([tensor(shape=[1000000000000, 4])], "would take more than 100000 bytes"),
        ([tensor(name="output")], "expected each once: input"),
        ([tensor(), tensor()], "expected each once: input"),
        ([], "expected each once: input"),
        ([{"name": "input", "shape": [2, 4], "datatype": "FP64"}], "neither data nor binary_data_size"),
        ([tensor(parameters={"binary_data_size": 8})], "binary_data_size"),
        ({}, "not as the V2 protocol has it"),
    ],
)
def test_a_bad_request_is_told_why(running: Server, inputs: Any, message: str) -> None:
    answer = running.post(INFER, {"inputs": inputs})
    assert answer.status == 400
    assert list(answer.json) == ["error"]
    assert message in answer.json["error"]


def test_a_request_without_rows_is_refused(running: Server) -> None:
    answer = running.post(INFER, {"inputs": [tensor(shape=[0, 4], data=[])]})
    assert (answer.status, answer.json["error"]) == (400, "the request has no rows")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"null"])
def test_what_is_no_request_is_refused(running: Server, body: bytes) -> None:
    assert running.post(INFER, body).status == 400


def test_errors_repeat_nothing_of_the_request(running: Server) -> None:
    secret = "hunter2"
    for inputs in ([tensor(name=secret)], [tensor(datatype=secret)], [tensor(data=[secret] * 8)]):
        answer = running.post(INFER, {"inputs": inputs, "outputs": [{"name": secret}]})
        assert answer.status == 400
        assert secret not in answer.body.decode()


def test_unknown_outputs_are_refused_with_the_known_ones(running: Server) -> None:
    answer = running.infer(ROWS, outputs=[{"name": "margin"}])
    assert (answer.status, "predict, predict_proba" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("GET", "/metrics", 404),
        ("GET", "/etc/passwd", 404),
        ("GET", INFER, 405),
        ("POST", "/v2", 405),
    ],
)
def test_other_paths_and_methods_are_answered_as_json(running: Server, method: str, path: str, status: int) -> None:
    answer = running.request(method, path)
    assert answer.status == status
    assert list(answer.json) == ["error"]


def test_a_body_over_the_limit_is_refused(running: Server) -> None:
    assert running.post(INFER, b" " * 100_001).status == 413


def test_a_body_over_the_limit_in_pieces_is_refused(running: Server) -> None:
    import http.client

    connection = http.client.HTTPConnection(running.host, running.ports[0], timeout=30)
    try:
        connection.request("POST", INFER, (b" " * 10_000 for _ in range(11)), encode_chunked=True)
        assert connection.getresponse().status == 413
    finally:
        connection.close()


def test_every_column_of_a_table_is_an_input(table_server: Server) -> None:
    columns = [
        {"name": name, "shape": [2], "datatype": "FP64", "data": [row[place] for row in ROWS]}
        for place, name in enumerate("abcd")
    ]
    assert table_server.post(INFER, {"inputs": columns}).json["outputs"][0]["data"] == [0, 2]


def test_columns_of_different_lengths_are_refused(table_server: Server) -> None:
    columns = [
        {"name": name, "shape": [size], "datatype": "FP64", "data": [1.0] * size}
        for name, size in zip("abcd", (2, 2, 2, 1), strict=True)
    ]
    answer = table_server.post(INFER, {"inputs": columns})
    assert (answer.status, "different numbers of rows" in answer.json["error"]) == (400, True)
