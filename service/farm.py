"""What a farm says of itself: its name, its time zone, when its shifts start, what a fruit of each grade weighs and fetches.

Weights and prices are estimates: nothing on the line weighs a fruit, and what it fetches is known at the market alone. A farm
that sets its own gets sums that are about right; what comes here is for one that has not.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, tzinfo
from functools import cache
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from models.grades import GRADES
from models.prices import PRICES_YEN
from service.errors import TimeZoneMissing
from service.grading import rfc3339

GRAMS_PER_FRUIT: Final[Mapping[str, float]] = {
    "2L": 150.0, "L": 120.0, "M": 100.0, "S": 85.0, "2S": 65.0, "BL": 130.0, "BM": 100.0, "BS": 75.0, "C": 80.0,
}  # fmt: skip
"""A straight cucumber of the middle size weighs about 100 g as it is sold in Japan; the others are assumed around it."""
YEN_PER_FRUIT: Final[Mapping[str, float]] = PRICES_YEN
SHIFT_STARTS: Final = ("00:00",)
MAX_SHIFTS: Final = 6
_LOCAL_TIME: Final = Path("/etc/localtime")


@dataclass(frozen=True, slots=True)
class Farm:
    """What is said of the farm, with the defaults where nobody has said anything."""

    name: str | None = None
    time_zone: str = field(default_factory=lambda: machine_time_zone())
    """A name of the IANA's, such as Asia/Tokyo."""
    shift_starts: tuple[str, ...] = SHIFT_STARTS
    """HH:MM of the local day, earliest first, 1 to MAX_SHIFTS of them. A shift ends where the next one starts."""
    grams_per_fruit: Mapping[str, float] = field(default_factory=lambda: GRAMS_PER_FRUIT)
    """By grade, all of GRADES; an estimate."""
    yen_per_fruit: Mapping[str, float] = field(default_factory=lambda: YEN_PER_FRUIT)
    """By grade, all of GRADES; an estimate."""
    changed_by: str | None = None
    changed_at: datetime | None = None

    @property
    def zone(self) -> tzinfo:
        """Raises TimeZoneMissing where this machine does not know it."""
        return zone_of(self.time_zone)

    @property
    def starts(self) -> tuple[time, ...]:
        """`shift_starts` as times of the day."""
        return tuple(time.fromisoformat(start) for start in self.shift_starts)

    def estimates(self) -> dict[str, dict[str, float]]:
        """Weights and prices by grade, in the order of GRADES."""
        return {
            "grams_per_fruit": {grade: self.grams_per_fruit[grade] for grade in GRADES},
            "yen_per_fruit": {grade: self.yen_per_fruit[grade] for grade in GRADES},
        }

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "time_zone": self.time_zone,
            "shift_starts": list(self.shift_starts),
            **self.estimates(),
            "changed_by": self.changed_by,
            "changed_at": self.changed_at and rfc3339(self.changed_at),
        }


@cache
def _known() -> frozenset[str]:
    return frozenset(available_timezones() | {"UTC"})


def is_time_zone(name: str) -> bool:
    """Whether this machine knows a time zone of that name."""
    return name in _known()


def zone_of(name: str) -> tzinfo:
    """Raises TimeZoneMissing: the records may come from a machine that knows more time zones than this one."""
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise TimeZoneMissing(name) from error


def machine_time_zone() -> str:
    """The time zone that this machine is set to; UTC where it does not say, or in a way that has no name."""
    said = os.environ.get("TZ", "").removeprefix(":")
    if said:
        return said if is_time_zone(said) else "UTC"
    name = str(_LOCAL_TIME.resolve()).rpartition("zoneinfo/")[2]
    return name if is_time_zone(name) else "UTC"
