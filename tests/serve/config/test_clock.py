"""Schedules by the clock on the wall, over midnight and over changes of clocks."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from costream.serve.config import clock
from costream.serve.config.clock import is_on, next_change, service_zone
from costream.serve.config.model import ScheduleConfig

BERLIN = ZoneInfo("Europe/Berlin")


def period(start: str = "00:00", to: str = "00:00", *days: str) -> ScheduleConfig:
    return ScheduleConfig.model_validate({"from": start, "to": to, "days": list(days) or None})


def at(text: str, fold: int = 0) -> datetime:
    """A moment in Berlin; 2026-11-30 is a Monday."""
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN, fold=fold)


@pytest.mark.parametrize(
    ("schedule", "moment", "on"),
    [
        ([], "2026-11-30 12:00", True),
        ([period()], "2026-11-30 12:00", True),
        ([period("08:00", "18:00")], "2026-11-30 07:59", False),
        ([period("08:00", "18:00")], "2026-11-30 08:00", True),
        ([period("08:00", "18:00")], "2026-11-30 18:00", False),
        ([period("22:00", "06:00")], "2026-11-30 23:00", True),
        ([period("22:00", "06:00")], "2026-11-30 05:59", True),
        ([period("22:00", "06:00")], "2026-11-30 06:00", False),
        ([period("22:00", "06:00", "fri")], "2026-12-05 05:00", True),  # from Friday on
        ([period("22:00", "06:00", "sat")], "2026-12-05 05:00", False),
        ([period("00:00", "00:00", "mon")], "2026-11-30 23:59", True),
        ([period("00:00", "00:00", "mon")], "2026-12-01 00:00", False),
        ([period("08:00", "09:00"), period("20:00", "21:00")], "2026-11-30 20:30", True),
        ([period("12:00", "12:00", "mon")], "2026-12-01 11:59", True),
    ],
)
def test_a_period_covers_its_times(schedule: list[ScheduleConfig], moment: str, on: bool) -> None:
    assert is_on(schedule, at(moment)) is on


@pytest.mark.parametrize(
    ("schedule", "moment", "change"),
    [
        ([], "2026-11-30 12:00", None),
        ([period()], "2026-11-30 12:00", None),
        ([period("00:00", "12:00"), period("12:00", "00:00")], "2026-11-30 07:00", None),
        ([period("08:00", "18:00")], "2026-11-30 07:00", "2026-11-30 08:00"),
        ([period("08:00", "18:00")], "2026-11-30 08:00", "2026-11-30 18:00"),
        ([period("08:00", "18:00")], "2026-11-30 18:00", "2026-12-01 08:00"),
        ([period("22:00", "06:00")], "2026-11-30 23:00", "2026-12-01 06:00"),
        ([period("08:00", "18:00", "mon")], "2026-11-30 18:00", "2026-12-07 08:00"),
        (
            [period("08:00", "12:00"), period("11:00", "14:00")],
            "2026-11-30 09:00",
            "2026-11-30 14:00",
        ),
    ],
)
def test_the_next_change(schedule: list[ScheduleConfig], moment: str, change: str | None) -> None:
    assert next_change(schedule, at(moment)) == (None if change is None else at(change))


def test_a_skipped_hour_begins_what_begins_in_it_an_hour_later() -> None:
    # On 29 March 2026 clocks go from 02:00 to 03:00.
    night = [period("02:30", "05:00")]
    assert next_change(night, at("2026-03-29 01:00")) == at("2026-03-29 03:30")
    assert next_change(night, at("2026-03-29 04:00")) == at("2026-03-29 05:00")
    across = [period("22:00", "06:00")]
    start, end = at("2026-03-28 22:00"), next_change(across, at("2026-03-28 22:00"))
    assert end is not None
    assert end.astimezone(timezone.utc) - start.astimezone(timezone.utc) == timedelta(hours=7)


def test_an_hour_that_comes_twice_is_covered_without_a_break() -> None:
    # On 25 October 2026 clocks go from 03:00 back to 02:00.
    night = [period("22:00", "02:30")]
    for fold, minute, on in ((0, 15, True), (0, 45, True), (1, 15, True), (1, 45, False)):
        assert is_on(night, at(f"2026-10-25 02:{minute}", fold)) is on
    end = next_change(night, at("2026-10-24 23:00"))
    assert end == at("2026-10-25 02:30", fold=1) and end.fold == 1
    morning = [period("02:30", "08:00")]
    begin = next_change(morning, at("2026-10-25 00:00"))
    assert begin is not None and (begin.hour, begin.minute, begin.fold) == (2, 30, 0)


TIMES = st.builds(lambda h, m: f"{h:02}:{m:02}", st.integers(0, 23), st.sampled_from([0, 30, 59]))
PERIODS = st.builds(
    lambda start, to, days: period(start, to, *days),
    TIMES,
    TIMES,
    st.lists(st.sampled_from(["mon", "tue", "sat", "sun"]), unique=True),
)
MOMENTS = st.datetimes(
    datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(timezone.utc)
).map(lambda moment: moment.astimezone(BERLIN))


@settings(max_examples=60, deadline=None)
@given(st.lists(PERIODS, min_size=1, max_size=3), MOMENTS)
def test_nothing_changes_until_the_next_change_and_then_it_does(
    schedule: list[ScheduleConfig], moment: datetime
) -> None:
    on, change = is_on(schedule, moment), next_change(schedule, moment)
    last = moment + timedelta(days=8)
    if change is not None:
        assert change > moment
        assert is_on(schedule, change) is not on
        last = change - timedelta(seconds=1)
    for part in range(40):
        between = moment.astimezone(timezone.utc) + (last - moment) * part / 40
        assert is_on(schedule, between.astimezone(BERLIN)) is on


def test_the_zone_of_a_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    assert service_zone("Europe/Berlin") == BERLIN
    assert service_zone(None) == ZoneInfo("Asia/Tokyo")
    monkeypatch.delenv("TZ")
    monkeypatch.setattr(clock, "_LOCAL", tmp_path / "none")
    assert service_zone(None) is timezone.utc
