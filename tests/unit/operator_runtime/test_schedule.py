"""The order of work, against a model that is too simple to be wrong."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mlgitops.operator.runtime.schedule import Entry, Priority, Schedule

KEYS = st.sampled_from("abcde")
PRIORITIES = st.sampled_from(list(Priority))
DELAYS = st.sampled_from([0.0, 0.0, 1.0, 5.0])


class ScheduleMachine(RuleBasedStateMachine):
    """Any order of asking, handing out and giving back."""

    @initialize()
    def start(self) -> None:
        self.schedule: Schedule[str] = Schedule()
        self.now = 0.0
        self.waiting: dict[str, Entry] = {}
        self.again: dict[str, Entry] = {}
        self.working: set[str] = set()

    @rule(key=KEYS, priority=PRIORITIES, delay=DELAYS)
    def add(self, key: str, priority: Priority, delay: float) -> None:
        entry = Entry(self.now + delay, priority)
        self.schedule.add(key, entry)
        where = self.again if key in self.working else self.waiting
        old = where.get(key, entry)
        where[key] = Entry(min(old.due, entry.due), min(old.priority, entry.priority))

    @rule()
    def take(self) -> None:
        due = {key: entry for key, entry in self.waiting.items() if entry.due <= self.now}
        key = self.schedule.take(self.now)
        if not due:
            assert key is None
            return
        assert key in due, "handed out what was not due, was in work, or was not asked for"
        assert due[key].priority == min(entry.priority for entry in due.values())
        del self.waiting[key]
        self.working.add(key)

    @rule(key=KEYS)
    def done(self, key: str) -> None:
        if key in self.working:
            self.schedule.done(key)
            self.working.remove(key)
            if key in self.again:
                self.waiting[key] = self.again.pop(key)

    @rule(seconds=st.sampled_from([0.5, 1.0, 4.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert len(self.schedule) == len(self.waiting) + len(self.again)

    @invariant()
    def the_next_moment_is_known(self) -> None:
        due = self.schedule.next_due(self.now)
        if self.waiting:
            assert due is not None
            assert max(due, self.now) == max(min(entry.due for entry in self.waiting.values()), self.now)
        else:
            assert due is None


TestSchedule = ScheduleMachine.TestCase


def test_equal_urgency_goes_in_the_order_of_asking() -> None:
    schedule: Schedule[str] = Schedule()
    for key in "cab":
        schedule.add(key, Entry(0.0, Priority.CHILD))
    assert [schedule.take(0.0) for _ in range(4)] == ["c", "a", "b", None]


def test_a_person_overtakes_the_initial_list() -> None:
    schedule: Schedule[str] = Schedule()
    for number in range(100):
        schedule.add(f"listed-{number}", Entry(0.0, Priority.INITIAL))
    schedule.add("mine", Entry(0.0, Priority.PERSON))
    assert schedule.take(0.0) == "mine"


def test_many_requests_for_one_key_are_one_piece_of_work() -> None:
    schedule: Schedule[str] = Schedule()
    for _ in range(1000):
        schedule.add("key", Entry(0.0, Priority.CHILD))
    assert schedule.take(0.0) == "key"
    schedule.done("key")
    assert schedule.take(0.0) is None


def test_what_changes_during_the_work_is_worked_on_again() -> None:
    schedule: Schedule[str] = Schedule()
    schedule.add("key", Entry(0.0, Priority.CHILD))
    schedule.take(0.0)
    schedule.add("key", Entry(0.0, Priority.CHILD))
    assert schedule.take(0.0) is None
    schedule.done("key")
    assert schedule.take(0.0) == "key"
