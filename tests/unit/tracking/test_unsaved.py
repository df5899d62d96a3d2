"""What a reader says of a model that a process beside training saves."""

from __future__ import annotations

from pathlib import Path

import pytest

import mlgitops
from mlgitops import tracking
from mlgitops.tracking import remarks, unsaved

DIGEST = "sha256:" + "0" * 64
TOKEN = "0" * 16


@pytest.mark.parametrize(
    ("module", "name"), [(unsaved, "broken"), (remarks, "read")], ids=["before the look at its lock", "after it"]
)
def test_a_model_whose_saving_ends_while_its_record_is_read_is_not_called_lost(
    root: Path, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    with mlgitops.start_run() as run:
        promise = run.promise_model("model", TOKEN)
        original = getattr(module, name)

        def meanwhile(folder: Path, *rest: object) -> object:
            line = f'"path": "models/model", "digest": "{DIGEST}", "format": "skops", "token": "{TOKEN}"'
            run._line("model", f'{{"name": "model", {line}}}')
            unsaved.path(folder, "model", TOKEN).unlink(missing_ok=True)
            return original(folder, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(module, name, meanwhile)
            assert tracking.read(run.folder).problems == ()
        assert [model.name for model in tracking.read(run.folder).models] == ["model"]
        promise.close()


def test_a_model_that_nobody_saves_any_longer_is_lost(root: Path) -> None:
    with mlgitops.start_run() as run:
        promise = run.promise_model("model", TOKEN)
        assert tracking.read(run.folder).saving == ("model",)
        promise.close()
        record = tracking.read(run.folder)
        assert (record.saving, record.problems) == ((), ("the saving of model model did not end",))


def test_a_promise_that_could_not_be_written_is_none(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lines: bytes) -> None:
        raise OSError("no room")

    with mlgitops.start_run() as run, monkeypatch.context() as patched:
        patched.setenv("MLGITOPS_STRICT", "1")
        patched.setattr(run.writer, "write", fail)
        with pytest.raises(OSError, match="no room"):
            run.promise_model("model", TOKEN)
        assert unsaved.held(run.folder) == []
