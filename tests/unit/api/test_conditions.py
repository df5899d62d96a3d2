from __future__ import annotations

from mlgitops.api import conditions
from mlgitops.api.conditions import AVAILABLE, READY, RECONCILING, STALLED, make

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def test_a_new_condition_gets_the_time_of_now() -> None:
    (ready,) = conditions.put((), make(READY, True, "Serving"), EARLY)
    assert (ready.status, ready.last_transition_time) == ("True", EARLY)


def test_the_time_stays_while_the_status_does() -> None:
    before = conditions.put((), make(READY, False, "Starting"), EARLY)
    (ready,) = conditions.put(before, make(READY, False, "StillStarting"), LATE)
    assert (ready.reason, ready.last_transition_time) == ("StillStarting", EARLY)


def test_the_time_moves_with_the_status() -> None:
    before = conditions.put((), make(READY, False, "Starting"), EARLY)
    (ready,) = conditions.put(before, make(READY, True, "Serving"), LATE)
    assert ready.last_transition_time == LATE


def test_replacing_keeps_times_and_drops_what_is_not_wanted() -> None:
    before = conditions.put((), make(READY, True, "Serving"), EARLY)
    before = conditions.put(before, make(STALLED, True, "Failed"), EARLY)
    after = conditions.replaced(before, [make(AVAILABLE, True, "Pods"), make(READY, True, "Serving")], LATE)
    assert [(one.type, one.last_transition_time) for one in after] == [(AVAILABLE, LATE), (READY, EARLY)]


def test_what_is_taken_away_is_gone() -> None:
    before = conditions.put((), make(RECONCILING, True, "RollingOut"), EARLY)
    assert conditions.without(before, RECONCILING) == ()
    assert conditions.find(before, STALLED) is None
    assert conditions.is_true(before, RECONCILING)


def test_the_summary_names_the_worst() -> None:
    stated = conditions.put((), make(READY, False, "RolledBack", "p99 too high"), EARLY)
    assert conditions.summarise(stated) == "not Ready: RolledBack: p99 too high"
    stated = conditions.put(stated, make(STALLED, True, "Refused"), EARLY)
    assert conditions.summarise(stated) == "Stalled: Refused"
    assert conditions.summarise(()) == "unknown: not looked at yet"
