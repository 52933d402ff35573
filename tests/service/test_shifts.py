"""Shifts on the farm's clock: one after another without a gap, whatever the clock does."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.shifts import moment_of, shift_at, starts_around

TOKYO, BERLIN, NEW_YORK = ZoneInfo("Asia/Tokyo"), ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
ZONES = [
    "Asia/Tokyo",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
    "Asia/Beirut",
]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]


def test_two_shifts_a_day_in_japan() -> None:
    at = (time(6), time(14, 30))
    shift = shift_at(utc(2026, 11, 23, 2, 11), at, TOKYO)
    assert shift.to_json() == {"since": "2026-11-23T06:00:00+09:00", "until": "2026-11-23T14:30:00+09:00", "start": "06:00"}
    night = shift_at(utc(2026, 11, 22, 20, 59, 59), at, TOKYO)
    assert night.to_json() == {"since": "2026-11-22T14:30:00+09:00", "until": "2026-11-23T06:00:00+09:00", "start": "14:30"}
    assert shift_at(utc(2026, 11, 22, 21), at, TOKYO) == shift


@pytest.mark.parametrize(
    ("day", "at", "expected"),
    [
        (date(2026, 3, 29), time(1, 59), utc(2026, 3, 29, 0, 59)),
        (date(2026, 3, 29), time(2), utc(2026, 3, 29, 1)),  # jumped over: the clock goes from 02:00 to 03:00
        (date(2026, 3, 29), time(2, 30), utc(2026, 3, 29, 1)),
        (date(2026, 3, 29), time(3), utc(2026, 3, 29, 1)),
        (date(2026, 10, 25), time(1, 59), utc(2026, 10, 24, 23, 59)),
        (date(2026, 10, 25), time(2, 30), utc(2026, 10, 25, 0, 30)),  # twice: the first counts
        (date(2026, 10, 25), time(3), utc(2026, 10, 25, 2)),
    ],
)
def test_the_nights_on_which_the_clock_is_set(day: date, at: time, expected: datetime) -> None:
    assert moment_of(day, at, BERLIN) == expected


def test_days_of_23_and_25_hours() -> None:
    for day, hours in ((date(2026, 3, 8), 23), (date(2026, 11, 1), 25), (date(2026, 7, 1), 24)):
        noon = moment_of(day, time(12), NEW_YORK)
        shift = shift_at(noon, (time(0),), NEW_YORK)
        assert (shift.until.astimezone(UTC) - shift.since.astimezone(UTC)) == timedelta(hours=hours)


def test_a_midnight_that_is_jumped_over_and_a_day_that_is_left_out() -> None:
    beirut, apia = ZoneInfo("Asia/Beirut"), ZoneInfo("Pacific/Apia")
    assert shift_at(utc(2022, 3, 27, 9), (time(0),), beirut).since.isoformat() == "2022-03-27T01:00:00+03:00"
    # there was no 30 December 2011 in Samoa
    before = shift_at(utc(2011, 12, 30, 9, 59), (time(0),), apia)
    after = shift_at(utc(2011, 12, 30, 10), (time(0),), apia)
    assert (before.since.date(), before.until) == (date(2011, 12, 29), after.since)
    assert after.since.isoformat() == "2011-12-31T00:00:00+14:00"


def test_of_two_starts_in_the_hour_that_is_missing_the_later_counts() -> None:
    found = starts_around([date(2026, 3, 29)], (time(2, 15), time(2, 45)), BERLIN)
    assert [each for each in found if each[0] == utc(2026, 3, 29, 1)] == [(utc(2026, 3, 29, 1), time(2, 45))]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.lists(st.times().map(lambda at: at.replace(second=0, microsecond=0)), min_size=1, max_size=6, unique=True),
    st.datetimes(datetime(1995, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
)
def test_every_moment_lies_in_exactly_one_shift(zone: str, at: list[time], moment: datetime) -> None:
    place, starts = ZoneInfo(zone), tuple(sorted(at))
    shift = shift_at(moment, starts, place)
    assert shift.since <= moment < shift.until
    assert shift.until.astimezone(UTC) - shift.since.astimezone(UTC) <= timedelta(hours=25)
    assert shift_at(shift.since, starts, place) == shift
    following = shift_at(shift.until, starts, place)
    assert following.since == shift.until
    shown = f"{shift.since:%H:%M}"
    jumped = (shift.since - timedelta(seconds=1)).astimezone(UTC).astimezone(place).utcoffset() != shift.since.utcoffset()
    assert shown == shift.start or jumped
