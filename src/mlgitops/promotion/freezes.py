"""Times at which a policy lets nothing through."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from mlgitops.api import PromotionPolicy
from mlgitops.api.policy import Freeze, WeeklyWindow
from mlgitops.promotion.change import Change
from mlgitops.promotion.verdict import Outcome, Verdict

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAME = "freeze"


def freeze(change: Change, policy: PromotionPolicy, now: datetime) -> Verdict:
    """No promotion to a frozen stage; ``now`` is an instant (UTC or any other zone)."""
    judging = [found for found in policy.spec.freezes if not found.stages or change.stage in found.stages]
    try:
        ends = {found.name: end for found in judging if (end := frozen_until(found, now))}
    except (ZoneInfoNotFoundError, ValueError) as error:
        return Verdict(_NAME, Outcome.INCONCLUSIVE, f"a freeze of the policy cannot be read: {error}; correct it")
    if not ends:
        return Verdict(_NAME, Outcome.PASS, f"no freeze of {change.stage} is in force")
    name = max(ends, key=lambda found: ends[found])
    reason = next(found.reason for found in judging if found.name == name)
    why = f"{name}: {reason}" if reason else name
    until = f"{ends[name].astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    return Verdict(_NAME, Outcome.FAIL, f"{change.stage} is frozen until {until} ({why}); merge after that")


def frozen_until(freeze: Freeze, now: datetime) -> datetime | None:
    """Return when a freeze that is in force now ends; None when it is not in force.

    A week that is frozen whole ends where it is looked at from: seven days ahead.

    Raises:
        ZoneInfoNotFoundError: this machine knows no such time zone.
        ValueError: a time is none.
    """
    if freeze.weekly is not None:
        return _week(freeze.weekly, now)
    start, end = (datetime.fromisoformat(text) for text in (freeze.start or "", freeze.end or ""))
    return end if start <= now < end else None


def _week(weekly: WeeklyWindow, now: datetime) -> datetime | None:
    zone = ZoneInfo(weekly.time_zone)
    today = now.astimezone(zone)
    windows = sorted(_windows(weekly, today))
    end = next((end for start, end in windows if start <= now < end), None)
    # What begins when another window ends is one freeze to whoever waits.
    while end and (longer := next((later for start, later in windows if start == end), None)):
        end = longer
    return end


def _windows(weekly: WeeklyWindow, today: datetime) -> Iterable[tuple[datetime, datetime]]:
    for ahead in range(8):
        day = today.date() + timedelta(days=ahead)
        if DAYS[day.weekday()] in weekly.days:
            midnight = datetime.combine(day, time(), today.tzinfo)
            start = midnight.replace(hour=int(weekly.start[:2]), minute=int(weekly.start[3:]))
            if weekly.end == "24:00":
                end = datetime.combine(day + timedelta(days=1), time(), today.tzinfo)
            else:
                end = midnight.replace(hour=int(weekly.end[:2]), minute=int(weekly.end[3:]))
            yield start, end
