"""A run in a store, while it goes on and after its end, as a colleague finds it."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import mlgitops
from mlgitops import artifacts, tracking
from mlgitops.errors import InputError, IntegrityError, NotFoundError
from mlgitops.tracking import records, remarks, remote
from mlgitops.tracking.live import LivePush
from mlgitops.tracking.pulling import pull, read_current
from servers.s3 import S3

pytestmark = pytest.mark.slow

Script = Callable[..., subprocess.Popen[str]]


@pytest.fixture(params=["file", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "s3":
        server: S3 = request.getfixturevalue("s3")
        return server.uri
    return (tmp_path / "store").as_uri()


def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be another machine from now on."""
    monkeypatch.setattr("mlgitops.tracking.life.hostname", lambda: "elsewhere")


def keys(store: str, run: tracking.Run) -> set[str]:
    return set(artifacts.open_store(artifacts.join(store, "runs", run.id)).list())


def test_a_live_run_is_seen_by_a_colleague_and_grows(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = mlgitops.start_run("live", experiment="iris")
    push = LivePush(run.folder, store)
    mlgitops.log_metric("loss", 2.0)
    mlgitops.log_text("hello", "note")
    push.push()
    mlgitops.log_metrics({"loss": 1.0, "auc": 0.5}, step=1)
    mlgitops.log_param("C", 3)
    push.push()
    push.push()
    elsewhere(monkeypatch)
    found = tracking.read(pull(store, run.id, tmp_path / "colleague"))
    assert (found.id, found.name, found.experiment, found.status) == (run.id, "live", "iris", "running")
    assert found.metrics == tracking.read(run.folder).metrics
    assert found.params == {"C": 3}
    assert [(p.step, p.value) for p in tracking.read_points(found.folder, "loss")] == [(0, 2.0), (1, 1.0)]
    assert (found.folder / found.media[0].path).read_text() == "hello"
    pieces = [key for key in keys(store, run) if key.startswith("live/w-")]
    assert len(pieces) == 2  # one a push that found something new


def test_one_object_tells_what_a_list_shows(store: str) -> None:
    run = mlgitops.start_run("live", tags={"team": "a"})
    mlgitops.log_metric("loss", 2.0)
    LivePush(run.folder, store).push()
    current = read_current(store, run.id)
    record = records.from_parts(current["run"], current["capture"], Path(run.id), current["status"])
    assert (record.status, record.name, record.tags) == ("running", "live", {"team": "a"})
    assert record.metrics["loss"].last == 2.0
    assert current["digest"] is None


def test_another_process_goes_on_pushing_where_the_first_one_stopped(store: str, tmp_path: Path) -> None:
    run = mlgitops.start_run()
    for step in range(3):
        mlgitops.log_metric("loss", step)
        LivePush(run.folder, store).push()
    pulled = pull(store, run.id, tmp_path / "colleague")
    assert [point.step for point in tracking.read_points(pulled)] == [0, 1, 2]


def test_pieces_that_overlap_or_leave_a_gap_are_put_together_without_either(tmp_path: Path) -> None:
    store = (tmp_path / "store").as_uri()
    run = mlgitops.start_run()
    mlgitops.log_metric("loss", 1.0)
    LivePush(run.folder, store).push()
    (lines,) = run.folder.glob("w-*.jsonl")
    data = lines.read_bytes()
    below = tmp_path / "store" / "runs" / run.id / "live" / lines.name
    (below / f"{10:016d}").write_bytes(data[10:] + b'{"metric":"late","value":1.0,"step":0,"time":1.0}\n')
    (below / f"{10_000:016d}").write_bytes(b'{"metric":"gap","value":1.0,"step":0,"time":1.0}\n')
    pulled = pull(store, run.id, tmp_path / "colleague")
    assert [point.metric for point in tracking.read_points(pulled)] == ["loss", "late"]


def test_at_the_end_the_sealed_record_takes_the_place_of_what_was_live(store: str, tmp_path: Path) -> None:
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1.0)
        LivePush(run.folder, store).push()
    record = tracking.read(run.folder)
    remarks.note(run.folder, "worth a look", by="ann")
    pushed = remote.push(record, store)
    assert not any(key.startswith("live/") for key in keys(store, run))
    current = read_current(store, run.id)
    assert (current["digest"], current["status"]) == (pushed.run_digest, "finished")
    found = tracking.read(pull(store, run.id, tmp_path / "colleague"))
    assert found.metrics == record.metrics
    assert [note.text for note in found.notes] == ["worth a look"]
    with pytest.raises(InputError, match="has ended"):
        LivePush(run.folder, store).push()


def test_a_killed_run_is_pushed_with_its_sums(root: Path, script: Script, store: str) -> None:
    process = script("import mlgitops, os\nmlgitops.log_metric('loss', 1)\nos.kill(os.getpid(), 9)\n")
    process.wait()
    deadline = time.monotonic() + 60  # the process that captures may not have let go of the files yet
    while (record := tracking.list_runs(root)[0]).status == "running":
        assert time.monotonic() < deadline
        time.sleep(0.02)
    remote.push(record, store)
    current = read_current(store, record.id)
    again = records.from_parts(current["run"], current["capture"], record.folder, current["status"])
    assert (again.status, again.metrics) == ("killed", record.metrics)


def test_a_record_without_sums_is_pushed_with_them(root: Path, store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGEST_RUN", 500)
    with mlgitops.start_run() as run:
        mlgitops.log_metric("loss", 1)
        mlgitops.log_param("long", "x" * 500)
    remote.push(tracking.read(run.folder), store)
    assert read_current(store, run.id)["run"]["metrics"]["loss"]["last"] == 1.0


def test_a_run_pushes_itself_every_so_many_seconds(root: Path, script: Script, tmp_path: Path) -> None:
    process = script(
        "import mlgitops\n"
        "mlgitops.start_run(push_every=0.05)\n"
        "mlgitops.log_metric('loss', 1)\n"
        "print('up', flush=True)\n"
        "input()\n",
        MLGITOPS_STORE_URL=(tmp_path / "store").as_uri(),
    )
    process.stdout.readline()
    (folder,) = (root / "runs").iterdir()
    current = tmp_path / "store" / "runs" / folder.name / "current.json"
    deadline = time.monotonic() + 60
    while not (current.exists() and "loss" in json.loads(current.read_text())["run"]["metrics"]):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    _, told = process.communicate("\n")
    assert "pushed to" in told, told
    assert json.loads(current.read_text())["digest"] is not None
    assert not (current.parent / "live").exists()


@pytest.mark.parametrize("time", ["2026-01-01T00:00:00.000Z", "2400-01-01T00:00:00.000Z"])
def test_a_live_run_that_is_silent_for_long_or_ahead_of_time_is_stale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, time: str
) -> None:
    store = (tmp_path / "store").as_uri()
    run = mlgitops.start_run()
    LivePush(run.folder, store).push()
    current = tmp_path / "store" / "runs" / run.id / "current.json"
    said = json.loads(current.read_text()) | {"pushed_at": time}
    current.write_text(json.dumps(said))
    elsewhere(monkeypatch)
    assert tracking.read(pull(store, run.id, tmp_path / "colleague")).status == "stale"


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 2, "run": {}}', '{"format": 1, "run": []}', "[" * 100_000]
)
def test_a_store_that_says_nonsense_is_an_input_error(tmp_path: Path, text: str) -> None:
    run_id = mlgitops.new_run_id()
    path = tmp_path / "store" / "runs" / run_id / "current.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(InputError, match=r"current\.json"):
        pull((tmp_path / "store").as_uri(), run_id, tmp_path / "colleague")
    assert not (tmp_path / "colleague").exists()


def test_a_run_that_no_store_has_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        pull((tmp_path / "store").as_uri(), mlgitops.new_run_id(), tmp_path)
    with pytest.raises(InputError, match="is no run id"):
        pull((tmp_path / "store").as_uri(), "../x", tmp_path)


def test_a_sealed_record_that_was_changed_in_the_store_is_refused(tmp_path: Path) -> None:
    store = (tmp_path / "store").as_uri()
    with mlgitops.start_run() as run:
        pass
    remote.push(tracking.read(run.folder), store)
    (path,) = (tmp_path / "store" / "runs" / run.id).glob("sha256-*/run.json")
    path.write_text("{}")
    with pytest.raises(IntegrityError):
        pull(store, run.id, tmp_path / "colleague")
    assert not (tmp_path / "colleague" / run.id).exists()


def test_links_of_a_live_run_are_not_pushed(tmp_path: Path) -> None:
    run = mlgitops.start_run()
    (tmp_path / "secret").write_text("password")
    (run.folder / "artifacts").mkdir()
    (run.folder / "artifacts" / "link").symlink_to(tmp_path / "secret")
    (run.folder / "folder").symlink_to(tmp_path)
    LivePush(run.folder, (tmp_path / "store").as_uri()).push()
    pushed = [path.name for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert "link" not in pushed and "secret" not in pushed


def test_a_live_run_whose_keys_may_lead_out_of_it_is_refused(root: Path, tmp_path: Path) -> None:
    run = mlgitops.start_run()
    store = tmp_path / "store"
    LivePush(run.folder, store.as_uri()).push()
    (store / "runs" / run.id / "live" / "..\\x").write_text("out")
    with pytest.raises(InputError):
        pull(store.as_uri(), run.id, tmp_path / "colleague")
    run.end()
