"""Schedules: whether something is on at a moment, and when that changes.

Times are those of clocks on the wall. Where clocks are set back, a period begins the first time
that its hour comes and ends the second time; a time that clocks skip is as much later as they are
set forward.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from costream.serve.config.model import ScheduleConfig

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = timedelta(days=1)
_LOCAL = Path("/etc/localtime")


def service_zone(name: str | None) -> tzinfo:
    """Returns the time zone of a service: the machine's, with its rules, where none is named.

    Args:
        name: as in ``timezone`` of the configuration.

    Raises:
        ZoneInfoNotFoundError: there is none of that name.
    """
    named = name or os.environ.get("TZ", "").removeprefix(":")
    if named:
        return ZoneInfo(named)
    if not _LOCAL.exists():
        return timezone.utc
    with _LOCAL.open("rb") as file:
        return ZoneInfo.from_file(file)


def is_on(schedule: Sequence[ScheduleConfig], moment: datetime) -> bool:
    """Whether a schedule covers a moment. One without periods always does.

    Args:
        schedule: its periods.
        moment: in the time zone of the schedule.
    """
    if not schedule:
        return True
    found = _periods(schedule, moment, moment.date() - _DAY, days=2)
    return any(start <= moment.astimezone(timezone.utc) < end for start, end in found)


def next_change(schedule: Sequence[ScheduleConfig], moment: datetime) -> datetime | None:
    """Returns when a schedule goes on or off next, after a moment; None where it never does.

    Args:
        schedule: its periods.
        moment: in the time zone of the schedule, which the result is in as well.
    """
    if not schedule:
        return None
    on, now = is_on(schedule, moment), moment.astimezone(timezone.utc)
    # Each period comes again within a week; a day more for those of yesterday, one for odd clocks.
    found = _periods(schedule, moment, moment.date() - _DAY, days=10)
    for change in sorted({change for period in found for change in period if change > now}):
        local = change.astimezone(moment.tzinfo)
        if is_on(schedule, local) != on:
            return local
    return None


def _periods(
    schedule: Sequence[ScheduleConfig], moment: datetime, first: date, days: int
) -> Iterator[tuple[datetime, datetime]]:
    """Yields beginning and end in UTC of the periods that begin on some days."""
    zone = moment.tzinfo or timezone.utc
    for day in (first + _DAY * number for number in range(days)):
        for period in schedule:
            if period.days is None or _DAYS[day.weekday()] in period.days:
                start, end = _time(period.from_), _time(period.to)
                last = day if start < end else day + _DAY
                yield _instant(day, start, zone), _instant(last, end, zone, second=True)


def _time(text: str) -> time:
    return time(int(text[:2]), int(text[3:]))


def _instant(day: date, at: time, zone: tzinfo, *, second: bool = False) -> datetime:
    """Returns the moment at which clocks show a time, in UTC; of two, the first or the second."""
    early = datetime.combine(day, at, zone)
    late = early.replace(fold=1)
    # Only where clocks were set back is the second moment the later one.
    twice = late.astimezone(timezone.utc) > early.astimezone(timezone.utc)
    return (late if second and twice else early).astimezone(timezone.utc)
