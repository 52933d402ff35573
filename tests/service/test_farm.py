"""Defaults of a farm, and time zones as this machine knows them."""

from pathlib import Path

import pytest

from models.grades import BENT, GRADES, STRAIGHT
from service import farm as module
from service.errors import TimeZoneMissing
from service.farm import GRAMS_PER_FRUIT, YEN_PER_FRUIT, Farm, is_time_zone, machine_time_zone, zone_of


def test_a_farm_that_said_nothing_has_estimates_for_every_grade() -> None:
    farm = Farm(time_zone="UTC")
    estimates = farm.estimates()
    assert [list(values) for values in estimates.values()] == [list(GRADES)] * 2
    assert (farm.name, farm.shift_starts, farm.changed_by, farm.changed_at) == (None, ("00:00",), None, None)
    for values in (GRAMS_PER_FRUIT, [80.0]):
        assert all(20 < grams < 300 for grams in (values.values() if isinstance(values, dict) else values))
    for kind in (STRAIGHT, BENT):  # longer ones weigh more
        weights = [GRAMS_PER_FRUIT[grade] for grade in kind]
        assert weights == sorted(weights, reverse=True)
    straight = [YEN_PER_FRUIT[grade] for grade in STRAIGHT]
    assert min(straight) > 2 * max(YEN_PER_FRUIT[grade] for grade in BENT)


@pytest.mark.parametrize(
    ("said", "expected"),
    [("Asia/Tokyo", "Asia/Tokyo"), (":Europe/Berlin", "Europe/Berlin"), ("JST-9", "UTC"), ("/etc/localtime", "UTC")],
)
def test_the_machine_says_its_time_zone_in_its_environment(monkeypatch: pytest.MonkeyPatch, said: str, expected: str) -> None:
    monkeypatch.setenv("TZ", said)
    assert machine_time_zone() == expected
    assert Farm().time_zone == expected


@pytest.mark.parametrize("name", ["Asia/Tokyo", "America/Argentina/Buenos_Aires", "no/such/zone"])
def test_or_as_a_link(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.delenv("TZ", raising=False)
    link = tmp_path / "localtime"
    link.symlink_to(tmp_path / "zoneinfo" / name)
    monkeypatch.setattr(module, "_LOCAL_TIME", link)
    assert machine_time_zone() == (name if is_time_zone(name) else "UTC")
    link.unlink()
    assert machine_time_zone() == "UTC"


@pytest.mark.parametrize("name", ["Asia", "Mars/Olympus", "../../etc/passwd", "", "a\0b", "x" * 300])
def test_a_time_zone_that_is_missing_says_so(name: str) -> None:
    assert not is_time_zone(name)
    with pytest.raises(TimeZoneMissing, match="tzdata"):
        zone_of(name)


def test_a_machine_without_time_zone_data_knows_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "available_timezones", lambda: set())
    module._known.cache_clear()
    try:
        assert is_time_zone("UTC")
        assert not is_time_zone("Asia/Tokyo")
    finally:
        module._known.cache_clear()
