"""Days and shifts of a farm: when they start and end on the clock of its place, summer time and all.

A start that the clock jumps over is the moment of the jump; of one that comes twice, the first counts. So every moment lies in
exactly one shift, and the days on which the clock is set have shorter or longer ones.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

MIDNIGHT: Final = (time(0),)
_DAY: Final = timedelta(days=1)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Shift:
    """From `since` to before `until`, both with the offset of the farm's time zone."""

    since: datetime
    until: datetime
    start: str
    """HH:MM, as the farm says it; the clock may show another time where summer time begins."""

    def to_json(self) -> dict[str, str]:
        return {"since": self.since.isoformat(), "until": self.until.isoformat(), "start": self.start}


def moment_of(day: date, at: time, zone: tzinfo) -> datetime:
    """When the clock shows a time of a day, in UTC."""
    local = datetime.combine(day, at, tzinfo=zone)
    early = local.replace(fold=1).astimezone(UTC)
    late = local.astimezone(UTC)
    if early >= late:  # it comes once, or twice and `late` is the first time
        return late
    # jumped over: the jump is between the two, to the second
    before = early.astimezone(zone).utcoffset()
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        middle = middle.replace(microsecond=0)
        if middle <= early:
            break
        early, late = (middle, late) if middle.astimezone(zone).utcoffset() == before else (early, middle)
    return late


def starts_around(days: Iterable[date], at: Sequence[time], zone: tzinfo) -> list[tuple[datetime, time]]:
    """When shifts start on these days and on those beside them, in UTC, earliest first; of two at one moment the later one."""
    wanted = {day + step * _DAY for day in set(days) for step in (-1, 0, 1)}
    found = {moment_of(day, each, zone): each for day in sorted(wanted) for each in at}
    return sorted(found.items())


def shift_at(moment: datetime, at: Sequence[time], zone: tzinfo) -> Shift:
    """The shift that a moment lies in; `at` are its starts in a day, one or more."""
    today = moment.astimezone(zone).date()
    starts = starts_around((today - _DAY, today, today + _DAY), at, zone)  # a place may leave a whole day out
    place = bisect_right([start for start, _ in starts], moment) - 1
    (since, start), (until, _) = starts[place], starts[place + 1]
    return Shift(since.astimezone(zone), until.astimezone(zone), f"{start:%H:%M}")
