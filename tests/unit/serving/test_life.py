from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from statsmodels.regression.linear_model import OLS

from mlgitops import packages
from unit.serving.harness import Answer, Server, Servers, until
from unit.serving.models import moody

pytestmark = pytest.mark.slow

OWN = "moody.Moody"
ROWS = [[5.1, 3.5, 1.4, 0.2]]


def save_moody(folder: Path, **arguments: Any) -> packages.Package:
    # Under the name that the worker imports it by, from its own PYTHONPATH.
    kind = type("Moody", (moody.Moody,), {"__module__": "moody"})
    model = kind(**arguments).fit([[0.0, 0.0, 0.0, 0.0]])
    sys.modules["moody"] = moody
    try:
        return packages.save(model, folder, trusted_types=[OWN])
    finally:
        del sys.modules["moody"]


@pytest.fixture
def moody_server(servers: Servers, tmp_path: Path) -> Server:
    package = save_moody(tmp_path / "moody")
    trusted = {"MLGITOPS_TRUSTED_TYPES": json.dumps([OWN]), "MLGITOPS_REQUEST_TIMEOUT": "3"}
    return servers.start(package, **trusted).wait_ready()


def ask(server: Server, mood: float) -> Answer:
    return server.infer([[mood, 0.0, 0.0, 0.0]])


def test_another_digest_is_never_served(servers: Servers, iris_package: packages.Package) -> None:
    server = servers.start(iris_package, MLGITOPS_DIGEST="sha256:" + "0" * 64)
    assert server.wait() == 1
    message = json.loads(server.message.read_text())
    assert message["reason"] == "LoadFailed"
    assert "0" * 64 in message["message"] and iris_package.digest in message["message"]


def test_a_corrupted_package_is_never_served(servers: Servers, iris_package: packages.Package, tmp_path: Path) -> None:
    shutil.copytree(iris_package.folder, tmp_path / "copy")
    with (tmp_path / "copy" / "model.skops").open("ab") as file:
        file.write(b"x")
    server = servers.start(iris_package, MLGITOPS_MODEL_DIR=str(tmp_path / "copy"))
    assert server.wait() == 1
    assert "expected digest" in json.loads(server.message.read_text())["message"]


def test_types_that_are_not_trusted_end_the_server_with_their_names(servers: Servers, tmp_path: Path) -> None:
    server = servers.start(save_moody(tmp_path / "moody"))
    assert server.wait() == 1
    assert OWN in json.loads(server.message.read_text())["message"]


def test_a_format_that_runs_code_is_served_only_with_an_allowance(servers: Servers, tmp_path: Path) -> None:
    rows = [[1.0, 0.0, 2.0, 0.0], [1.0, 2.0, 0.0, 1.0], [1.0, 1.0, 0.0, 4.0], [1.0, 0.0, 3.0, 1.0]]
    result = OLS([1.0, 2.0, 3.0, 5.0], rows).fit()
    package = packages.save(result, tmp_path / "line")
    refused = servers.start(package)
    assert refused.wait() == 1
    assert "runs code when loaded" in json.loads(refused.message.read_text())["message"]
    allowed = servers.start(package, MLGITOPS_ALLOW_CODE="true").wait_ready()
    (answer,) = allowed.infer([ROWS[0]]).json["outputs"]
    assert answer["data"] == pytest.approx(list(result.predict(ROWS)))


def test_a_model_that_crashes_while_it_is_loaded_ends_the_server_with_the_signal(
    servers: Servers, tmp_path: Path
) -> None:
    package = save_moody(tmp_path / "moody", crash_on_load=True)
    server = servers.start(package, MLGITOPS_TRUSTED_TYPES=json.dumps([OWN]))
    assert server.wait() == 1
    assert "was killed by signal" in json.loads(server.message.read_text())["message"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MLGITOPS_DIGEST", ""), ("MLGITOPS_PORT", "http"), ("MLGITOPS_TRUSTED_TYPES", "{}")],
)
def test_a_wrong_setting_ends_the_server_with_its_name(
    servers: Servers, iris_package: packages.Package, variable: str, value: str
) -> None:
    server = servers.start(iris_package, **{variable: value})
    assert server.wait() == 1
    assert variable in json.loads(server.message.read_text())["message"]


def test_it_is_live_but_not_ready_while_the_model_is_loaded(servers: Servers, iris_package: packages.Package) -> None:
    server = servers.start(iris_package)
    until(lambda: server.ports, server)
    os.kill(server.worker(), signal.SIGSTOP)
    try:
        assert server.get("/v2/health/live").status == 200
        assert server.get("/v2/health/ready").status == 503
        assert server.infer(ROWS).status == 503
        assert server.get("/v2/models/iris").status == 503
    finally:
        os.kill(server.worker(), signal.SIGCONT)
    server.wait_ready()
    assert server.infer(ROWS).status == 200


def test_a_model_that_raises_is_answered_500_without_its_words(moody_server: Server) -> None:
    answer = ask(moody_server, moody.RAISE)
    assert (answer.status, answer.json) == (500, {"error": "the model failed with ValueError"})
    until(lambda: any("secret" in line for line in moody_server.log), moody_server)
    assert moody_server.get("/v2/health/ready").status == 200


def test_a_crash_is_answered_503_and_the_worker_is_started_again(moody_server: Server) -> None:
    first = moody_server.worker()
    assert ask(moody_server, moody.CRASH).status == 503
    assert moody_server.get("/v2/health/live").status == 200
    moody_server.wait_ready()
    assert moody_server.worker() != first
    assert ask(moody_server, moody.FINE).status == 200
    assert moody_server.metric("mlgitops_worker_restarts_total") == 1


def test_a_hang_is_answered_504_and_the_worker_is_started_again(moody_server: Server) -> None:
    first = moody_server.worker()
    assert ask(moody_server, moody.HANG).status == 504
    until(lambda: moody_server.worker() not in (0, first), moody_server)
    moody_server.wait_ready()
    assert ask(moody_server, moody.FINE).status == 200
    assert any("hung and was killed" in line for line in moody_server.log)


def test_a_killed_worker_costs_nothing_that_waits(moody_server: Server) -> None:
    os.kill(moody_server.worker(), signal.SIGKILL)
    assert ask(moody_server, moody.FINE).status in (200, 503)
    moody_server.wait_ready()
    assert ask(moody_server, moody.FINE).status == 200


def test_what_arrives_while_the_model_is_busy_is_one_batch(moody_server: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        napping = pool.submit(ask, moody_server, moody.NAP)
        until(lambda: moody_server.metric("mlgitops_requests_in_flight") == 1, moody_server)
        others = [pool.submit(ask, moody_server, moody.FINE) for _ in range(5)]
        answers = [future.result() for future in (napping, *others)]
    assert [answer.status for answer in answers] == [200] * 6
    sizes = [answer.json["outputs"][0]["data"][0] for answer in answers]
    assert sizes[0] == 1.0
    assert max(sizes[1:]) > 1.0, "the model was asked for each request alone"


def test_a_bad_request_in_a_batch_fails_alone(moody_server: Server) -> None:
    with ThreadPoolExecutor(6) as pool:
        napping = pool.submit(ask, moody_server, moody.NAP)
        until(lambda: moody_server.metric("mlgitops_requests_in_flight") == 1, moody_server)
        moods = [moody.FINE, moody.RAISE, moody.FINE]
        others = [pool.submit(ask, moody_server, mood) for mood in moods]
        assert napping.result().status == 200
    assert [future.result().status for future in others] == [200, 500, 200]


def test_sigterm_finishes_what_was_accepted_and_ends_with_0(moody_server: Server) -> None:
    with ThreadPoolExecutor(1) as pool:
        napping = pool.submit(ask, moody_server, moody.NAP)
        until(lambda: moody_server.metric("mlgitops_requests_in_flight") == 1, moody_server)
        moody_server.process.send_signal(signal.SIGTERM)
        until(lambda: moody_server.get("/v2/health/ready").status == 503)
        assert moody_server.get("/v2/health/live").headers["connection"] == "close"
        assert napping.result().status == 200
    assert moody_server.wait() == 0
    assert not moody_server.message.exists()


def test_under_load_no_request_fails_when_the_server_is_told_to_end(
    servers: Servers, iris_package: packages.Package
) -> None:
    server = servers.start(iris_package).wait_ready()
    told, statuses, failures = threading.Event(), [], []

    def caller() -> None:
        # As a gateway: keeps its connection until it is told to close it, and turns away once readiness is off.
        connection = http.client.HTTPConnection(server.host, server.ports[0], timeout=30)
        tensor = {"name": "input", "shape": [1, 4], "datatype": "FP64", "data": ROWS[0]}
        body = json.dumps({"inputs": [tensor]})
        try:
            while not told.is_set() or server.get("/v2/health/ready").status == 200:
                connection.request("POST", "/v2/models/iris/infer", body)
                response = connection.getresponse()
                response.read()
                statuses.append(response.status)
        except OSError as error:
            failures.append(error)
        finally:
            connection.close()

    callers = [threading.Thread(target=caller) for _ in range(4)]
    for thread in callers:
        thread.start()
    until(lambda: len(statuses) > 100, server)
    server.process.send_signal(signal.SIGTERM)
    told.set()
    for thread in callers:
        thread.join()
    assert server.wait() == 0
    assert (set(statuses), failures) == ({200}, [])


def test_a_killed_server_leaves_no_worker(servers: Servers, iris_package: packages.Package) -> None:
    server = servers.start(iris_package).wait_ready()
    worker = server.worker()
    server.process.kill()
    server.wait()
    until(lambda: _gone(worker))


def _gone(pid: int) -> bool:
    try:
        return "Z" in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[:1]
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_metrics_tell_model_version_and_code(servers: Servers, iris_package: packages.Package) -> None:
    server = servers.start(iris_package).wait_ready()
    server.infer(ROWS)
    server.post("/invocations", {"inputs": "no"})
    text = server.get("/metrics", metrics=True).body.decode()
    for code in ("200", "400"):
        name = f'mlgitops_request_duration_seconds_count{{code="{code}",model="iris",version="3"}}'
        assert f"{name} 1.0" in text
    assert server.metric("mlgitops_model_loaded") == 1
    assert f'digest="{iris_package.digest}"' in text
    assert server.get("/", metrics=True).status == 404


def test_a_model_of_numbers_is_served_without_pandas(servers: Servers, iris_package: packages.Package) -> None:
    server = servers.start(iris_package).wait_ready()
    assert server.infer(ROWS).status == 200
    mapped = Path(f"/proc/{server.worker()}/maps").read_text()
    assert "/numpy/" in mapped
    assert "/pandas/" not in mapped
