from __future__ import annotations

import difflib

import pytest
import yaml

from mlgitops.api.model import Hold, Run, Source
from mlgitops.errors import InvalidError
from mlgitops.registry import edit

STAGE = b"""\
# who to ask: team-flowers
apiVersion: mlgitops.dev/v1alpha1
kind: ModelStage
metadata:
  name: iris.production   # <model>.<stage>
spec:
  stage: production
  modelRef: {name: iris}
  version: "3"  # changed by pull requests only
"""
HOLD = Hold("p99: 3 s # not '1 s'", "alice", "2026-12-01T00:00:00Z")


def changed_lines(before: bytes, after: bytes) -> list[str]:
    lines = difflib.ndiff(before.decode().splitlines(True), after.decode().splitlines(True))
    return [line for line in lines if line[0] in "+-"]


def test_a_promotion_is_a_change_of_one_line() -> None:
    assert changed_lines(STAGE, edit.set_version(STAGE, "4")) == [
        '-   version: "3"  # changed by pull requests only\n',
        '+   version: "4"  # changed by pull requests only\n',
    ]


@pytest.mark.parametrize(
    "old",
    [
        STAGE.replace(b"\n", b"\r\n"),
        STAGE.removesuffix(b"\n"),
        STAGE.replace(b'"3"', b"'3'"),
        STAGE.replace(b'"3"  # changed by pull requests only', b"'3'"),
        b'spec: {version: "3", stage: production}\n',
        b'spec:\n  version:\n    "3"\n',
        b"spec:\n  version: !!str 3\n",
    ],
)
def test_the_version_is_replaced_however_it_is_written(old: bytes) -> None:
    after = yaml.safe_load(edit.set_version(old, "12"))
    assert after["spec"]["version"] == "12"
    before = yaml.safe_load(old)
    assert {**after["spec"], "version": ""} == {**before["spec"], "version": ""}


def test_line_ends_stay_as_they_are() -> None:
    after = edit.set_version(STAGE.replace(b"\n", b"\r\n"), "4")
    assert after.count(b"\r\n") == after.count(b"\n") == STAGE.count(b"\n")


def test_a_hold_is_added_without_touching_another_line() -> None:
    after = edit.set_hold(STAGE, HOLD)
    assert changed_lines(STAGE, after) == [
        "+   hold:\n",
        "+     reason: \"p99: 3 s # not '1 s'\"\n",
        '+     by: "alice"\n',
        '+     until: "2026-12-01T00:00:00Z"\n',
    ]
    assert yaml.safe_load(after)["spec"]["hold"]["reason"] == HOLD.reason


def test_a_hold_that_is_taken_away_leaves_nothing_behind() -> None:
    assert edit.set_hold(edit.set_hold(STAGE, HOLD), None) == STAGE
    assert edit.set_hold(STAGE, None) == STAGE


def test_a_hostile_reason_stays_text() -> None:
    reason = "x\nspec: {version: '666'}\n\x1b[31m"
    after = yaml.safe_load(edit.set_hold(STAGE, Hold(reason)))
    assert after["spec"]["version"] == "3"
    assert after["spec"]["hold"] == {"reason": reason}


@pytest.mark.parametrize("data", [b"a: [", b"spec: 1\n", b"kind: ModelStage\n"])
def test_a_file_without_a_spec_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidError):
        edit.set_version(data, "4")


VERSION = b"""kind: ModelVersion
spec:
  version: "1"
  run:  # the first
    id: "01KA"
    uri: s3://runs/01KA
    startedAt: "2026-11-23T09:00:00Z"
  # of no commit
  datasets: []
"""


def test_a_source_takes_its_place_beside_the_run_and_leaves_comments_alone() -> None:
    run = Run(id="01KB", uri="s3://runs/01KB")
    after = edit.set_source(VERSION, Source(commit="0" * 40, entry_point="a: {b}"), run)
    assert yaml.safe_load(after)["spec"] == {
        "version": "1",
        "run": {"id": "01KB", "uri": "s3://runs/01KB"},
        "source": {"commit": "0" * 40, "entryPoint": "a: {b}"},
        "datasets": [],
    }
    assert b"# the first" in after and b"# of no commit" in after
    assert edit.set_source(after, Source(commit="0" * 40, entry_point="a: {b}"), run) == after
