"""What the demo says and remembers."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mlgitops.demo.narration import Narrator


@pytest.fixture
def narrator() -> Narrator:
    return Narrator(Console(file=io.StringIO(), width=100))


def told(narrator: Narrator) -> str:
    return narrator.console.file.getvalue()


def test_a_step_keeps_its_time_and_what_it_found(narrator) -> None:
    with narrator.step("predict", "Ask for a prediction") as found:
        found["requests"] = 7
    (step,) = narrator.steps
    assert step.to_json() == {"name": "predict", "seconds": round(step.seconds, 2), "ok": True, "requests": 7}
    assert "predict" in told(narrator)


def test_a_step_that_fails_is_remembered_as_failed_and_raises(narrator) -> None:
    with pytest.raises(RuntimeError), narrator.step("canary-v3", "Roll out"):
        raise RuntimeError("the canary died")
    assert [step.ok for step in narrator.steps] == [False]
    assert "✗ canary-v3" in told(narrator)


def test_text_from_outside_is_shown_as_it_is(narrator) -> None:
    narrator.say("[bold red]pull request[/bold red] title")
    assert "[bold red]pull request[/bold red] title" in told(narrator)
